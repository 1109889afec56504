"""What `worker saga` hears of: runs that wait for a place, and runs that have ended."""

import time
from collections.abc import Collection, Iterable
from threading import Event, Lock
from typing import Protocol
from uuid import UUID

import msgspec

from domain.queue import Waiting

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 1.0, 30.0
"""The time between two looks doubles: at first the read model may lag, later hardly anything in it is new."""

MOST_GONE = 1_000
"""So many that were forgotten last are known not to wait when they are told of again."""


class Hint(msgspec.Struct, frozen=True):
    """What one event, or several, say of one run."""

    run: UUID
    waiting: Waiting | None = None
    priority: int | None = None
    has_ended: bool = False


class WaitingRuns(Protocol):
    def waiting(self) -> Collection[Waiting]:
        """The runs that wait, as the read model knows them: it may lag. Raises LogUnavailable."""


class Queue:
    """Told as events come by, and read from the store at the start and now and then."""

    def __init__(self, store: WaitingRuns) -> None:
        self._store = store
        self._waiting: dict[UUID, Waiting] = {}
        self._ended: set[UUID] = set()
        self._gone: dict[UUID, None] = {}
        """In the order in which they were forgotten."""
        self._lock = Lock()
        self._heard = Event()
        self._looked_at = 0.0
        self._pause = FIRST_LOOK_SECONDS

    def hear(self, hints: Iterable[Hint]) -> None:
        with self._lock:
            for hint in hints:
                self._hear(hint)
        self._heard.set()

    def _hear(self, hint: Hint) -> None:
        if hint.has_ended:
            self._ended.add(hint.run)
            self._waiting.pop(hint.run, None)
            return
        known = self._waiting.get(hint.run) or hint.waiting
        if known and hint.run not in self._gone:
            priority = known.priority if hint.priority is None else hint.priority
            self._waiting[hint.run] = msgspec.structs.replace(known, priority=priority)

    def look(self) -> None:
        """Add what the store has. Raises LogUnavailable."""
        self._looked_at, self._pause = time.monotonic(), FIRST_LOOK_SECONDS
        self._add_stored()

    def look_again(self) -> None:
        """If it is time for that. Raises LogUnavailable."""
        if time.monotonic() - self._looked_at > self._pause:
            self._looked_at, self._pause = time.monotonic(), min(self._pause * 2, LAST_LOOK_SECONDS)
            self._add_stored()

    def _add_stored(self) -> None:
        found = {one.execution: one for one in self._store.waiting()}
        with self._lock:
            self._waiting = {**self._waiting, **{run: one for run, one in found.items() if run not in self._gone}}

    def waiting(self) -> Collection[Waiting]:
        with self._lock:
            return list(self._waiting.values())

    def forget(self, executions: Iterable[UUID]) -> None:
        """These wait no more."""
        with self._lock:
            for execution in executions:
                self._waiting.pop(execution, None)
                self._gone[execution] = None
            while len(self._gone) > MOST_GONE:
                del self._gone[next(iter(self._gone))]

    def take_ended(self) -> set[UUID]:
        with self._lock:
            taken, self._ended = self._ended, set()
            return taken

    def ended(self, execution: UUID) -> None:
        """Its end is stored: told by whoever has stored it, sooner than its event comes by."""
        self.hear([Hint(execution, has_ended=True)])

    def wake(self) -> None:
        self._heard.set()

    def wait(self, seconds: float) -> None:
        """Until something is heard that was not yet when this returned last; `seconds` at most."""
        self._heard.wait(seconds)
        self._heard.clear()
