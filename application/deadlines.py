"""What a saga does when a step takes longer than it may: it gives it up, and the run ends in words that say so."""

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from application.handler import following
from application.ports.log import EventLog, StreamNotFound, UnreadableEvent, VersionConflict
from domain.execution import Execution, Outcome, Status
from domain.queue import Waiting
from domain.saga import TELL_WITHIN, Saga, Step, saga_of

log = logging.getLogger(__name__)

ACTOR = "worker:saga"
GRACE_SECONDS = 60.0
"""Nothing is given up sooner after the start: while the system was down, nobody could tell of anything."""

OUTCOMES = {
    Step.CREATE: Outcome(Status.INTERNAL_ERROR, "no sandbox was started in time"),
    Step.WATCH: Outcome(Status.LOST, "nothing was heard of its sandbox in time"),
}


class Deadlines:
    """They stand in the sagas. What has or gets a sandbox too late is given up: an executor removes it.

    A run that waits has no saga: its own request says since when.
    """

    def __init__(self, log: EventLog, wait: timedelta) -> None:
        self._log = log
        self._wait = wait
        self._due: dict[UUID, datetime] = {}
        """When each saga is to be looked at next."""
        self._began = time.monotonic()

    def begin(self) -> None:
        self._began = time.monotonic()

    def enforce(self, held: Collection[UUID], now: datetime) -> None:
        """Give up what is overdue. Raises LogUnavailable."""
        self._due = {run: at for run, at in self._due.items() if run in held}
        if self._is_soon():
            return
        for execution in held:
            if self._due.get(execution, now) <= now:
                self._look(execution, now)

    def end_waiting(self, waiting: Collection[Waiting], now: datetime) -> Collection[UUID]:
        """End those that have waited too long for a place, and tell which. Raises LogUnavailable."""
        if self._is_soon():
            return ()
        overdue = [one.execution for one in waiting if now - one.since > self._wait]
        for execution in overdue:
            self._end_waiting(execution, now)
        return overdue

    def _is_soon(self) -> bool:
        return time.monotonic() - self._began < GRACE_SECONDS

    def _end_waiting(self, execution: UUID, now: datetime) -> None:
        try:
            run, requested = self._log.load(Execution, execution), self._log.history(execution)[0]
            if run.status is Status.QUEUED:
                words = f"no place came free within {self._wait.total_seconds():,.0f} seconds"
                run.finish(Outcome(Status.INTERNAL_ERROR, words), None, now)
                self._log.save(following(ACTOR, requested, now), run)
        except (StreamNotFound, UnreadableEvent, VersionConflict) as problem:
            log.warning("run %s, which waits too long, is left to others: %s", execution, problem)

    def _look(self, execution: UUID, now: datetime) -> None:
        try:
            saga, run = self._log.load(Saga, saga_of(execution)), self._log.load(Execution, execution)
        except (StreamNotFound, UnreadableEvent) as problem:
            log.warning("the deadline of run %s cannot be looked up: %s", execution, problem)
            self._due[execution] = now + TELL_WITHIN
            return
        if step := saga.overdue(run.status, now):
            self._give_up(saga, run, step, now)
        self._due[execution] = saga.start_by if now < saga.start_by else saga.end_by

    def _give_up(self, saga: Saga, run: Execution, step: Step, now: datetime) -> None:
        outcome = OUTCOMES[step]
        log.warning("run %s: %s", run.id, outcome.reason)
        saga.compensate(step, outcome.reason, now)
        run.finish(outcome, None, now)
        begun = self._log.history(saga.id)[0]
        try:
            self._log.save(following(ACTOR, begun, now), saga, run)
        except VersionConflict:
            log.info("run %s was heard of at the last moment", run.id)
