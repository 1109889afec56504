"""Collects what ended runs have left: stores their output and how they ended, and removes their sandboxes."""

import logging
from collections.abc import Callable, Sequence
from itertools import count
from threading import Event
from uuid import UUID

from application.backlog import Backlog
from application.following import LOOK_EVERY_TRIES, TRY_AGAIN_SECONDS, follow_all
from application.frames import encode_frames
from application.handler import change, following
from application.orchestrator import created, sandbox_of
from application.ports.live import LiveOutput, LiveUnavailable
from application.ports.log import EventLog
from application.ports.sandbox import Ended, Frame, Output, Sandbox, SandboxNotFound, Started
from application.ports.seals import Seals
from application.ports.surroundings import Clock
from application.ports.work import Followed
from domain.execution import Execution, ExecutionEnded

log = logging.getLogger(__name__)

ACTOR = "worker:results"


class Results:
    """Told by the monitor beside it that a run has ended, or else waiting for the end itself."""

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

    def run(self, stop: Event) -> None:
        """Collect until told to stop."""
        follow_all(self._backlog, self._collect, stop)

    def _collect(self, execution: UUID, stop: Event) -> bool:
        for tries in count(1):
            find = self._log.recall if tries % LOOK_EVERY_TRIES else self._log.load
            run = find(Execution, execution)
            if run.status.is_final or self._is_recorded(run):
                break
            if stop.wait(TRY_AGAIN_SECONDS):
                return False
        self._ended(execution)
        self._forget(execution)
        return True

    def _is_recorded(self, run: Execution) -> bool:
        """False when the sandbox is not there (the reconciler decides what is lost), or stopped telling."""
        try:
            frames = list(self._sandbox.watch(sandbox_of(run.id)))
        except SandboxNotFound:
            return False
        if not frames or not isinstance(frames[-1], Ended):
            return False
        self._record(run, frames, frames[-1])
        return True

    def _record(self, run: Execution, frames: Sequence[Frame], ended: Ended) -> None:
        outputs = [frame for frame in frames if isinstance(frame, Output)]
        output = self._seals.seal(run.owner, encode_frames(outputs)) if outputs else None
        started = next((frame.at for frame in frames if isinstance(frame, Started)), None)

        def start_and_finish(run: Execution) -> None:
            if started:
                run.start(started)
            run.finish(ended.outcome, output, ended.at)

        cause = created(self._log, run.id)
        context = following(ACTOR, cause, self._clock.now())
        try:
            change(self._log, context, Execution, run.id, start_and_finish)
        except ExecutionEnded:
            log.info("run %s had ended already", run.id)

    def _forget(self, execution: UUID) -> None:
        """Nothing of the sandbox is needed any more, and of the live output only for a moment."""
        self._sandbox.remove(sandbox_of(execution))
        try:
            self._live.expire(execution)
        except LiveUnavailable:
            log.info("the live output of run %s is gone already", execution)
