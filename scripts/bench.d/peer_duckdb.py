"""peer_duckdb.py cheap|full THREADS FILE: a profile by DuckDB. THREADS 0 is its own choice."""

import sys

import duckdb


def main():
    kind, threads, file = sys.argv[1:]
    database = duckdb.connect()
    if threads != "0":
        database.execute(f"SET threads = {int(threads)}")
    source = database.read_csv(file)
    if kind == "full":
        print(database.sql("SUMMARIZE SELECT * FROM source").fetchall())
        return
    wanted = ["count(*)"]
    for name, of in zip(source.columns, source.types):
        column = '"' + name.replace('"', '""') + '"'
        wanted += [f"{call}({column})" for call in ("count", "min", "max")]
        wanted += [f"{call}(length(CAST({column} AS VARCHAR)))" for call in ("min", "max")]
        if str(of) in ("BIGINT", "INTEGER", "DOUBLE") or str(of).startswith("DECIMAL"):
            wanted += [f"{call}({column})" for call in ("sum", "avg", "stddev")]
    print(database.sql(f"SELECT {', '.join(wanted)} FROM source").fetchall())


main()
