"""The first build, from nothing: what a newcomer waits for."""

import json
import re
import resource
import shutil
import subprocess
import tempfile
import time

import tools

# What README tells a newcomer to run first, without the run.
COMMAND = ["cargo", "build", "--release", "--locked", "--bin", "rowmill", "--timings"]
# Crates that get a line of their own.
LISTED = 25


def measure(before):
    """The build of this commit, and of the commit `before` if there is one."""
    figures = {"after": build(tools.REPOSITORY), "before": None, "before_commit": before}
    if before:
        # Beside this one: paths like ../shared lead to the same place.
        with tempfile.TemporaryDirectory(prefix="build-", dir=tools.REPOSITORY.parent) as place:
            archive = subprocess.run(
                ["git", "-C", tools.REPOSITORY, "archive", before], stdout=subprocess.PIPE, check=True
            )
            subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
            figures["before"] = build(place)
    return figures


def build(repository):
    """One build in an empty target directory."""
    target = tools.BENCH / "first-build"
    shutil.rmtree(target, ignore_errors=True)
    # Downloads are not measured.
    subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=repository, check=True)
    tools.say(f"building {repository} from nothing")
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*COMMAND, "--quiet", "--target-dir", target], cwd=repository, check=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    timings = (target / "cargo-timings/cargo-timing.html").read_text(encoding="utf-8")
    shutil.rmtree(target)
    return {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime,
        **read_timings(timings),
    }


def read_timings(page):
    """Crates, the seconds of each, and the longest chain of crates that wait for one another."""
    units = json.loads(re.search(r"const UNIT_DATA = (\[.*?\]);\n", page, re.DOTALL).group(1))
    seconds = {}
    for unit in units:
        seconds[unit["name"]] = seconds.get(unit["name"], 0) + unit["duration"]
    # When each could have begun, with as many cores as there are units.
    earliest = {unit["i"]: (0.0, None) for unit in units}
    for unit in sorted(units, key=lambda unit: unit["start"]):
        begin = earliest[unit["i"]][0]
        unlocked = [(other, unit["duration"]) for other in unit.get("unlocked_units", [])]
        unlocked += [(other, unit["rmeta_time"] or 0) for other in unit.get("unlocked_rmeta_units", [])]
        for other, after in unlocked:
            earliest[other] = max(earliest[other], (begin + after, unit["i"]), key=lambda pair: pair[0])
    by_index = {unit["i"]: unit for unit in units}
    last = max(units, key=lambda unit: earliest[unit["i"]][0] + unit["duration"])
    chain, at = [], last["i"]
    while at is not None:
        chain.append(by_index[at]["name"])
        at = earliest[at][1]
    return {
        "crates": len(seconds),
        "seconds": seconds,
        "chain": list(dict.fromkeys(reversed(chain))),
        "chain_seconds": earliest[last["i"]][0] + last["duration"],
    }


def section(figures):
    """The section of the page."""
    before, after = figures["before"], figures["after"]
    columns = [(f"at {figures['before_commit']}", before)] if before else []
    columns.append(("now", after))
    lines = ["## The first build: `scripts/bench build`\n"]
    lines.append(f"{figures['date']}, rowmill at {figures['commit']}; {figures['cores']} cores, load average ")
    lines[-1] += f"{figures['load']} when it began. `{' '.join(COMMAND)}` in an empty target directory, without downloads.\n"
    lines.append("| | " + " | ".join(name for name, _ in columns) + " |")
    lines.append("| --- |" + " ---: |" * len(columns))

    def row(name, cell):
        lines.append(f"| {name} | " + " | ".join(cell(build) for _, build in columns) + " |")

    row("wall", lambda build: f"{build['wall'] / 60:.1f} min")
    row("processor", lambda build: f"{build['cpu'] / 60:.1f} min")
    row("crates", lambda build: str(build["crates"]))
    row("longest chain", lambda build: f"{build['chain_seconds']:.0f} s")
    most = {name: max(build["seconds"].get(name, 0) for _, build in columns) for _, b in columns for name in b["seconds"]}
    listed = sorted(most, key=most.get, reverse=True)[:LISTED]
    for name in listed:
        row(f"`{name}`", lambda build, name=name: f"{build['seconds'][name]:.1f} s" if name in build["seconds"] else "–")
    rest = [name for name in most if name not in listed]
    row("the rest", lambda build: f"{sum(build['seconds'].get(name, 0) for name in rest):.0f} s")
    lines.append("")
    lines.append("The seconds of a crate are those of its units while other units run beside them.")
    lines.append(f"The longest chain now: {', '.join(f'`{name}`' for name in after['chain'])}.\n")
    return "\n".join(lines)
