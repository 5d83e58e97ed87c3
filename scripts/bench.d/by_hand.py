"""by_hand.py URL CHUNK_BYTES FILE: what one writes without rowmill. A publisher cuts the file into chunks and sends
them to a durable quorum queue with confirms, two consumers run pandas' describe on each, and a collector adds up
their counts. It counts nothing twice only as long as nobody dies."""

import io
import json
import multiprocessing
import os
import sys

import pandas
import pika

TASKS, RESULTS = f"by-hand-tasks-{os.getpid()}", f"by-hand-results-{os.getpid()}"
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)


def channel(url):
    """A channel of its own connection, with confirms, on which both queues are there."""
    opened = pika.BlockingConnection(pika.URLParameters(url)).channel()
    opened.confirm_delivery()
    for queue in (TASKS, RESULTS):
        opened.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    return opened


def pieces(file, size):
    """Runs of whole records: cut at a line end outside of quotes."""
    while piece := file.read(size):
        piece += file.readline()
        while piece.count(b'"') % 2 and (line := file.readline()):
            piece += line
        yield piece


def publish(url, size, path):
    """Every piece of the file, each confirmed."""
    out, sent = channel(url), 0
    with open(path, "rb") as file:
        header = file.readline()
        for piece in pieces(file, size):
            out.basic_publish("", TASKS, header + piece, PERSISTENT)
            sent += 1
    return sent


def consume(url):
    """Describes pieces for ever."""
    both = channel(url)
    both.basic_qos(prefetch_count=2)
    for method, _, body in both.consume(TASKS):
        frame = pandas.read_csv(io.BytesIO(body))
        described = frame.describe(include="all").to_json()
        result = json.dumps({"rows": len(frame), "described": described})
        both.basic_publish("", RESULTS, result.encode(), PERSISTENT)
        both.basic_ack(method.delivery_tag)


def collect(url, count, rows):
    """Adds up `count` results, once that is known."""
    results, seen, expected = channel(url), 0, None
    for method, _, body in results.consume(RESULTS, inactivity_timeout=0.05):
        if method is not None:
            rows.value += json.loads(body)["rows"]
            seen += 1
            results.basic_ack(method.delivery_tag)
        if expected is None and count.poll():
            expected = count.recv()
        if seen == expected:
            return


def main():
    url, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    rows = multiprocessing.Value("q", 0)
    told, tell = multiprocessing.Pipe(duplex=False)
    consumers = [multiprocessing.Process(target=consume, args=(url,), daemon=True) for _ in range(2)]
    collector = multiprocessing.Process(target=collect, args=(url, told, rows))
    for process in [*consumers, collector]:
        process.start()
    tell.send(publish(url, size, path))
    collector.join()
    for consumer in consumers:
        consumer.kill()
        consumer.join()
    last = channel(url)
    for queue in (TASKS, RESULTS):
        last.queue_delete(queue)
    print(rows.value)


main()
