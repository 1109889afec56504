"""`worker saga`: gives places to the runs that wait, and takes them back from those that have ended."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from threading import Event
from uuid import UUID, uuid4

from application.deadlines import ACTOR, Deadlines
from application.handler import following
from application.pools import Pools
from application.ports.log import Context, EventLog, Recorded, StreamNotFound, UnreadableEvent, VersionConflict
from application.ports.surroundings import Clock
from application.ports.work import Task, TaskKind
from application.queue import Queue
from domain.execution import Execution, Limits, Outcome, Status
from domain.pool import Places, Pool, Reservation
from domain.queue import Waiting, choose
from domain.saga import Saga, begun, saga_of

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
RELEASE_SECONDS = 1.0
"""How long a place that nobody waits for stays reserved in the log, so that it is given back with others."""
CHECK_SECONDS = 10.0
MOST_AT_ONCE = 16
"""Runs of one commit."""
FEW = 4
LINGER_SECONDS = 0.02
"""While the others work, so long a free place waits for another one, for both to be given in one commit."""


def sandbox_of(execution: UUID) -> str:
    """The name of a run's sandbox: the same at every try, so that a second start finds the first."""
    return f"run-{execution}-1"


def created(log: EventLog, execution: UUID) -> Recorded:
    """The event that all who follow a run's sandbox act on."""
    histories = (read(execution) for read in (log.recall_history, log.history))  # memory may lack it yet
    return next(event for history in histories for event in history if isinstance(event.data, Execution.SandboxCreated))


