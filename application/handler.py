"""How every command goes: load one aggregate, decide, save once; decide anew when somebody else was first."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from application.ports import Context, EventLog, VersionConflict
from domain.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)

TRIES = 8


def change(
    log: EventLog, context: Context, kind: type[A], stream: UUID, decide: Callable[[A], object]
) -> tuple[A, int]:
    """Returns the aggregate and the position of its last event; a decision that changes nothing saves nothing.

    Raises StreamNotFound, whatever `decide` raises, or VersionConflict when others were first too often.
    """
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
