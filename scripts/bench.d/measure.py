"""Runs commands and says what they cost: wall time, processor time, peak memory."""

import os
import statistics
import subprocess
import tempfile
import time

from tools import say


class Failed(Exception):
    """A command did not end well; the text is the end of what it said."""


def run(command, one_core=False, env=None):
    """Runs a command to its end: seconds of wall and processor time, and bytes of resident memory at the most."""
    with tempfile.TemporaryFile() as talk:
        began = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            stderr=talk,
            env={**os.environ, **(env or {})},
            preexec_fn=(lambda: os.sched_setaffinity(0, {0})) if one_core else None,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            talk.seek(0)
            raise Failed(talk.read().decode(errors="replace").strip()[-300:] or f"exit {child.returncode}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024}


def in_turns(contenders, rounds):
    """Measures each contender (name -> function) once a round, A B C, A B C, so that a slow minute of the machine is
    everybody's. Each is warmed up once, uncounted. Medians; `failed` where one cannot be run."""
    samples, failed = {name: [] for name in contenders}, {}
    for turn in range(rounds + 1):
        for name, contend in contenders.items():
            if name in failed:
                continue
            try:
                sample = contend()
            except Failed as error:
                failed[name] = str(error)
                say(f"{name}: left out: {error}")
                continue
            say(f"{'warm-up' if turn == 0 else f'round {turn}'}: {name}: {sample['wall']:.2f} s")
            if turn > 0:
                samples[name].append(sample)
    return {name: middle(taken) for name, taken in samples.items() if taken}, failed


def middle(samples):
    """Medians, and the fastest and slowest wall time."""
    medians = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
    walls = [sample["wall"] for sample in samples]
    return {**medians, "fastest": min(walls), "slowest": max(walls)}


def processes(pids):
    """Processor seconds so far and peak memory of running processes, children not counted."""
    cpu = rss = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            peaks = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")]
        rss = max([rss, *peaks])
    return cpu, rss
