"""What the defaults come from: how fast RabbitMQ alone carries messages, by size, confirm window and prefetch; and a
whole job through it, by chunk size, and packed or not."""

import os
import subprocess

import measure as measuring
import node
import pipeline
import tools

SIZES = [256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20]
WINDOWS = [1, 8, 16, 32, 64, 128]
PACKED = ["none", "zstd"]
PREFETCHES = [1, 2, 4, 8, 16]


def measure(file, rounds):
    """All over one broker, each table one run in turns."""
    build = ["cargo", "build", "--release", "--quiet", "-p", "rowmill-broker", "--example", "carry"]
    subprocess.run(build, cwd=tools.REPOSITORY, check=True)
    rounds = max(1, rounds // 2)
    with node.broker() as url:
        carried = {
            "by size": {name(size): ["--message-bytes", size] for size in SIZES},
            "by window": {f"{window}": ["--window", window] for window in WINDOWS},
            "by prefetch": {f"{prefetch}": ["--prefetch", prefetch] for prefetch in PREFETCHES},
        }
        tables = {table: carry(url, file, rows, rounds) for table, rows in carried.items()}
        with node.mill(url, [2]) as mill:
            tables["whole, by chunk size"] = whole(
                file, mill, {name(size): ["--chunk-bytes", size] for size in SIZES}, rounds
            )
            tables["whole, packed"] = whole(file, mill, {how: ["--compress", how] for how in PACKED}, rounds)
    return {"bytes": file.stat().st_size, "tables": tables, "versions": pipeline.versions()[:2]}


def carry(url, file, rows, rounds):
    """The example `carry` with these flags."""
    program = tools.TARGET / "release/examples/carry"
    env = {**os.environ, "AMQP_URL": url, "ROWMILL_NAMESPACE": "carry"}
    command = {row: [program, *flags, file] for row, flags in rows.items()}
    return measuring.in_turns({row: lambda c=c: measuring.run(c, env=env) for row, c in command.items()}, rounds)[0]


def whole(file, mill, rows, rounds):
    """A publish with these flags, and its result."""
    contenders = {row: lambda flags=flags: pipeline.published(file, *mill, *flags) for row, flags in rows.items()}
    return measuring.in_turns(contenders, rounds)[0]


def name(size):
    """256 KiB, 1 MiB."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
