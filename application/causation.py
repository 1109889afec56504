"""What led to what: the events of one request as a tree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from application.ledger import Entry


class Branch(msgspec.Struct, frozen=True):
    """An event, and the events that it led to."""

    entry: Entry
    caused: "Sequence[Branch]"


def by_causation(entries: Iterable[Entry]) -> Sequence[Branch]:
    """The events that none of these has led to, each with all that followed from it; in the order of the log.

    Only what stands before an event can have led to it.
    """
    seen: set[UUID] = set()
    caused: dict[UUID | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        caused[entry.causation if entry.causation in seen else None].append(entry)
        seen.add(entry.id)
    return _branches(None, caused)


def _branches(cause: UUID | None, caused: Mapping[UUID | None, Sequence[Entry]]) -> Sequence[Branch]:
    return [Branch(entry, _branches(entry.id, caused)) for entry in caused.get(cause, ())]
