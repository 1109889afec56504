"""The programs in docs/examples with what they read and what they must write."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ops.cli.run import LANGUAGES

FOLDER = Path(__file__).parents[2] / "docs" / "examples"


@dataclass(frozen=True)
class Example:
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def program(self) -> Path:
        return next(self.folder.glob("main.*"))

    @property
    def language(self) -> str:
        return LANGUAGES[self.program.suffix]

    @property
    def stdin(self) -> bytes:
        return self._bytes("stdin")

    @property
    def stderr(self) -> bytes:
        return self._bytes("expected.stderr")

    @property
    def exit_code(self) -> int:
        return int(self._bytes("exit-code") or 0)

    def is_expected(self, stdout: bytes) -> bool:
        """Whether the program's stdout is what the files say, to the byte."""
        if digest := self._bytes("expected.sha256"):
            return hashlib.sha256(stdout).hexdigest() == digest.decode().strip()
        return stdout == (self.folder / "expected").read_bytes()

    def _bytes(self, name: str) -> bytes:
        file = self.folder / name
        return file.read_bytes() if file.exists() else b""


EXAMPLES = [Example(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]
