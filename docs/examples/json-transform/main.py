"""Turns JSON Lines on stdin into one sorted JSON document; what it cannot read it reports on stderr and leaves out."""

import json
import sys

SECONDS = {"s": 1, "m": 60, "h": 3600}


def run(line):
    fields = json.loads(line)
    took = fields["took"]
    return {
        "user": fields["user"].strip().lower(),
        "language": fields.get("language", "python"),
        "seconds": float(took[:-1]) * SECONDS[took[-1]],
    }


runs, refused = [], 0
for number, line in enumerate(sys.stdin, start=1):
    try:
        runs.append(run(line))
    except (KeyError, ValueError) as error:
        refused += 1
        print(f"line {number} left out: {type(error).__name__}", file=sys.stderr)

by_user = {}
for entry in sorted(runs, key=lambda entry: (entry["user"], -entry["seconds"])):
    by_user.setdefault(entry["user"], []).append({key: entry[key] for key in ("language", "seconds")})
json.dump({"runs": len(runs), "left_out": refused, "users": by_user}, sys.stdout, indent=2, ensure_ascii=False)
print()
