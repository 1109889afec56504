"""What Runledger costs while nobody uses it, and how soon it is back."""

import time
from pathlib import Path

from tests.benchmarks.report import Row
from tests.system import System

IDLE_SECONDS = 20.0
TICKS_PER_SECOND = 100


def table(system: System) -> list[Row]:
    time.sleep(5.0)
    return [memory(system), cpu(system), second_start(system)]


def processes(system: System) -> dict[str, int]:
    running = system.running
    return {"up": running.pid, **running.processes}


def memory(system: System) -> Row:
    each = {name: pss(pid) for name, pid in processes(system).items()}
    parts = ", ".join(f"{name} {size:.0f}" for name, size in each.items())
    return Row("idle memory (PSS), all processes", f"{sum(each.values()):.0f} MB", parts, aim="350 MB")


def pss(pid: int) -> float:
    """Its own pages and its share of the shared ones, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu(system: System) -> Row:
    before = {name: ticks(pid) for name, pid in processes(system).items()}
    time.sleep(IDLE_SECONDS)
    used = {
        name: (ticks(pid) - before[name]) / TICKS_PER_SECOND / IDLE_SECONDS * 100
        for name, pid in processes(system).items()
    }
    parts = ", ".join(f"{name} {share:.1f}" for name, share in used.items())
    return Row("idle CPU, all processes", f"{sum(used.values()):.1f}% of one core", parts, aim="10%")


def ticks(pid: int) -> int:
    fields = stat(pid)
    return int(fields[11]) + int(fields[12])


def stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def second_start(system: System) -> Row:
    stopped = system.stop()
    since = time.perf_counter()
    system.start()
    started = time.perf_counter() - since
    return Row("second start -> ready", f"{started:.1f} s", f"Ctrl-C -> all ended: {stopped:.1f} s", aim="3 s; 5 s")
