"""`make bench`: every table, printed and saved."""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import idle, report, runs
from tests.system import running_on

TABLES = {"A run": runs.table, "Idle": idle.table}

if __name__ == "__main__":
    wanted = [title for title in TABLES if not sys.argv[1:] or title in sys.argv[1:]]
    results = {}
    with tempfile.TemporaryDirectory() as folder, running_on(Path(folder) / "data") as system:
        for title in wanted:
            results[title] = TABLES[title](system)
            report.show(title, results[title])
    sys.stdout.write(f"Saved in {report.save(results)}\n")
