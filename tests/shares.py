"""The processes that do a share of a rebuild for this one."""

import os
from contextlib import suppress
from pathlib import Path


def shares() -> list[int]:
    return [pid for pid in children(os.getpid()) if b"ops.share" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def children(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def peak_bytes() -> int:
    """The most memory that one of them has held until now, as the kernel counts it; 0 when there is none.

    What it counts for children that have ended says no more than how large this process was when it began them.
    """
    peak = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # one that ends meanwhile
        for pid in shares():
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))])
    return peak
