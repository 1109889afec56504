"""The way of one run through its sandbox: what is due when, what had to be undone, and that its place came back."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid5

from eventsourcing.domain import event
from msgspec import Meta

from domain.aggregate import Aggregate
from domain.execution import Execution, Limits, Status

_SAGAS = UUID("b7a3d6a4-9c0e-5a53-8f3e-0c1d4b8f6e92")
"""The namespace in which a run's id becomes the id of its saga."""
START_WITHIN = timedelta(minutes=4)
"""From the reservation to the first sign of the sandbox: a cluster's nodes need up to one to find their API server."""
TELL_WITHIN = timedelta(minutes=1)
"""How much longer than its time limit a run may take to tell its end."""


Moment = Annotated[datetime, Meta(tz=True)]
"""Of a zone, so that its schema can say what a consumer finds there."""


class Step(StrEnum):
    """What comes next."""

    VALIDATE = "validate"
    RESERVE = "reserve"
    CREATE = "create"
    WATCH = "watch"
    COLLECT = "collect"
    RELEASE = "release"
    DONE = "done"


class Saga(Aggregate):
    """Begins with the reservation of a place and ends when that is given back."""

    name = "Saga"

    class Begun(Aggregate.Created):
        execution: UUID
        owner: UUID
        sandbox: str
        start_by: Moment
        end_by: Moment

    class Compensated(Aggregate.Event):
        step: Step
        reason: str

    class Released(Aggregate.Event):
        pass

    @event(Begun)
    def __init__(
        self,
        id: UUID,
        execution: UUID,
        owner: UUID,
        sandbox: str,
        start_by: datetime,
        end_by: datetime,
        timestamp: datetime,
    ) -> None:
        self.execution = execution
        self.owner = owner
        self.sandbox = sandbox
        self.start_by = start_by
        self.end_by = end_by
        self.compensated: Step | None = None
        """The step that was given up."""
        self.reason = ""
        self.is_released = False

    @event(Compensated)
    def _compensated(self, step: Step, reason: str) -> None:
        self.compensated = step
        self.reason = reason

    @event(Released)
    def _released(self) -> None:
        self.is_released = True

    @property
    def lane_key(self) -> UUID:
        return self.execution

    def overdue(self, status: Status, now: datetime) -> Step | None:
        """The step whose time is over; None while there is time, and when the run has ended."""
        if status is Status.STARTING and now > self.start_by:
            return Step.CREATE
        return Step.WATCH if not status.is_final and now > self.end_by else None

    def compensate(self, step: Step, reason: str, at: datetime) -> None:
        """A step was given up; hearing it again changes nothing."""
        if self.compensated is None:
            self.trigger_event(self.Compensated, step=step, reason=reason, timestamp=at)

    def release(self, at: datetime) -> None:
        """The place is given back; hearing it again changes nothing."""
        if not self.is_released:
            self.trigger_event(self.Released, timestamp=at)


def begun(run: Execution, sandbox: str, at: datetime) -> Saga:
    start_by = at + START_WITHIN
    return Saga(
        id=saga_of(run.id),
        execution=run.id,
        owner=run.owner,
        sandbox=sandbox,
        start_by=start_by,
        end_by=start_by + time_of(run.limits),
        timestamp=at,
    )


def time_of(limits: Limits) -> timedelta:
    """The most time from the start of a sandbox to the news of its end."""
    return timedelta(seconds=limits.wall_seconds) + TELL_WITHIN


def saga_of(execution: UUID) -> UUID:
    """The id of a run's saga."""
    return uuid5(_SAGAS, str(execution))


def step_of(status: Status, is_released: bool) -> Step:
    """What comes next for a run that has a place."""
    if is_released:
        return Step.DONE
    if status.is_final:
        return Step.RELEASE
    return {Status.QUEUED: Step.RESERVE, Status.STARTING: Step.CREATE}.get(status, Step.WATCH)
