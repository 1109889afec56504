"""Emmett, an event store for Node.js, on the same MongoDB as the event log."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.event_log.rounds import Missing

FOLDER = Path(__file__).parents[1] / "emmett"


@contextmanager
def emmett(mongo: str) -> Iterator[Callable[[int, int], float]]:
    """Seconds that so many callers together take for so many appends. Raises Missing."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").exists():
        raise Missing("Emmett is not installed: npm ci in tests/benchmarks/emmett")
    command = [node, FOLDER / "append.mjs", mongo]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()  # it is ready
        yield lambda callers, appends: _run(process, callers, appends)
    finally:
        process.stdin.close()
        process.wait(10)


def _run(process: subprocess.Popen[str], callers: int, appends: int) -> float:
    process.stdin.write(json.dumps({"callers": callers, "appends": appends}) + "\n")
    process.stdin.flush()
    return float(json.loads(process.stdout.readline())["seconds"])
