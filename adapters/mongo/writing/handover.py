"""Handing commits to the process that writes for all, so that they are grouped with everybody else's."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Lock
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from pymongo.errors import PyMongoError

from adapters.mongo import leases
from adapters.mongo.commits.commits import Commit
from adapters.mongo.connection import Place, durable
from adapters.mongo.writing.writer import Writer

ROLE = "writer"
ANSWER_SECONDS = 5.0
"""A writer that has not answered by then may be stuck: the commit is looked for, then written here."""
LOOK_AGAIN_SECONDS = 1.0
CONNECTING_SECONDS = 0.1
"""How long a commit waits while another thread tries to reach the writer."""
MOST_BYTES = 256 * 1024
"""A larger commit gains nothing by being grouped: it is not handed over."""


class NobodyWrites(Exception):
    """No process takes commits here, or this one does: write for yourself. Nothing was handed over."""


class AnswerMissing(Exception):
    """The commit was handed over, and may be stored now or a moment later."""


class Line(Protocol):
    """A connection to the writing process."""

    @property
    def is_dead(self) -> bool:
        """Whether it will carry nothing any more."""

    def ask(self, commit: Commit) -> int:
        """Returns the commit's first position. Raises what its writer met, NobodyWrites or AnswerMissing."""

    def close(self) -> None:
        """Whoever waits for an answer is told AnswerMissing."""


class Way(Protocol):
    """How commits come from one process to another."""

    name: str

    def desk(self, writer: Writer) -> AbstractContextManager[Any]:
        """Take commits for this writer, inside. Gives the address for `reach`, as the store keeps it in the lease."""

    def reach(self, address: Any) -> Line:
        """The way to a desk. Raises NobodyWrites."""


class Handover:
    """The way to the writing process; found by its lease, the first of these ways that is open."""

    def __init__(self, database: Place, ways: Sequence[Way]) -> None:
        self._leases = durable(database, "leases")
        self._ways = ways
        self._lock = Lock()
        self._line: Line | None = None
        self._look_again_at = 0.0
        self._is_closed = not ways

    def hand(self, commit: Commit) -> int:
        """Returns the commit's first position. Raises what its writer met, NobodyWrites or AnswerMissing."""
        if self._is_closed or commit.size > MOST_BYTES:
            raise NobodyWrites
        line = self._reached()
        try:
            return line.ask(commit)
        except NobodyWrites:
            self._rest(LOOK_AGAIN_SECONDS)
            raise
        except AnswerMissing:
            self._rest(leases.TERM_SECONDS)  # so that nobody waits for the same one twice
            raise

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._line:
                self._line.close()

    def _rest(self, seconds: float) -> None:
        self._look_again_at = monotonic() + seconds

    def _reached(self) -> Line:
        if not self._lock.acquire(timeout=CONNECTING_SECONDS):
            raise NobodyWrites
        try:
            if self._line is None or self._line.is_dead:
                self._line = self._connect()
            return self._line
        finally:
            self._lock.release()

    def _connect(self) -> Line:
        if self._is_closed or monotonic() < self._look_again_at:
            raise NobodyWrites
        try:
            return self._reach()
        except NobodyWrites:
            self._rest(LOOK_AGAIN_SECONDS)
            raise

    def _reach(self) -> Line:
        try:
            lease = self._leases.find_one({"_id": ROLE})
        except PyMongoError as error:
            raise NobodyWrites from error
        addresses = lease["state"] if lease else {}
        for way in self._ways:
            with suppress(NobodyWrites):
                if way.name in addresses:
                    return way.reach(addresses[way.name])
        raise NobodyWrites


class Questions:
    """What was asked over a line and is not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[UUID, Future[int]] = {}
        self.are_over = False

    @contextmanager
    def ask(self, commit: UUID) -> Iterator["Future[int]"]:
        """The answer to be. Raises AnswerMissing when there will be none."""
        answer = self._asked[commit] = Future()
        try:
            if self.are_over:  # whoever ended them may not have seen this one
                raise AnswerMissing
            yield answer
        finally:
            del self._asked[commit]

    def resolve(self, commit: UUID, outcome: int | BaseException) -> None:
        """Harmless when nobody waits for it any more."""
        if (answer := self._asked.get(commit)) is None:
            return
        with suppress(InvalidStateError):
            answer.set_exception(outcome) if isinstance(outcome, BaseException) else answer.set_result(outcome)

    def end(self, outcome: BaseException) -> None:
        """No more answers: this is what all are told."""
        self.are_over = True
        for commit in list(self._asked):
            self.resolve(commit, outcome)
