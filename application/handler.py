"""How every command goes: load one aggregate, decide, save once; decide anew when somebody else was first."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from application.ports import Context, EventLog, VersionConflict
from domain.aggregate import Aggregate

A = TypeVar("A", bound=Aggregate)

TRIES = 8


def change(
    log: EventLog,
    context: Context,
    kind: type[A],
    stream: UUID,
    decide: Callable[[A], object],
    loaded: A | None = None,
) -> tuple[A, int]:
    """Returns the aggregate and the position of its last event; a decision that changes nothing saves nothing.

    `loaded` is the aggregate where the caller has it already; it is loaded again when it turns out to be old.
    Raises StreamNotFound, whatever `decide` raises, or VersionConflict when others were first too often.
    """
    for last_try in [False] * (TRIES - 1) + [True]:
        aggregate = loaded or log.load(kind, stream)
        loaded = None
        decide(aggregate)
        if not aggregate.pending_events:
            return aggregate, log.history(stream)[-1].position
        try:
            return aggregate, log.save(context, aggregate)
        except VersionConflict:
            if last_try:
                raise
    raise AssertionError
