"""Follows sandboxes: passes their output on live, stores it at the end, and records how each run ended."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Lock, Thread
from uuid import UUID

from application.backlog import Backlog
from application.coalescing import WAIT_SECONDS, Coalescer
from application.executor import sandbox_of
from application.frames import encode_frames
from application.handler import change
from application.ports import (
    Clock,
    Context,
    Ended,
    EventLog,
    FramesMissing,
    LiveOutput,
    LiveUnavailable,
    Output,
    Sandbox,
    SandboxNotFound,
    Seals,
    Started,
    Task,
)
from domain.execution import Execution, ExecutionEnded, Outcome

log = logging.getLogger(__name__)

ACTOR = "worker:monitor"
TRY_AGAIN_SECONDS = 0.05
IDLE_SECONDS = 1.0


class Monitor:
    """Follows every sandbox its tasks name, a thread each, until the end of the run is recorded."""

    def __init__(
        self, log: EventLog, seals: Seals, clock: Clock, backlog: Backlog, sandbox: Sandbox, live: LiveOutput
    ) -> None:
        self._log = log
        self._seals = seals
        self._clock = clock
        self._backlog = backlog
        self._sandbox = sandbox
        self._live = live
        self._coalescers: set[Coalescer] = set()
        self._lock = Lock()
        self._buffered = Event()

    def run(self, stop: Event) -> None:
        """Follow until told to stop."""
        Thread(target=self._flush_buffers, args=(stop,), name="live output", daemon=True).start()
        while not stop.is_set():
            for task in self._backlog.waiting():
                self._backlog.begin(task)
                Thread(target=self._follow, args=(task, stop), name=f"watch {task.execution}", daemon=True).start()
            self._backlog.wait(IDLE_SECONDS)

    def _follow(self, task: Task, stop: Event) -> None:
        try:
            while not stop.is_set() and not self._is_done(task):
                time.sleep(TRY_AGAIN_SECONDS)
        except Exception:
            log.exception("following run %s failed; it is tried again", task.execution)
            self._backlog.give_back(task)

    def _is_done(self, task: Task) -> bool:
        """Watch the run until its end is recorded; False when that could not be and must be tried again."""
        run = self._log.load(Execution, task.execution)
        if not run.status.is_final and not self._watch(task, run):
            return False
        self._sandbox.remove(sandbox_of(task.execution))
        self._expire(task.execution)
        self._backlog.done(task)
        return True

    def _watch(self, task: Task, run: Execution) -> bool:
        coalescer = Coalescer(lambda frames: self._pass_on(run, frames), self._buffered)
        with self._lock:
            self._coalescers.add(coalescer)
        try:
            for frame in self._sandbox.watch(sandbox_of(run.id), after=self._last_live(run.id)):
                match frame:
                    case Started(at=at):
                        self._decide(task, run, partial(Execution.start, at=at))
                    case Output():
                        coalescer.add(frame)
                    case Ended(outcome=outcome):
                        coalescer.flush()
                        self._finish(task, run, outcome)
                        return True
        except (SandboxNotFound, FramesMissing):
            pass  # Not there yet, or Redis has forgotten: look again. The reconciler decides what is lost.
        finally:
            with self._lock:
                self._coalescers.discard(coalescer)
        return False

    def _finish(self, task: Task, run: Execution, outcome: Outcome) -> None:
        frames = [frame for frame in self._sandbox.watch(sandbox_of(run.id)) if isinstance(frame, Output)]
        output = self._seals.seal(run.owner, encode_frames(frames)) if frames else None
        self._decide(task, run, lambda run: run.finish(outcome, output, self._clock.now()))

    def _decide(self, task: Task, run: Execution, decide: Callable[[Execution], None]) -> None:
        context = Context(ACTOR, self._clock.now(), task.correlation, task.id, task.trace)
        try:
            change(self._log, context, Execution, run.id, decide, run)
        except ExecutionEnded:
            log.info("run %s had ended already", task.execution)

    def _pass_on(self, run: Execution, frames: Sequence[Output]) -> None:
        try:
            self._live.append(run.id, run.owner, frames)
        except LiveUnavailable as problem:
            log.warning("live output of run %s has to wait: %s", run.id, problem)

    def _last_live(self, execution: UUID) -> int:
        try:
            return self._live.last(execution)
        except LiveUnavailable:
            return 0

    def _expire(self, execution: UUID) -> None:
        try:
            self._live.expire(execution)
        except LiveUnavailable:
            log.info("live output of run %s is gone already", execution)

    def _flush_buffers(self, stop: Event) -> None:
        while not stop.is_set():
            self._buffered.wait()
            time.sleep(WAIT_SECONDS)
            self._buffered.clear()
            with self._lock:
                coalescers = list(self._coalescers)
            for coalescer in coalescers:
                _flush(coalescer)


def _flush(coalescer: Coalescer) -> None:
    try:
        coalescer.flush()
    except FramesMissing:
        log.info("live output has a hole; the watch finds it with its next frame")
