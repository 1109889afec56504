"""`make bench`: every table, printed and saved; `python -m tests.benchmarks TITLE...`: those whose titles begin so."""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import freshness, idle, kubernetes, read_models, report, runs
from tests.benchmarks.event_log import append, fold, mirror, processes, reads
from tests.system import running_on

PARTS = {
    "Event log: append": append.table,
    "Event log: processes": processes.table,
    "Event log: read": reads.table,
    "Event log: mirror": mirror.table,
    "Event log: fold": fold.table,
    "Read models": read_models.table,
    "Read models: freshness": freshness.table,
    "Kubernetes": kubernetes.table,
}
"""Those that start what they need themselves."""
SYSTEM = {"A run": runs.table, "Idle": idle.table}
"""Those of the whole system."""


def main(wanted: tuple[str, ...]) -> None:
    results = {}
    for title in chosen(PARTS, wanted):
        results[title] = PARTS[title]()
        report.show(title, results[title])
    if of_system := chosen(SYSTEM, wanted):
        with tempfile.TemporaryDirectory() as folder, running_on(Path(folder) / "data") as system:
            for title in of_system:
                results[title] = SYSTEM[title](system)
                report.show(title, results[title])
    if not results:
        sys.exit(f"There is no such table. There are: {', '.join(PARTS | SYSTEM)}.")
    sys.stdout.write(f"Saved in {report.save(results)}\n")


def chosen(tables: dict[str, object], wanted: tuple[str, ...]) -> list[str]:
    return [title for title in tables if not wanted or title.startswith(wanted)]


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
