"""Tells at once that the log may have grown. Only a wake-up: whoever waits looks for himself, at least each second."""

from threading import Condition, Event, Thread
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

AWAIT_MS = 1_000
"""How long the server holds a quiet change stream's request."""


class Bell:
    """Rung by this process's own writer directly, and for other processes' commits by a change stream."""

    def __init__(self, commits: Collection[dict[str, Any]]) -> None:
        self._commits = commits
        self._changed = Condition()
        self._rings = 0
        self._position = 0
        self._closed = Event()
        self._watcher: Thread | None = None

    def ring(self, position: int | None = None) -> None:
        """Wake everybody who waits; not for the commit at a position that it was rung for already."""
        with self._changed:
            if position is None or position > self._position:
                self._position = position or self._position
                self._rings += 1
                self._changed.notify_all()

    def wait(self, heard: int, timeout: float) -> int:
        """Wait for a ring after the `heard` first ones, `timeout` seconds at most. Returns how many there were."""
        self._start_watching()
        with self._changed:
            self._changed.wait_for(lambda: self._rings != heard, timeout)
            return self._rings

    def close(self) -> None:
        """Stop watching; whoever waits is woken."""
        self._closed.set()
        self.ring()
        if self._watcher:
            self._watcher.join()

    def _start_watching(self) -> None:
        with self._changed:
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="bell", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        while not self._closed.is_set():
            try:
                self._follow()
            except PyMongoError:
                self._closed.wait(1.0)
            self.ring()

    def _follow(self) -> None:
        only_inserts: list[dict[str, Any]] = [{"$match": {"operationType": "insert"}}, {"$project": {"documentKey": 1}}]
        with self._commits.watch(only_inserts, max_await_time_ms=AWAIT_MS) as stream:
            while not self._closed.is_set():
                if (change := stream.try_next()) is not None:
                    self.ring(change["documentKey"]["_id"])
