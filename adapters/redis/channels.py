"""What is called what in Redis, and how messages look."""

from typing import Any
from uuid import UUID

import msgspec

from domain.sealed import Sealed
from projections.projection import Notice

NOTICES = "notices:"
OUTPUT = "output:"
MOVES = "moves:"


class LiveFrames(msgspec.Struct, frozen=True, array_like=True):
    """Some frames of one run, sealed: `first` to `last` by their numbers."""

    first: int
    last: int
    content: Sealed[bytes]


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """How far one generation of a read model has come in one lane."""

    generation: int
    lane: int
    position: int


def notices_of(stream: UUID) -> str:
    return f"{NOTICES}{stream}"


def output_of(execution: UUID) -> str:
    """Both the Redis stream that holds a run's frames and the channel that announces them."""
    return f"{OUTPUT}{execution}"


def moves_of(projection: str) -> str:
    return f"{MOVES}{projection}"


def encode(message: Notice | LiveFrames | Moved) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(channel: str, message: bytes) -> Notice | LiveFrames:
    kind: Any = Notice if channel.startswith(NOTICES) else LiveFrames
    decoded: Notice | LiveFrames = msgspec.msgpack.decode(message, type=kind)
    return decoded
