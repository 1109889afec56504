"""The master key: from the settings, else from the file made at the first start."""

import os
from contextlib import suppress
from pathlib import Path

from ops.settings import Settings, SettingsInvalid

BYTES = 32


def master_key(settings: Settings) -> bytes:
    """The 32 bytes that wrap all data keys. Makes `master.key` where there is no store yet. Raises SettingsInvalid."""
    if settings.master_key:
        return bytes.fromhex(settings.master_key)
    file = settings.data / "master.key"
    if not file.exists():
        make(file)
    key = file.read_bytes()
    if len(key) != BYTES:
        raise SettingsInvalid(f"{file} does not hold {BYTES} bytes: restore it from a backup of the data folder.")
    return key


def make(file: Path) -> None:
    """Write a new key, whole or not at all; of two processes that try, one makes it.

    A store without its key cannot be read any more, so a key that is lost is never replaced by a new one.
    """
    if (file.parent / "mongo").exists():
        raise SettingsInvalid(f"{file} is missing, and the store cannot be read without it: restore it from a backup.")
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(os.urandom(BYTES))
        target.flush()
        os.fsync(target.fileno())
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
