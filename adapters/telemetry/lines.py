"""A local file for what would go to a collector if there were one."""

from collections.abc import Iterable
from pathlib import Path

FILE_BYTES = 5 * 1024 * 1024


class LinesFile:
    """JSON Lines; the file is replaced when it is full, with one old one kept."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = file

    def append(self, lines: Iterable[str]) -> None:
        if self._file.exists() and self._file.stat().st_size > FILE_BYTES:
            self._file.replace(self._file.with_suffix(".old.jsonl"))
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
