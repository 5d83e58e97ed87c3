"""`rowmill run FILE -- COMMAND` beside `parallel --pipe` with the same file and command."""

import os
import shlex
import shutil
import sys

import measure as measuring
import tools

# A filter that keeps one process for many chunks.
PERSISTENT = """
import sys
read, write = sys.stdin.buffer, sys.stdout.buffer
while frame := read.readline():
    length = int(frame.split()[0])
    write.write(b"%d\\n" % length + read.read(length))
    write.flush()
"""
# A filter that takes some microseconds for each row.
SLOW = "import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin))"


def measure(file, rounds):
    """Both, with a trivial command and a slow one, one run in turns."""
    jobs = str(os.cpu_count())
    python = sys.executable
    run = [tools.ROWMILL, "run", "--quiet", "--workers", jobs]
    contenders = {
        "rowmill run FILE -- cat": [*run, file, "--", "cat"],
        "rowmill run --chunk-bytes 65536 FILE -- cat": [*run, "--chunk-bytes", "65536", file, "--", "cat"],
        "rowmill run --exec-mode persistent FILE -- FILTER": [
            *run, "--exec-mode", "persistent", file, "--", python, "-c", PERSISTENT
        ],
        "rowmill run FILE -- python3 -c SLOW": [*run, file, "--", python, "-c", SLOW],
    }
    parallel = shutil.which("parallel")
    if parallel:
        contenders |= {
            "parallel --pipe --keep-order --block 1M cat": piped(parallel, file, jobs, "1M", "cat"),
            "parallel --pipe --keep-order --block 64K cat": piped(parallel, file, jobs, "64K", "cat"),
            "parallel --pipe --keep-order --block 1M python3 -c SLOW": piped(
                parallel, file, jobs, "1M", shlex.join([python, "-c", SLOW])
            ),
        }
    run_one = {name: lambda command=command: measuring.run(command) for name, command in contenders.items()}
    medians, failed = measuring.in_turns(run_one, rounds)
    return {
        "bytes": file.stat().st_size,
        "medians": medians,
        "failed": failed,
        "missing": [] if parallel else ["parallel"],
        "versions": [tools.first_line(parallel, "--version")] if parallel else [],
    }


def piped(parallel, file, jobs, block, command):
    """parallel reads blocks from standard input, and writes the outputs in their order."""
    split = [parallel, "--will-cite", "--pipe", "--keep-order", "-j", jobs, "--header", ":", "--block", block, command]
    return ["sh", "-c", f"{shlex.join(split)} < {shlex.quote(str(file))}"]
