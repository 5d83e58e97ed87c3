import csv, sys

rows = csv.DictReader(sys.stdin)
out = csv.DictWriter(sys.stdout, rows.fieldnames, lineterminator="\n")
out.writeheader()
for row in rows:
    row["email"] = row["email"].strip().lower()
    out.writerow(row)
