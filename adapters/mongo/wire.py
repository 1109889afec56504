"""What goes between the process that writes the log and those that hand it commits: a length, then MessagePack."""

import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError

from adapters.mongo.commits import Line, Mark
from adapters.mongo.settling import OutcomeUnknown

T = TypeVar("T")

LENGTH = struct.Struct("<I")
CREDENTIALS = struct.Struct("3i")
"""Process, user and group of the other end, as Linux tells them."""


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """A commit on its way to the writer."""

    id: UUID
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The first position of a commit, or why it has none."""

    id: UUID
    first: int = 0
    error: str = ""
    message: str = ""

    def outcome(self) -> int | PersistenceError:
        return ERRORS.get(self.error, OperationalError)(self.message) if self.error else self.first


ERRORS: dict[str, type[PersistenceError]] = {
    kind.__name__: kind for kind in (IntegrityError, OutcomeUnknown, OperationalError)
}


def address(name: str) -> str:
    """Of Linux's abstract sockets: nothing of it lies on a disk, no sandbox's network has it."""
    return f"\0runledger-{name}"


def is_own(connection: socket.socket) -> bool:
    """Whether the other end belongs to the same user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return bool(CREDENTIALS.unpack(credentials)[1] == os.geteuid())


def frame(message: Any) -> bytes:
    encoded = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(encoded)) + encoded


def receive(connection: socket.socket, kind: type[T]) -> T | None:
    """The next message; None when the other end is gone."""
    try:
        head = _exactly(connection, LENGTH.size)
        return msgspec.msgpack.decode(_exactly(connection, LENGTH.unpack(head)[0]), type=kind)
    except (OSError, EOFError):
        return None


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        piece = connection.recv(min(size - len(received), 1 << 20))
        if not piece:
            raise EOFError
        received += piece
    return bytes(received)


def shut(connection: socket.socket) -> None:
    """End it, and wake whoever is reading from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
