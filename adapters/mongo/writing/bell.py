"""Tells at once that the log may have grown. Only a wake-up: whoever waits looks for himself, at least each second."""

from threading import Condition, Event, Thread, current_thread
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

AWAIT_MS = 1_000
"""How long the server holds a quiet change stream's request."""


class Bell:
    """Rung by this process's own writer. Those below hear the writers of other processes as well."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._rings = 0
        self._end = 0
        self._closed = Event()
        self._listener: Thread | None = None

    @property
    def end(self) -> int:
        """Where the log ended when it was last heard of; it may reach farther by now."""
        return self._end

    def ring(self, end: int) -> None:
        """Wake everybody who waits, unless it was rung for a log that reaches as far."""
        with self._changed:
            if end > self._end:
                self._end = end
                self.wake()

    def wake(self) -> None:
        """Wake everybody who waits, to look around."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, heard: int, timeout: float) -> int:
        """Wait for a ring after the `heard` first ones, `timeout` seconds at most. Returns how many there were."""
        self.listen()
        with self._changed:
            self._changed.wait_for(lambda: self._rings != heard, timeout)
            return self._rings

    def listen(self) -> None:
        """Begin to hear other processes; harmless when it has begun."""
        with self._changed:
            if self._listener is None:
                self._listener = Thread(target=self._listen, name="bell", daemon=True)
                self._listener.start()

    def close(self) -> None:
        """Stop listening; whoever waits is woken."""
        self._closed.set()
        self.wake()
        if self._listener not in (None, current_thread()):  # the garbage collector closes in whichever thread it runs
            self._listener.join()

    def _listen(self) -> None:
        """In a thread of its own, until closed."""


class ChangeStreamBell(Bell):
    """Hears other processes by a change stream, which needs nothing but the store itself."""

    def __init__(self, commits: Collection[dict[str, Any]]) -> None:
        super().__init__()
        self._commits = commits

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._follow()
            except PyMongoError:
                self._closed.wait(1.0)
            self.wake()  # it may have missed something

    def _follow(self) -> None:
        ends: list[dict[str, Any]] = [{"$match": {"operationType": "insert"}}, {"$project": {"fullDocument.z": 1}}]
        with self._commits.watch(ends, max_await_time_ms=AWAIT_MS) as stream:
            while not self._closed.is_set():
                if (change := stream.try_next()) is not None:
                    self.ring(change["fullDocument"].get("z", 0))
