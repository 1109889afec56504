"""Remembers that the embedded store has been prepared, so that a later start need not do it again."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from adapters.secrets.master_keys import key_id
from ops.settings import Settings

SOURCES = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "ops")


class Preparation:
    """A file inside the store's folder that names the code which prepared it: it goes where the store goes.

    Preparing again does no harm, but to find that nothing is missing takes half of a start. With other master keys than
    at the last time it is done again, because it finds out whether they are the right ones.
    """

    def __init__(self, settings: Settings, folder: Path, master_keys: Sequence[bytes]) -> None:
        self.file = folder / "prepared"
        self.is_embedded = not settings.mongo_url
        self.wanted = fingerprint(settings.mongo_database, *map(key_id, master_keys))

    @property
    def is_done(self) -> bool:
        """Whether this very code has prepared the store. Of a real MongoDB nobody here can know."""
        return self.is_embedded and self.file.is_file() and self.file.read_text() == self.wanted

    def record(self) -> None:
        if self.is_embedded:
            self.file.write_text(self.wanted)


def fingerprint(*named: str) -> str:
    """A digest of these and of every source file's path, size and time."""
    digest = hashlib.sha256("\n".join(named).encode())
    for package in PACKAGES:
        for file in sorted((SOURCES / package).rglob("*.py")):
            status = file.stat()
            digest.update(f"{file}:{status.st_size}:{status.st_mtime_ns}".encode())
    return digest.hexdigest()
