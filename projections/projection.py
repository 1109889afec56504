"""What a projection is: a pure fold from events to changes of documents, and the questions asked of them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from application.ports.log import Recorded

T = TypeVar("T")

ASCENDING, DESCENDING = 1, -1

OLDEST_FIRST = ((("position", ASCENDING),),)
"""The index of what is worked off in the order of the log."""

DocumentId: TypeAlias = UUID | str


class Put:
    """Set fields of one document, making it when it is missing."""

    __slots__ = ("fields", "id")

    def __init__(self, id: DocumentId, **fields: Any) -> None:
        self.id = id
        self.fields = fields


class Add:
    """Add to numbers of one document, from 0 where they are missing. No field is both set and added to."""

    __slots__ = ("amounts", "id")

    def __init__(self, id: DocumentId, **amounts: float) -> None:
        self.id = id
        self.amounts = amounts


Step: TypeAlias = Put | Add


class Notice(msgspec.Struct, frozen=True):
    """Told to the live streams after a change was committed. A hint: the log is the truth."""

    position: int
    lane: int
    stream: UUID
    version: int
    kind: str
    data: dict[str, Any]


class Query(msgspec.Struct, frozen=True):
    """A question to one read model; a port runs it."""

    projection: str
    filter: Mapping[str, Any]
    sort: tuple[tuple[str, int], ...] = ()
    limit: int = 0
    fields: tuple[str, ...] = ()
    """Only these, and the id; without any, all."""

    @property
    def selection(self) -> Mapping[str, bool] | None:
        return dict.fromkeys(("_id", *self.fields), True) if self.fields else None


class Sums(msgspec.Struct, frozen=True):
    """A question for numbers of one read model, added up by the day (UTC) of a time, the newest day first.

    Each answer has the `day`, the `number` of documents, and the sum of each of `numbers`; what is missing counts as 0.
    """

    projection: str
    filter: Mapping[str, Any]
    time: str
    numbers: tuple[str, ...]


class DocumentDamaged(Exception):
    """A stored document is not as its projection makes it."""

    def __init__(self, projection: str, id: DocumentId, flaw: str) -> None:
        super().__init__(
            f"The document {id} of the read model {projection} is damaged: {flaw}. `runledger projections verify "
            f"{projection}` names what else is; `runledger projections rebuild {projection}` mends it."
        )


class Projection(msgspec.Struct, frozen=True):
    """A read model: its name, its version (a new one means another shape), and how events change it.

    `fold` gets the event and nothing else, so it can cause no effect; a document belongs to one lane. What adds up
    over several streams has a document for each lane, and does not depend on the order of the streams.
    """

    name: str
    version: int
    fold: Callable[[Recorded], Iterable[Step]]
    indexes: tuple[tuple[tuple[str, int], ...], ...] = ()
    announce: Callable[[Recorded], Iterable[Notice]] = lambda _: ()
    is_by_stream: bool = True
    """Each document follows from the events of one stream alone, whose id it has."""
    is_patient: bool = False
    """Nobody minds a tenth of a second: it is folded a little later than the others, so that many events change a
    document once, and those that somebody waits for are sooner done."""
    is_effect: bool = False
    """Its documents are things to do outside: never folded again, and new ones start at the head of an old log."""
    is_hint: bool = False
    """An effect whose changes are told to its listener and not stored: whoever misses one finds out by looking."""


def in_order(projection: str) -> Query:
    """All documents of an effect: what is yet to be done, the oldest first."""
    return Query(projection, {}, OLDEST_FIRST[0])


def plain(value: Any) -> Any:
    """A value as the read models store it: builtin types, with ids, times and bytes kept as they are."""
    return msgspec.to_builtins(value, builtin_types=(UUID, bytes, datetime))


def typed(document: Mapping[str, Any], kind: type[T]) -> T:
    """A stored document, with its `id`, as a type of its projection."""
    return msgspec.convert(dict(document), kind, builtin_types=(UUID, bytes, datetime))
