"""How every command goes: load one aggregate, decide, save once; decide anew when somebody else was first."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from application.ports.log import Context, EventLog, StreamNotFound, VersionConflict
from domain.aggregate import Aggregate, DomainError

A = TypeVar("A", bound=Aggregate)

TRIES = 8


class Cause(Protocol):
    """An event, or a task that an event made: it has that event's id."""

    @property
    def id(self) -> UUID: ...
    @property
    def correlation(self) -> UUID: ...
    @property
    def trace(self) -> str: ...


def following(actor: str, cause: Cause, at: datetime) -> Context:
    """What a worker does because of an event."""
    return Context(actor, at, cause.correlation, cause.id, cause.trace)


def change(
    log: EventLog, context: Context, kind: type[A], stream: UUID, decide: Callable[[A], object]
) -> tuple[A, int]:
    """Returns the aggregate and the position of its last event; a decision that changes nothing saves nothing.

    The first try is on what this process remembers: the log itself refuses what was decided on too little.
    Raises StreamNotFound, whatever `decide` raises, or VersionConflict when others were first too often.
    """
    if quick := _change_recalled(log, context, log.recall(kind, stream), decide):
        return quick
    for last_try in [False] * (TRIES - 1) + [True]:
        aggregate = log.load(kind, stream)
        decide(aggregate)
        if not aggregate.pending_events:
            return aggregate, log.history(stream)[-1].position
        try:
            return aggregate, log.save(context, aggregate)
        except VersionConflict:
            if last_try:
                raise
    raise AssertionError


def begin_or_change(
    log: EventLog, context: Context, kind: type[A], begin: Callable[[], A], decide: Callable[[A], object]
) -> int:
    """Like `change`, where the first decision begins the stream: its first event goes with it, all or nothing.

    Returns the position of the last event.
    """
    begun = begin()
    try:
        return change(log, context, kind, begun.id, decide)[1]
    except StreamNotFound:
        decide(begun)
    try:
        return log.save(context, begun)
    except VersionConflict:
        return change(log, context, kind, begun.id, decide)[1]


def _change_recalled(
    log: EventLog, context: Context, aggregate: A, decide: Callable[[A], object]
) -> tuple[A, int] | None:
    """None when it has to be decided on what the log holds."""
    try:
        decide(aggregate)
        return (aggregate, log.save(context, aggregate)) if aggregate.pending_events else None
    except (DomainError, VersionConflict):
        return None
