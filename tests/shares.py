"""The processes that do a share of a rebuild for this one."""

import os
from pathlib import Path


def shares() -> list[int]:
    return [pid for pid in children(os.getpid()) if "ops.share" in read(Path(f"/proc/{pid}/cmdline"))]


def children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in read(thread / "children").split()]


def read(file: Path) -> str:
    """What the kernel says of a process or thread; nothing where that has ended meanwhile."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def peak_bytes() -> int:
    """The most memory that one of them has held until now, as the kernel counts it; 0 when there is none.

    What it counts for children that have ended says no more than how large this process was when it began them.
    """
    peak = 0
    for pid in shares():
        lines = read(Path(f"/proc/{pid}/status")).splitlines()
        peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))])
    return peak
