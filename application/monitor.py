"""Follows every sandbox that its tasks name."""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from uuid import UUID

from application.backlog import Backlog
from application.coalescing import WAIT_SECONDS
from application.orchestrator import sandbox_of
from application.ports import Clock, EventLog, Followed, LiveOutput, Sandbox, Seals
from application.watch import Watch

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 0.02
IDLE_SECONDS = 1.0


class Monitor:
    """A thread for each run, until its end is recorded; one for all that passes on what waits in their buffers."""

    def __init__(
        self,
        log: EventLog,
        seals: Seals,
        clock: Clock,
        backlog: Backlog[Followed],
        sandbox: Sandbox,
        live: LiveOutput,
        ended: Callable[[UUID], None],
    ) -> None:
        self._log = log
        self._seals = seals
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
        while not stop.is_set():
            for task in self._backlog.waiting():
                self._backlog.begin(task)
                Thread(target=self._follow, args=(task, stop), name=f"watch {task.id}", daemon=True).start()
            self._backlog.wait(IDLE_SECONDS)

    def _follow(self, task: Followed, stop: Event) -> None:
        watch = self._watch(task)
        with self._lock:
            self._watches.add(watch)
        try:
            while not watch.to_the_end():
                if stop.wait(TRY_AGAIN_SECONDS):
                    return
            self._ended(task.id)
            watch.forget()
            self._backlog.done(task)
        except Exception:
            log.exception("following run %s failed; it is tried again", task.id)
            self._backlog.give_back(task)
        finally:
            with self._lock:
                self._watches.discard(watch)

    def _watch(self, task: Followed) -> Watch:
        name = sandbox_of(task.id)
        return Watch(self._log, self._seals, self._clock, self._sandbox, self._live, task.id, name, self._buffered)

    def _flush_buffers(self, stop: Event) -> None:
        while not stop.is_set():
            self._buffered.wait()
            time.sleep(WAIT_SECONDS)
            self._buffered.clear()
            with self._lock:
                watches = list(self._watches)
            for watch in watches:
                watch.flush()
