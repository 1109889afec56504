"""The table of endings in the reference, and the script that comes to each of those a script comes to by itself."""

import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[2] / "docs" / "reference" / "endings.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (\d+) \|$", re.MULTILINE)


class Ending(NamedTuple):
    status: str
    cause: str
    reason: str
    exit_code: int

    def tells(self, reason: str) -> bool:
        """Whether a run's reason is this one; … stands for anything."""
        return re.fullmatch(re.escape(self.reason).replace("…", ".*"), reason) is not None


ENDINGS = [Ending(status, cause, reason, int(code)) for status, cause, reason, code in ROW.findall(FILE.read_text())]
FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
GIGABYTE = "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1"
BY_ITSELF = {
    "it exited with code 0": "print(1)",
    "it exited with code 3": "raise SystemExit(3)",
    "it was ended by signal SIGSEGV": "import os; os.kill(os.getpid(), 11)",
    "it reached its time limit": "while True: pass",
    "it reached its memory limit": GIGABYTE,
    "it printed more than is kept": FLOOD,
}
"""By the reason: the script."""
WALL_SECONDS = 8
"""Enough for all of them, where they end by themselves."""