class Orchestrator:
    """Any number of these may work: what one decides on too little, the log refuses."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        queue: Queue,
        places: Places,
        ceilings: Limits,
        deadlines: Deadlines,
        hand_over: Callable[[Sequence[Task]], None],
    ) -> None:
        self._log = log
        self._clock = clock
        self._queue = queue
        self._places = places
        self._ceilings = ceilings
        self._hand_over = hand_over
        self._pools = Pools(log)
        self._deadlines = deadlines
        self._ended: set[UUID] = set()
        """Runs that have ended, whose places may not be given back yet in the log."""
        self._since = 0.0
        self._is_fresh = True
        """Whether what this process remembers of streams is good enough to decide on."""
        self._committed_at = 0.0
        self._checked_at = float("-inf")

    def run(self, stop: Event) -> None:
        """Work until told to stop. Raises LogUnavailable."""
        self._forget()
        self._queue.look()
        self._deadlines.begin()
        while not stop.is_set():
            self._check_now_and_then()
            if pause := self.step():
                self._queue.wait(pause)

    def step(self) -> float:
        """Give and take back what can be. Returns after how many seconds there may be more to do."""
        self._queue.look_again()
        now = self._clock.now()
        pool = self._pools.current(now)
        self._note_ended(pool)
        waiting = self._queue.waiting()
        chosen = self._choose(waiting, pool, now)
        if chosen and self._may_be_more(len(chosen), len(waiting), pool):
            return LINGER_SECONDS
        if not chosen and not self._is_release_due(pool):
            return LOOK_SECONDS
        self._commit(pool, chosen[:MOST_AT_ONCE], now)
        return 0.0

    # Who is next ----------------------------------------------------------------------------------------------

    def _note_ended(self, pool: Pool) -> None:
        ended = self._queue.take_ended()
        if ended and self._ended.isdisjoint(pool.held):
            self._since = time.monotonic()
        self._ended |= ended

    def _is_release_due(self, pool: Pool) -> bool:
        return not self._ended.isdisjoint(pool.held) and time.monotonic() - self._since > RELEASE_SECONDS

    def _may_be_more(self, chosen: int, waiting: int, pool: Pool) -> bool:
        """Where many wait for places that come free one by one, some are given together."""
        has_been_free = time.monotonic() - self._since if self._ended & pool.held.keys() else LINGER_SECONDS
        return chosen < min(waiting, self._places.at_once // 2, FEW) and has_been_free < LINGER_SECONDS

    def _choose(self, waiting: Collection[Waiting], pool: Pool, now: datetime) -> list[Waiting]:
        held = {execution: owner for execution, owner in pool.held.items() if execution not in self._ended}
        return choose(waiting, held, self._places, now) if waiting else []

    # The commit -----------------------------------------------------------------------------------------------

    def _commit(self, pool: Pool, chosen: Sequence[Waiting], now: datetime) -> None:
        """One for all; nothing when somebody else was first."""
        released = [saga for execution in self._ended & pool.held.keys() for saga in self._released(execution, now)]
        placed = [found for one in chosen if (found := self._run(one.execution, now))]
        wanted = [run for _, run in placed if run.sandbox]
        pool.release(self._ended, now)
        pool.reserve([Reservation(run.id, run.owner) for run in wanted], self._places, now)
        pools = [pool, pool.continued(now)] if pool.is_long else [pool]
        context = Context(ACTOR, now, uuid4())
        sagas = [(context, begun(run, run.sandbox, now)) for context, run in placed if run.sandbox]
        try:
            self._log.save_together([*((context, one) for one in pools), *released, *sagas, *placed])
        except VersionConflict:
            self._forget()
            return
        self._is_fresh, self._committed_at = True, time.monotonic()
        self._pools.went_on(pools[-1])
        self._ended = set()
        self._queue.forget(run.id for _, run in placed)
        self._hand_over([self._task(run.id) for run in wanted])

    def _released(self, execution: UUID, now: datetime) -> Iterator[tuple[Context, Saga]]:
        try:
            cause = self._history(saga_of(execution))[0]
            saga = self._log.recall(Saga, saga_of(execution))
        except (StreamNotFound, UnreadableEvent, IndexError) as problem:
            log.warning("the saga of run %s cannot tell that its place is free: %s", execution, problem)
            return
        saga.release(now)
        yield following(ACTOR, cause, now), saga

    def _run(self, execution: UUID, now: datetime) -> tuple[Context, Execution] | None:
        """The run with the intent to make its sandbox, or ended where it must not run; None where nobody wants one."""
        try:
            requested = self._history(execution)[0]
            run = self._log.recall(Execution, execution)
        except (StreamNotFound, UnreadableEvent, IndexError) as problem:
            log.warning("run %s does not wait: %s", execution, problem)
            self._queue.forget([execution])
            return None
        if run.status.is_final or run.sandbox is not None:
            self._queue.forget([execution])
            return None
        if run.limits.exceed(self._ceilings):
            run.finish(Outcome(Status.INTERNAL_ERROR, "its limits are above what is allowed here by now"), None, now)
        else:
            run.create_sandbox(sandbox_of(execution), now)
        return following(ACTOR, requested, now), run

    def _history(self, execution: UUID) -> Sequence[Recorded]:
        """From memory, unless that has just been seen to lack something."""
        return self._log.recall_history(execution) if self._is_fresh else self._log.history(execution)

    def _task(self, execution: UUID) -> Task:
        cause = created(self._log, execution)
        return Task(cause.id, TaskKind.START, execution, cause.correlation, cause.trace)

    def _forget(self) -> None:
        """Somebody else was first: decide on what the log holds."""
        self._pools.reload()
        self._is_fresh = False

    # Now and then ---------------------------------------------------------------------------------------------

    def _check_now_and_then(self) -> None:
        """A place whose run has ended is given back, also if nobody here has heard of the end."""
        now = self._clock.now()
        self._deadlines.enforce(self._pools.current(now).held.keys(), now)
        self._queue.forget(self._deadlines.end_waiting(self._queue.waiting(), now))
        is_idle = not (self._queue.waiting() or self._pools.current(now).held)
        if is_idle or time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        if self._checked_at > self._committed_at:
            self._pools.reload()  # others may do what is to be done
        self._checked_at = time.monotonic()
        for execution in list(self._pools.current(now).held):
            if self._has_ended(execution):
                self._queue.ended(execution)

    def _has_ended(self, execution: UUID) -> bool:
        try:
            return self._log.load(Execution, execution).status.is_final
        except UnreadableEvent:
            return False
