"""docs/performance.md, from the figures that were measured last."""

import first_build
import peers

INTRODUCTION = """# Performance

What rowmill takes beside other tools on the same file and machine, and where its defaults come from. This page is
written by `scripts/bench`, which does all of it again; do not edit it.

Everything in one table was run in turns (A B C, A B C, ...) after one uncounted run of each, so that the file is in the
page cache and a slow minute of the machine is everybody's. Figures are medians of wall time; processor time counts
every thread; memory is the peak of resident memory. Sample data is made by `rowmill sample`: ten columns, with quoted
cells, empty cells, and line breaks within cells.
"""


def write(path, kept):
    """The page, of the sections there are."""
    sections = {
        "profile": profile,
        "pipeline": pipeline,
        "commands": commands,
        "messages": messages,
        "build": first_build.section,
    }
    parts = [INTRODUCTION, *(section(kept[name]) for name, section in sections.items() if name in kept)]
    path.write_text("\n".join(parts), encoding="utf-8")


def where(figures):
    """When, on what, and of which versions."""
    versions = ", ".join(version for version in figures["versions"] if version)
    return (
        f"{figures['date']}, rowmill at {figures['commit']}; {figures['processor']}, {figures['cores']} cores, "
        f"{figures['memory_gb']} GB, {figures['system']}; load average {figures['load']} when it began; "
        f"{figures['bytes'] / 1e9:.2f} GB of orders; {figures['rounds']} rounds. {versions}.\n"
    )


def profile(figures):
    """Against the peers."""
    lines = ["## One file, one process: `scripts/bench profile`\n", where(figures)]
    lines += [f"Not installed, so not measured: {name}.\n" for name in figures["missing"]]
    for table in figures["tables"]:
        cores = "one core" if table["one_core"] else "all cores"
        lines += [f"### {table['class'].capitalize()}, {cores}\n", f"{peers.CLASSES[table['class']].capitalize()}.\n"]
        lines += costs(table["medians"], figures["bytes"], next(iter(table["medians"]), None))
        lines += failures(table["failed"])
    return "\n".join(lines)


def costs(medians, size, first):
    """A table of what each cost, and how many times as long as the first it took."""
    lines = [
        "| | wall | spread | MB/s | processor | peak memory | times rowmill's wall |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, median in medians.items():
        times = median["wall"] / medians[first]["wall"]
        lines.append(
            f"| `{name}` | {median['wall']:.2f} s | {median['fastest']:.2f} - {median['slowest']:.2f} s | "
            f"{size / median['wall'] / 1e6:.0f} | {median['cpu']:.2f} s | {median['rss'] / 1e6:.0f} MB | {times:.2f} |"
        )
    return [*lines, ""]


def failures(failed):
    """What was left out, and why."""
    return [f"Left out: `{name}` ({' '.join(why.split())}).\n" for name, why in failed.items()]


def pipeline(figures):
    """Through RabbitMQ."""
    lines = ["## Through RabbitMQ: `scripts/bench pipeline`\n", where(figures)]
    lines.append(
        "Publisher, broker (one node, quorum queues), master and workers share this machine's cores with one another; "
        "`rowmill run` has them for itself. Processor time leaves out the broker's; memory is that of the largest "
        "of rowmill's processes.\n"
    )
    lines += costs(figures["medians"], figures["bytes"], next(iter(figures["medians"]), None))
    if figures["by_hand"]:
        lines.append(
            f"The same by hand, `scripts/bench.d/by_hand.py`, on {figures['by_hand_bytes'] / 1e6:.0f} MB of the same "
            "data: a publisher with pika and confirms, two consumers with pandas' describe, and a collector.\n"
        )
        lines += by_hand(figures)
    lines += failures(figures["failed"])
    return "\n".join(lines)


def commands(figures):
    """A command on every chunk."""
    lines = ["## A command on every chunk: `scripts/bench commands`\n", where(figures)]
    lines += [f"Not installed, so not measured: {name}.\n" for name in figures["missing"]]
    lines.append(
        "FILTER is the loop of [exec.md](exec.md#one-process-for-many-chunks) in Python, which returns each chunk as it "
        "is; SLOW copies rows with Python's `csv`.\n"
    )
    lines += costs(figures["medians"], figures["bytes"], next(iter(figures["medians"]), None))
    lines += failures(figures["failed"])
    return "\n".join(lines)


def by_hand(figures):
    """The pipeline of pika and pandas beside ours."""
    ours = min(median["wall"] for name, median in figures["medians"].items() if "RabbitMQ" in name)
    ours = figures["bytes"] / ours / 1e6
    lines = ["| | MB/s | rowmill through RabbitMQ is |", "| --- | ---: | ---: |"]
    for name, median in figures["by_hand"].items():
        rate = figures["by_hand_bytes"] / median["wall"] / 1e6
        lines.append(f"| {name} | {rate:.1f} | {ours / rate:.1f} times as fast |")
    return [*lines, ""]


TITLES = {
    "by size": "RabbitMQ alone, publish to ack, by message size (window 64, prefetch 4)",
    "by window": "RabbitMQ alone, by confirm window (1 MiB, prefetch 4)",
    "by prefetch": "RabbitMQ alone, by prefetch (1 MiB, window 64)",
    "whole, by chunk size": "A whole job, by `--chunk-bytes`",
    "whole, packed": "A whole job, by `--compress`, with no network in between",
}


def messages(figures):
    """Where the defaults come from."""
    lines = ["## Where the defaults come from: `scripts/bench messages`\n", where(figures)]
    for table, medians in figures["tables"].items():
        if not medians:
            continue
        lines += [f"### {TITLES[table]}\n", "| | wall | spread | MB/s |", "| --- | ---: | ---: | ---: |"]
        for name, median in medians.items():
            lines.append(
                f"| {name} | {median['wall']:.2f} s | {median['fastest']:.2f} - {median['slowest']:.2f} s | "
                f"{figures['bytes'] / median['wall'] / 1e6:.0f} |"
            )
        lines.append("")
    return "\n".join(lines)
