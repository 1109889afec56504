"""Handing commits to the process that writes for all, so that they are grouped with everybody else's."""

import socket
import struct
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NotInTime
from threading import Lock, Thread
from time import monotonic
from uuid import UUID

from pymongo.errors import PyMongoError

from adapters.mongo import wire
from adapters.mongo.commits import Commit
from adapters.mongo.connection import Place, durable
from adapters.mongo.leadership import ROLE

ANSWER_SECONDS = 5.0
"""A writer that has not answered by then may be stuck: the commit is looked for, then written here."""
LOOK_AGAIN_SECONDS = 1.0


class NobodyWrites(Exception):
    """No process takes commits here, or this one does: write for yourself. Nothing was handed over."""


class AnswerMissing(Exception):
    """The commit was handed over, and may be stored now or a moment later."""


class Handover:
    """The way to the writing process; found by its lease, lost with its socket."""

    def __init__(self, database: Place) -> None:
        self._leases = durable(database, "leases")
        self._lock = Lock()
        self._line: _Line | None = None
        self._look_again_at = 0.0
        self._is_closed = False

    def hand(self, commit: Commit) -> int:
        """Returns the commit's first position. Raises what its writer met, NobodyWrites or AnswerMissing."""
        return self._reached().ask(commit)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._line:
                self._line.close()

    def _reached(self) -> "_Line":
        with self._lock:
            if self._line is None or self._line.is_dead:
                self._line = self._connect()
            return self._line

    def _connect(self) -> "_Line":
        if self._is_closed or monotonic() < self._look_again_at:
            raise NobodyWrites
        self._look_again_at = monotonic() + LOOK_AGAIN_SECONDS
        try:
            lease = self._leases.find_one({"_id": ROLE})
        except PyMongoError as error:
            raise NobodyWrites from error
        if lease is None or "socket" not in lease["state"]:
            raise NobodyWrites
        line = _Line(lease["state"]["socket"])
        self._look_again_at = 0.0
        return line


class _Line:
    """One connection, with a thread that takes the answers. Raises NobodyWrites."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(ANSWER_SECONDS), 0))
            self._socket.connect(wire.address(name))
        except OSError as error:
            self._socket.close()
            raise NobodyWrites from error
        if not wire.is_own(self._socket):
            self._socket.close()
            raise NobodyWrites
        self.is_dead = False
        self._sending = Lock()
        self._asked: dict[UUID, Future[int]] = {}
        Thread(target=self._listen, name="handover", daemon=True).start()

    def ask(self, commit: Commit) -> int:
        answer = self._asked[commit.id] = Future()
        if self.is_dead:  # the listener may have ended before it could see this one
            raise AnswerMissing
        try:
            with self._sending:
                self._socket.sendall(wire.frame(wire.Handed(commit.id, commit.lines, commit.marks)))
            return answer.result(ANSWER_SECONDS)
        except (OSError, NotInTime) as error:
            self.close()
            raise AnswerMissing from error
        finally:
            self._asked.pop(commit.id, None)

    def close(self) -> None:
        self.is_dead = True
        wire.shut(self._socket)

    def _listen(self) -> None:
        while (answer := wire.receive(self._socket, wire.Answer)) is not None:
            self._resolve(answer.id, answer.outcome())
        self.is_dead = True
        for asked in list(self._asked):
            self._resolve(asked, AnswerMissing())

    def _resolve(self, asked: UUID, outcome: int | BaseException) -> None:
        future = self._asked.get(asked)
        if future is None:
            return
        try:
            future.set_exception(outcome) if isinstance(outcome, BaseException) else future.set_result(outcome)
        except InvalidStateError:
            return
