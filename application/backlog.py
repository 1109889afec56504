"""A worker's tasks: handed over as they are made, and read from the store at the start and now and then."""

import time
from collections.abc import Iterable, Sequence
from threading import Condition
from typing import Generic, TypeVar
from uuid import UUID

from application.ports import Identified, Tasks

LOOK_EVERY_SECONDS = 5.0
FORGET_EVERY_SECONDS = 0.5


T = TypeVar("T", bound=Identified)


class Backlog(Generic[T]):
    """The tasks that wait or are being done here; the store has them until they are done."""

    def __init__(self, tasks: Tasks[T]) -> None:
        self._tasks = tasks
        self._waiting: dict[UUID, T] = {}
        self._begun: set[UUID] = set()
        self._changed = Condition()
        self._done: list[UUID] = []
        self._forgot_at = time.monotonic()
        self._looked_at = float("-inf")

    def offer(self, tasks: Iterable[T]) -> None:
        """These were stored just now."""
        with self._changed:
            self._waiting.update((task.id, task) for task in tasks if task.id not in self._begun)
            self._changed.notify_all()

    def wake(self) -> None:
        """Let whoever waits look up, to stop."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until there may be something new, `seconds` at most."""
        with self._changed:
            self._changed.wait(seconds)

    def waiting(self) -> Sequence[T]:
        """Those nobody has begun, the oldest first. Does what is due in the store."""
        if time.monotonic() - self._forgot_at > FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            self.forget_done()
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
        """It is forgotten within a second, with others; done again after a crash before that, it does no harm."""
        with self._changed:
            self._waiting.pop(task.id, None)
            self._begun.add(task.id)
            self._done.append(task.id)

    def forget_done(self) -> None:
        """Now, where some are due."""
        with self._changed:
            done, self._done = self._done, []
        if done:
            self._tasks.done(done)
            with self._changed:
                self._begun.difference_update(done)
