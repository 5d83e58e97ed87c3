#!/usr/bin/env python3
"""Adds a column `score`, with something that takes long to load and is loaded once.

One process for each chunk at work takes chunk after chunk, each in a frame:

    given:     LENGTH JOB CHUNK ATTEMPT\\n   and then LENGTH bytes of CSV with a header
    answered:  LENGTH\\n                     and then LENGTH bytes of CSV with a header
    or:        error MESSAGE\\n              which fails this attempt, and the process goes on

    rowmill run --exec-mode persistent examples/orders.csv -- python3 examples/exec/persistent.py
    rowmill worker --allow score='python3 examples/exec/persistent.py'
    rowmill publish in.csv --exec score --exec-mode persistent
"""

import csv
import io
import sys
import time


def load():
    """Stands for a model that takes a second to load."""
    time.sleep(1)
    return lambda row: sum(len(cell) for cell in row) % 100


def score_all(model, text):
    reader = csv.reader(io.StringIO(text))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*next(reader), "score"])
    writer.writerows([*row, model(row)] for row in reader)
    return out.getvalue()


model = load()
given, answers = sys.stdin.buffer, sys.stdout.buffer
while frame := given.readline():
    length, job, chunk, attempt = frame.split()
    text = given.read(int(length)).decode()
    try:
        answer = score_all(model, text).encode()
        answers.write(b"%d\n" % len(answer) + answer)
    except Exception as error:
        answers.write(b"error %s\n" % repr(error).encode())
    answers.flush()
