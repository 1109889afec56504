"""A new master key for a store in use. Killed at any point, it goes on from there when it is started again."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.secrets.master_keys import BYTES, key_id
from ops.master_key import KeyFile, master_keys
from ops.settings import Settings

KEYS_AT_ONCE = 100


class NothingToRotateTo(Exception):
    """The master key of the settings wraps all data keys already.

    Put a new one in its place and this one into previous_master_keys, restart every process with both, then rotate.
    """


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation has done."""

    master_key: str
    """The id of the master key that wraps all data keys now."""
    rewrapped: int
    """How many data keys another one had wrapped."""


def rotate(settings: Settings, keyring: Keyring, data_keys: DataKeys, tell: Callable[[int, int], None]) -> Rotated:
    """Wrap all data keys by another master key. `tell` is told how many of how many are done.

    First the new one is where every process finds it, then it is put in charge, then the data keys follow; when none is
    left, the old one is forgotten. Raises NothingToRotateTo, RotationRuns, WrongMasterKey, LogUnavailable.
    """
    keyring.names_secret()
    with _in_settings(settings, keyring, data_keys) if settings.master_key else _in_file(settings) as new:
        keyring.switch(new)
        return Rotated(key_id(new), _rewrap_all(data_keys, tell))


@contextmanager
def _in_settings(settings: Settings, keyring: Keyring, data_keys: DataKeys) -> Iterator[bytes]:
    """Somebody has put the new one there, and will take the old one away."""
    new = master_keys(settings)[0]
    if keyring.master == key_id(new) and not data_keys.stale():
        raise NothingToRotateTo(" ".join((NothingToRotateTo.__doc__ or "").split()))
    yield new


@contextmanager
def _in_file(settings: Settings) -> Iterator[bytes]:
    """Made here, and kept beside the old one until that is needed no more. Two are there after a broken rotation."""
    file = KeyFile(settings.data)
    with file.held():
        keys = file.read()
        if len(keys) == 1:
            keys = [os.urandom(BYTES), *keys]
            file.replace(keys)
        yield keys[0]
        file.replace(keys[:1])


def _rewrap_all(data_keys: DataKeys, tell: Callable[[int, int], None]) -> int:
    done = 0
    while stale := data_keys.stale():
        total = done + len(stale)
        for start in range(0, len(stale), KEYS_AT_ONCE):
            some = stale[start : start + KEYS_AT_ONCE]
            data_keys.rewrap(some)
            done += len(some)
            tell(done, total)
    return done
