#!/usr/bin/env python3
"""Cleans rows: trims cells, lower-cases e-mail addresses, drops rows without any value.

A process for each chunk: CSV with a header on standard input, CSV with a header on standard output.

    rowmill run examples/orders.csv -- python3 examples/exec/clean.py
    rowmill worker --allow clean='python3 examples/exec/clean.py'
"""

import csv
import sys

reader = csv.reader(sys.stdin)
writer = csv.writer(sys.stdout, lineterminator="\n")
header = next(reader)
writer.writerow(header)
emails = {at for at, name in enumerate(header) if "email" in name.lower()}
for row in reader:
    row = [" ".join(cell.split()) for cell in row]
    row = [cell.lower() if at in emails else cell for at, cell in enumerate(row)]
    if any(row):
        writer.writerow(row)
