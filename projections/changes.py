"""What a batch of events does to documents, one change for each."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from application.ports.log import Recorded
from projections.projection import DocumentId, Projection, Put, Step

FIRST = 1
"""The version of a stream's first event."""


class Change(msgspec.Struct):
    """What is to be done to one document."""

    set: dict[str, Any]
    add: dict[str, float]
    position: int = 0
    """That of the last event it follows from."""
    is_first: bool = False
    """A stream begins with the first event it follows from, so there is probably no such document yet."""

    def take(self, step: Step) -> None:
        if isinstance(step, Put):
            self.set |= step.fields
            return
        for name, amount in step.amounts.items():
            self.add[name] = self.add.get(name, 0) + amount

    @property
    def document(self) -> dict[str, Any]:
        """What it makes of a document that was not there."""
        return {**self.set, **self.add, "position": self.position}


Changes: TypeAlias = dict[DocumentId, Change]
"""By document."""


def coalesce(projection: Projection, events: Iterable[Recorded]) -> Changes:
    """All changes that these events make."""
    changes: Changes = {}
    for event in events:
        merge(changes, projection.fold(event), event)
    return changes


def merge(changes: Changes, steps: Iterable[Step], event: Recorded) -> None:
    """Add what the event does."""
    for step in steps:
        change = changes.get(step.id)
        if change is None:
            change = changes[step.id] = Change({}, {}, is_first=event.version == FIRST)
        change.take(step)
        change.position = max(change.position, event.position)  # what was parked for a while comes late
