"""The master keys: from the settings, else from the file made at the first start."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.secrets.master_keys import BYTES
from ops.settings import Settings, SettingsInvalid

MOST_KEYS = 8
"""More in one file is not what a rotation leaves."""


class RotationRuns(Exception):
    """Another rotation of the master key is under way; wait for its end."""


def master_keys(settings: Settings) -> Sequence[bytes]:
    """The keys that may wrap data keys, the newest first. Makes `master.key` where there is no store yet.

    Raises SettingsInvalid.
    """
    previous = [bytes.fromhex(key) for key in settings.previous_master_keys.split(",") if key]
    if settings.master_key:
        return [bytes.fromhex(settings.master_key), *previous]
    return [*KeyFile(settings.data).read_or_make(), *previous]


class KeyFile:
    """The file `master.key`: keys of 32 bytes each, the newest first. More than one is there while one is rotated."""

    def __init__(self, data: Path) -> None:
        self.path = data / "master.key"

    def read_or_make(self) -> Sequence[bytes]:
        if not self.path.exists():
            self.make()
        return self.read()

    def read(self) -> Sequence[bytes]:
        """Raises SettingsInvalid."""
        content = self.path.read_bytes()
        if not 0 < len(content) <= MOST_KEYS * BYTES or len(content) % BYTES:
            raise SettingsInvalid(
                f"{self.path} does not hold keys of {BYTES} bytes: restore it from a backup of the data folder."
            )
        return [content[start : start + BYTES] for start in range(0, len(content), BYTES)]

    def make(self) -> None:
        """Write a new key, whole or not at all; of two processes that try, one makes it.

        A store without its key cannot be read any more, so a key that is lost is never replaced by a new one.
        """
        if (self.path.parent / "mongo").exists():
            raise SettingsInvalid(
                f"{self.path} is missing, and the store cannot be read without it: restore it from a backup."
            )
        draft = self._draft([os.urandom(BYTES)])
        with suppress(FileExistsError):
            os.link(draft, self.path)
        draft.unlink()

    def replace(self, keys: Sequence[bytes]) -> None:
        """Whole or not at all, and for good before it returns."""
        self._draft(keys).replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _draft(self, keys: Sequence[bytes]) -> Path:
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(b"".join(keys))
            target.flush()
            os.fsync(target.fileno())
        return draft

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else rotates meanwhile. Raises RotationRuns.

        The folder's own lock is held by whoever runs on it, and the key's file is replaced; so this one has a file.
        """
        lock = os.open(self.path.with_name("rotation.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            _lock(lock)
            yield
        finally:
            os.close(lock)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RotationRuns(RotationRuns.__doc__) from error
