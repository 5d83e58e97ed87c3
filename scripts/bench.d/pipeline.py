"""The same job through RabbitMQ: rowmill's roles on this machine, `rowmill run` beside them, and what one writes by
hand with pika and pandas."""

import measure as measuring
import node
import tools

PANDAS_BYTES = "100MB"
PANDAS_CHUNKS = [256 << 10, 1 << 20, 4 << 20]


def measure(file, rounds):
    """One run in turns, all over one broker."""
    has_pandas = tools.package("pika", "pandas")
    with node.broker() as url, node.mill(url, [2]) as one, node.mill(url, [1, 1]) as two:
        contenders = {
            "rowmill run": lambda: measuring.run([tools.ROWMILL, "run", "--quiet", file]),
            "through RabbitMQ, one worker with two threads": lambda: published(file, *one),
            "through RabbitMQ, two workers with one thread": lambda: published(file, *two),
        }
        medians, failed = measuring.in_turns(contenders, rounds)
        by_hand, by_hand_failed = {}, {"pika and pandas": "cannot be installed here"}
        if has_pandas:
            small = tools.orders(PANDAS_BYTES)
            by_hand, by_hand_failed = measuring.in_turns(
                {name(size): lambda size=size: pandas(url, size, small) for size in PANDAS_CHUNKS}, max(1, rounds // 2)
            )
    return {
        "bytes": file.stat().st_size,
        "medians": medians,
        "by_hand_bytes": tools.orders(PANDAS_BYTES).stat().st_size,
        "by_hand": by_hand,
        "failed": {**failed, **by_hand_failed},
        "versions": versions(),
    }


def published(file, env, pids, *flags):
    """A publish and its result: what the publisher took, and the roles beside it."""
    before, _ = measuring.processes(pids)
    command = [tools.ROWMILL, "publish", "--wait", "--quiet", *flags, file]
    sample = measuring.run(command, env=env)
    after, rss = measuring.processes(pids)
    return {**sample, "cpu": sample["cpu"] + after - before, "rss": max(sample["rss"], rss)}


def pandas(url, size, file):
    """The pipeline by hand."""
    return measuring.run([tools.PYTHON, tools.HERE / "by_hand.py", url, size, file])


def name(size):
    """What the page calls it."""
    return f"pika and pandas, chunks of {size >> 10} KiB"


def versions():
    """What was measured."""
    found = [tools.first_line(tools.ROWMILL, "--version"), tools.first_line("dpkg-query", "-W", "rabbitmq-server")]
    return found + [f"{package} {tools.version(package)}" for package in ("pika", "pandas")]
