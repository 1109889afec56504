"""One run, followed from the start of its sandbox to the end."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Timer
from uuid import UUID

from application.coalescing import Coalescer
from application.following import LOOK_EVERY_TRIES
from application.handler import change, following
from application.orchestrator import created, sandbox_of
from application.ports.live import FramesMissing, LiveOutput, LiveUnavailable
from application.ports.log import EventLog
from application.ports.sandbox import Ended, Output, Sandbox, SandboxNotFound, Started
from application.ports.surroundings import Clock
from domain.execution import Execution, ExecutionEnded

log = logging.getLogger(__name__)

ACTOR = "worker:monitor"
GRACE_SECONDS = 0.03
"""A run that ends within this time records its start and its end in one commit, for half the price."""


class Watch:
    """Passes a run's output on live, and records that it has started, unless it ends at once."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        sandbox: Sandbox,
        live: LiveOutput,
        execution: UUID,
        buffered: Event,
    ) -> None:
        self._log = log
        self._clock = clock
        self._sandbox = sandbox
        self._live = live
        self._execution = execution
        self._name = sandbox_of(execution)
        self._coalescer = Coalescer(self._pass_on, buffered)
        self._started_at: datetime | None = None
        self._start_timer: Timer | None = None
        self._tries = 0

    def to_the_end(self) -> bool:
        """False when the sandbox is not there, or frames have to be passed on again: try again in a moment."""
        self._run = self._find()
        if self._run.status.is_final:
            return True
        try:
            return self._follow()
        except (SandboxNotFound, FramesMissing):
            return False  # The reconciler decides what is lost.
        finally:
            if self._start_timer:
                self._start_timer.cancel()

    def _find(self) -> Execution:
        """From memory; but whoever looks for a sandbox in vain looks now and then whether the run has ended."""
        self._tries += 1
        find = self._log.recall if self._tries % LOOK_EVERY_TRIES else self._log.load
        return find(Execution, self._execution)

    def flush(self) -> None:
        """Pass on what is waiting."""
        try:
            self._coalescer.flush()
        except FramesMissing:
            log.info("the live output of run %s has a hole; it is found with the next frame", self._run.id)

    def _follow(self) -> bool:
        for frame in self._sandbox.watch(self._name, after=self._last_live()):
            match frame:
                case Started(at=at):
                    self._note_start(at)
                case Output():
                    self._coalescer.add(frame)
                case Ended():
                    self._coalescer.flush()
                    return True
        return False

    def _note_start(self, at: datetime) -> None:
        self._started_at = at
        self._start_timer = Timer(GRACE_SECONDS, self._record_start)
        self._start_timer.daemon = True
        self._start_timer.start()

    def _record_start(self) -> None:
        try:
            self._decide(self._start)
        except Exception:
            log.exception("the start of run %s is recorded with its end", self._run.id)

    def _start(self, run: Execution) -> None:
        if self._started_at:
            run.start(self._started_at)

    def _decide(self, decide: Callable[[Execution], None]) -> None:
        cause = created(self._log, self._execution)
        context = following(ACTOR, cause, self._clock.now())
        try:
            change(self._log, context, Execution, self._execution, decide)
        except ExecutionEnded:
            log.info("run %s had ended already", self._execution)

    def _pass_on(self, frames: Sequence[Output]) -> None:
        try:
            self._live.append(self._run.id, self._run.owner, frames)
        except LiveUnavailable as problem:
            log.warning("the live output of run %s has to wait: %s", self._run.id, problem)

    def _last_live(self) -> int:
        try:
            return self._live.last(self._run.id)
        except LiveUnavailable:
            return 0
