"""Follows every sandbox, and passes on live what its script writes."""

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from uuid import UUID

from application.backlog import Backlog
from application.coalescing import WAIT_SECONDS
from application.following import TRY_AGAIN_SECONDS, follow_all
from application.ports.live import LiveOutput
from application.ports.log import EventLog
from application.ports.sandbox import Sandbox
from application.ports.surroundings import Clock
from application.ports.work import Followed
from application.watch import Watch


class Monitor:
    """Follows each run until its sandbox has ended; one thread more passes on what waits in all their buffers.

    `ended` is told at once, where somebody beside it collects what is left.
    """

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        backlog: Backlog[Followed],
        sandbox: Sandbox,
        live: LiveOutput,
        ended: Callable[[UUID], None],
    ) -> None:
        self._log = log
        self._clock = clock
        self._backlog = backlog
        self._sandbox = sandbox
        self._live = live
        self._ended = ended
        self._watches: set[Watch] = set()
        self._lock = Lock()
        self._buffered = Event()

    def run(self, stop: Event) -> None:
        """Follow until told to stop."""
        Thread(target=self._flush_buffers, args=(stop,), name="live output", daemon=True).start()
        follow_all(self._backlog, self._follow, stop)

    def _follow(self, execution: UUID, stop: Event) -> bool:
        watch = Watch(self._log, self._clock, self._sandbox, self._live, execution, self._buffered)
        with self._lock:
            self._watches.add(watch)
        try:
            while not watch.to_the_end():
                if stop.wait(TRY_AGAIN_SECONDS):
                    return False
        finally:
            with self._lock:
                self._watches.discard(watch)
        self._ended(execution)
        return True

    def _flush_buffers(self, stop: Event) -> None:
        while not stop.is_set():
            self._buffered.wait()
            time.sleep(WAIT_SECONDS)
            self._buffered.clear()
            with self._lock:
                watches = list(self._watches)
            for watch in watches:
                watch.flush()
