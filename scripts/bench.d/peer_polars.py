"""peer_polars.py cheap|same|full THREADS FILE: a profile by Polars. THREADS 0 is its own choice."""

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
    if kind == "same":
        print(same(pl, file, source.collect_schema()))
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


def same(pl, file, schema):
    """What rowmill tells of every column: also its cells' lengths, and how many of them are numbers."""
    wanted = []
    for name, of in schema.items():
        column = pl.col(name)
        lengths = column.str.len_bytes()
        calls = {"count": column.count(), "empty": column.null_count()}
        calls |= {"shortest": lengths.min(), "longest": lengths.max(), "bytes": lengths.sum()}
        calls |= {"least": column.min(), "greatest": column.max()}
        if of.is_numeric():
            number = column.cast(pl.Float64, strict=False)
            calls |= {"numbers": number.count(), "min": number.min(), "max": number.max()}
            calls |= {"sum": number.sum(), "mean": number.mean(), "std": number.std()}
        wanted += [call.alias(f"{name} {what}") for what, call in calls.items()]
    return pl.scan_csv(file, infer_schema=False).select(wanted).collect(engine="streaming")


main()
