"""A worker's tasks: handed over as they are made, and read from the store at the start and now and then."""

import time
from collections.abc import Iterable, Sequence
from threading import Condition
from typing import Generic, TypeVar
from uuid import UUID

from application.ports.work import Identified, Tasks

LOOK_EVERY_SECONDS = 5.0
FORGET_EVERY_SECONDS = 1.0
"""What was done is forgotten after once or twice as long: by then a task that came before it was stored is stored."""


T = TypeVar("T", bound=Identified)


class Backlog(Generic[T]):
    """The tasks that wait or are being done here; the store has them until they are done."""

    def __init__(self, tasks: Tasks[T]) -> None:
        self._tasks = tasks
        self._waiting: dict[UUID, T] = {}
        self._begun: set[UUID] = set()
        self._changed = Condition()
        self._is_new = False
        """Whether something was offered that nobody has looked at."""
        self._done: list[UUID] = []
        self._done_before: list[UUID] = []
        """Those that were done before the last time when some were forgotten."""
        self._forgot_at = time.monotonic()
        self._looked_at = float("-inf")

    def offer(self, tasks: Iterable[T]) -> None:
        """These were stored just now."""
        with self._changed:
            self._waiting.update((task.id, task) for task in tasks if task.id not in self._begun)
            self._wake()

    def wake(self) -> None:
        """Let whoever waits look up."""
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        self._is_new = True
        self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until there may be something new, also since this returned last; `seconds` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_new, seconds)
            self._is_new = False

    def waiting(self) -> Sequence[T]:
        """Those nobody has begun, the oldest first. Does what is due in the store."""
        if time.monotonic() - self._forgot_at > FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            self._forget_older()
        if time.monotonic() - self._looked_at > LOOK_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            self.offer(self._tasks.pending())
        with self._changed:
            return list(self._waiting.values())

    def begin(self, task: T) -> None:
        with self._changed:
            self._waiting.pop(task.id, None)
            self._begun.add(task.id)

    def give_back(self, task: T) -> None:
        """It could not be done; it is offered again when the store is looked into."""
        with self._changed:
            self._begun.discard(task.id)

    def done(self, task: T) -> None:
        """It is forgotten soon, with others; done again after a crash before that, it does no harm."""
        with self._changed:
            self._waiting.pop(task.id, None)
            self._begun.add(task.id)
            self._done.append(task.id)

    def forget_done(self) -> None:
        """Now, where some are due."""
        self._forget_older()
        self._forget_older()

    def _forget_older(self) -> None:
        with self._changed:
            done, self._done_before, self._done = self._done_before, self._done, []
        if done:
            self._tasks.done(done)
            with self._changed:
                self._begun.difference_update(done)
