"""`rowmill run` against the profilers that people use, in two classes of statistics, on all cores and on one."""

import functools

import measure as measuring
import tools

CLASSES = {
    "cheap": "count, type, empty, least, greatest, sum, mean, standard deviation, lengths",
    "full": "the same, with distinct values and quantiles",
}


def measure(file, rounds):
    """Every class on every number of cores; each is one run in turns."""
    everybody = {"rowmill": rowmill(), "xan": xan(), "qsv": qsv(file), "DuckDB": duckdb(), "Polars": polars()}
    contenders = [there for there in everybody.values() if there]
    tables = []
    for kind in CLASSES:
        for one_core in (False, True):
            tools.say(f"class {kind}, {'one core' if one_core else 'all cores'}")
            table = {}
            for _, commands in contenders:
                for name, command in commands(kind, one_core, file):
                    table[name] = functools.partial(measuring.run, command, one_core)
            medians, failed = measuring.in_turns(table, rounds)
            tables.append({"class": kind, "one_core": one_core, "medians": medians, "failed": failed})
    return {
        "bytes": file.stat().st_size,
        "versions": [version for version, _ in contenders],
        "missing": [name for name, there in everybody.items() if not there],
        "tables": tables,
    }


def rowmill():
    """This one."""

    def commands(kind, one_core, file):
        workers = ["--workers", "1"] if one_core else []
        groups = {"cheap": "basic", "full": "distinct,quantiles"}[kind]
        run = [tools.ROWMILL, "run", "--quiet", "--json", *workers]
        yield f"rowmill run --stats {groups}", [*run, "--stats", groups, file]
        if kind == "full":
            yield "rowmill run (every statistic)", [*run, file]

    return tools.first_line(tools.ROWMILL, "--version"), commands


def xan():
    """xan stats; -a adds approximate cardinality and quartiles."""
    program = tools.crate("xan", "xan")

    def commands(kind, one_core, file):
        parallel = [] if one_core else ["-p"]
        more = {"cheap": [], "full": ["-a"]}[kind]
        name = " ".join(["xan stats", *parallel, *more])
        yield name, [program, "stats", *parallel, *more, file]

    return program and (f"xan {tools.first_line(program, '--version')}", commands)


def qsv(file):
    """qsv stats over an index, which is made before and not counted; its cache of results is not used."""
    program = tools.crate("qsv", "qsvlite", "--bin", "qsvlite", "--features", "lite")
    if program:
        measuring.run([program, "index", file])

    def commands(kind, one_core, file):
        jobs = ["--jobs", "1"] if one_core else []
        more = {"cheap": [[]], "full": [["--cardinality", "--quartiles"], ["--everything"]]}[kind]
        for flags in more:
            name = " ".join(["qsv stats", *jobs, *flags])
            yield name, [program, "stats", "--force", "--cache-threshold", "0", *jobs, *flags, file]

    return program and (tools.first_line(program, "--version"), commands)


def duckdb():
    """SUMMARIZE is of the class `full`; the class `cheap` asks for its statistics in SQL."""
    has = tools.package("duckdb")

    def commands(kind, one_core, file):
        name = {"cheap": "DuckDB (SQL of the cheap class)", "full": "DuckDB SUMMARIZE"}[kind]
        yield name, [tools.PYTHON, tools.HERE / "peer_duckdb.py", kind, "1" if one_core else "0", file]

    return has and (f"DuckDB {tools.version('duckdb')}", commands)


def polars():
    """describe is of the class `full`, without distinct values; the class `cheap` asks for its statistics, once as
    Polars has them cheaply, once the same as rowmill's, which cannot come from columns whose type was guessed."""
    has = tools.package("polars")
    names = {
        "cheap": {"cheap": "Polars (types guessed, no lengths of numbers)", "same": "Polars (the same statistics)"},
        "full": {"full": "Polars describe (no distinct)"},
    }

    def commands(kind, one_core, file):
        for what, name in names[kind].items():
            yield name, [tools.PYTHON, tools.HERE / "peer_polars.py", what, "1" if one_core else "0", file]

    return has and (f"Polars {tools.version('polars')}", commands)
