"""What is called what in Redis, and how messages look."""

from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from application.progress import Reached
from domain.sealed import Sealed
from projections.projection import Notice

NOTICES = "notices:"
OUTPUT = "output:"
MOVES = "moves"
"""The channel that tells how far read models have come: a list of `Moved` for each transaction."""

PROGRESS = "progress"
"""The channel that tells how far long work is: `Reached`."""


class LiveFrames(msgspec.Struct, frozen=True, array_like=True):
    """Some frames of one run, sealed: `first` to `last` by their numbers."""

    first: int
    last: int
    content: Sealed[bytes]


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """How far one generation of a read model has come in one lane."""

    projection: str
    generation: int
    lane: int
    position: int


Told: TypeAlias = Notice | LiveFrames | Reached
"""What a stream hears."""


def notices_of(stream: UUID) -> str:
    return f"{NOTICES}{stream}"


def output_of(execution: UUID) -> str:
    """Both the Redis stream that holds a run's frames and the channel that announces them."""
    return f"{OUTPUT}{execution}"


def encode(message: Told | list[Moved]) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(channel: str, message: bytes) -> Told:
    decoded: Told = msgspec.msgpack.decode(message, type=_kind(channel))
    return decoded


def _kind(channel: str) -> Any:
    if channel == PROGRESS:
        return Reached
    return Notice if channel.startswith(NOTICES) else LiveFrames


def decode_reached(message: bytes) -> Reached:
    return msgspec.msgpack.decode(message, type=Reached)


def decode_moves(message: bytes) -> list[Moved]:
    return msgspec.msgpack.decode(message, type=list[Moved])
