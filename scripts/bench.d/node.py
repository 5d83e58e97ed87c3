"""A private RabbitMQ, and rowmill's roles around it, for as long as a measurement takes."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

import tools

BROKER = tools.REPOSITORY / "scripts/broker"
PATIENCE_S = 60


@contextlib.contextmanager
def broker():
    """Its AMQP address; it is gone afterwards, with all that it kept."""
    directory = tempfile.mkdtemp(prefix="broker-", dir=tools.BENCH)
    subprocess.run([BROKER, "install"], check=True)
    said = subprocess.run([BROKER, "start", directory], stdout=subprocess.PIPE, text=True, check=True).stdout
    try:
        yield said.strip().removeprefix("AMQP_URL=")
    finally:
        subprocess.run([BROKER, "stop", directory], check=False)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def mill(url, workers):
    """A master and workers (one per entry: its number of threads): the environment in which a publish finds them,
    and the roles' process ids."""
    directory = tempfile.mkdtemp(prefix="mill-", dir=tools.BENCH)
    data, talk = f"{directory}/master", f"{directory}/roles.log"
    listen = f"127.0.0.1:{free_port()}"
    env = {
        **os.environ,
        "AMQP_URL": url,
        "ROWMILL_MASTER": f"http://{listen}",
        "ROWMILL_NAMESPACE": f"bench-{os.getpid()}-{free_port()}",
    }
    roles = [["master", "--listen", listen, "--data", data], *(["worker", "--threads", n] for n in workers)]
    with open(talk, "wb") as log:
        running = [
            subprocess.Popen([str(part) for part in [tools.ROWMILL, *role]], env=env, stdout=log, stderr=log)
            for role in roles
        ]
    try:
        until_there(env, len(workers))
        yield env, [role.pid for role in running]
    finally:
        for role in running:
            role.terminate()
        for role in running:
            role.wait()
        shutil.rmtree(directory, ignore_errors=True)


def until_there(env, workers):
    """Waits until a tiny job has gone through: then every role has its broker."""
    job = [tools.ROWMILL, "publish", "--wait", "--quiet", "--chunk-bytes", "1", "-"]
    tiny = "a\n" + "1\n" * 20 * workers
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(job, env=env, input=tiny.encode(), capture_output=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"rowmill's roles do not come up: {done.stderr.decode(errors='replace')}")
        time.sleep(0.2)


def free_port():
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
