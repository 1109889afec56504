"""The figures as a table for people and as JSON for programs, with the machine they were measured on."""

import json
import os
import platform
import shutil
import sqlite3
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

FOLDER = Path("bench-results")
PACKAGES = ("SecantusDB", "confluent-kafka", "eventsourcing", "hypercorn", "motor", "pymongo", "quart", "redis")
OPTIONAL = {"node": ["node", "--version"], "postgresql": ["psql", "--version"]}
"""Programs of peers, and how they tell their versions."""
LOCK = Path(__file__).with_name("emmett") / "package-lock.json"


class Row(NamedTuple):
    """One figure. `beside` is what it was measured against, `ratio` ours to theirs, `aim` what it should be."""

    case: str
    value: str
    beside: str = ""
    ratio: float | None = None
    aim: str = ""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def p50_p99(milliseconds: list[float]) -> str:
    return f"p50 {median(milliseconds):.1f} ms, p99 {percentile(milliseconds, 0.99):.1f} ms"


def show(title: str, rows: list[Row]) -> None:
    table = Table("case", "figure", "beside", "ratio", "aim", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.case, row.value, row.beside, "" if row.ratio is None else f"{row.ratio:.2f}", row.aim)
    Console(width=150).print(table)


def save(results: dict[str, list[Row]]) -> Path:
    FOLDER.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    file = FOLDER / f"{at:%Y%m%dT%H%M%S}.json"
    tables = {title: [row._asdict() for row in rows] for title, rows in results.items()}
    file.write_text(json.dumps({"at": at.isoformat(), "machine": machine(), "tables": tables}, indent=2) + "\n")
    return file


def machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "packages": {name: version(name) for name in PACKAGES} | peers(),
    }


def processor() -> str:
    """As Linux calls it; not every kind of machine has a name here."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def peers() -> dict[str, str]:
    """What the event log is compared with, as far as it is here."""
    found = {name: said(command) for name, command in OPTIONAL.items() if shutil.which(command[0])}
    with suppress(PackageNotFoundError):
        found["psycopg"] = version("psycopg")
    locked = json.loads(LOCK.read_text())["packages"]
    emmett = "@event-driven-io/emmett-mongodb"
    return found | {emmett: locked[f"node_modules/{emmett}"]["version"], "sqlite": sqlite3.sqlite_version}


def said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
