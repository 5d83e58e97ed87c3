"""peer_polars.py cheap|full THREADS FILE: a profile by Polars. THREADS 0 is its own choice."""

import os
import sys


def main():
    kind, threads, file = sys.argv[1:]
    if threads != "0":
        # Read when the library is loaded.
        os.environ["POLARS_MAX_THREADS"] = threads
    import polars as pl

    source = pl.scan_csv(file, infer_schema_length=10_000)
    if kind == "full":
        print(source.describe())
        return
    wanted = []
    for name, of in source.collect_schema().items():
        column = pl.col(name)
        calls = {"count": column.count(), "empty": column.null_count(), "min": column.min(), "max": column.max()}
        if of.is_numeric():
            calls |= {"sum": column.sum(), "mean": column.mean(), "std": column.std()}
        elif of == pl.String:
            lengths = column.str.len_bytes()
            calls |= {"shortest": lengths.min(), "longest": lengths.max()}
        wanted += [call.alias(f"{name} {what}") for what, call in calls.items()]
    print(source.select(wanted).collect(engine="streaming"))


main()
