"""Handing commits over on one machine: a socket of Linux's abstract namespace, a length, then MessagePack."""

import os
import secrets
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock, Thread
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from adapters.mongo.commits.commits import Commit
from adapters.mongo.writing import handover
from adapters.mongo.writing.handover import AnswerMissing, NobodyWrites, Questions
from adapters.mongo.writing.wire import Answer, Handed
from adapters.mongo.writing.writer import Writer

T = TypeVar("T")

LENGTH = struct.Struct("<I")
CREDENTIALS = struct.Struct("3i")
"""Process, user and group of the other end, as Linux tells them."""
SENDING = struct.pack("ll", int(handover.ANSWER_SECONDS), 0)
"""How long it may take to hand a commit over, as Linux is told."""


class SocketWay:
    """Implements Way for the processes of one user on one machine."""

    name = "socket"

    @contextmanager
    def desk(self, writer: Writer) -> Iterator[str]:
        desk = _Desk(writer)
        try:
            yield desk.name
        finally:
            desk.close()

    def reach(self, name: str) -> "_Line":
        return _Line(name)


class _Desk:
    """The socket where commits are handed in. Its name is a secret that only readers of the database can know."""

    def __init__(self, writer: Writer) -> None:
        self.name = secrets.token_hex(16)
        self._writer = writer
        self._socket = socket.socket(socket.AF_UNIX)
        self._customers: set[_Customer] = set()
        self._lock = Lock()
        self._socket.bind(address(self.name))
        self._socket.listen()
        Thread(target=self._accept, name="desk", daemon=True).start()

    def close(self) -> None:
        shut(self._socket)
        with self._lock:
            customers = list(self._customers)
        for customer in customers:
            customer.leave()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if is_own(connection):
                Thread(target=self._serve, args=(connection,), name="customer", daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        customer = _Customer(connection, self._writer)
        with self._lock:
            self._customers.add(customer)
        customer.serve()
        with self._lock:
            self._customers.discard(customer)


class _Customer:
    """Another process's connection. One that does not take its answers is let go; it looks its commits up then."""

    def __init__(self, connection: socket.socket, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer
        self._sending = Lock()

    def serve(self) -> None:
        while (handed := receive(self._connection, Handed)) is not None:
            self._writer.submit(handed.commit()).add_done_callback(partial(self._answer, handed.id))
        self.leave()

    def leave(self) -> None:
        shut(self._connection)

    def _answer(self, commit: UUID, stored: "Future[int]") -> None:
        try:
            with self._sending:
                self._connection.send(frame(Answer.of(commit, stored)), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            self.leave()


class _Line:
    """One connection, with a thread that takes the answers. Raises NobodyWrites."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SENDING)
            self._socket.connect(address(name))
        except OSError as error:
            self._socket.close()
            raise NobodyWrites from error
        if not is_own(self._socket):
            self._socket.close()
            raise NobodyWrites
        self._sending = Lock()
        self._questions = Questions()
        Thread(target=self._listen, name="handover", daemon=True).start()

    @property
    def is_dead(self) -> bool:
        return self._questions.are_over

    def ask(self, commit: Commit) -> int:
        with self._questions.ask(commit.id) as answer:
            try:
                with self._sending:
                    self._socket.sendall(frame(Handed.of(commit)))
                return answer.result(handover.ANSWER_SECONDS)
            except (OSError, NotInTime) as error:
                self.close()
                raise AnswerMissing from error

    def close(self) -> None:
        shut(self._socket)
        self._questions.end(AnswerMissing())

    def _listen(self) -> None:
        while (answer := receive(self._socket, Answer)) is not None:
            self._questions.resolve(answer.id, answer.outcome())
        self.close()


# What goes over a socket --------------------------------------------------------------------------------------


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
