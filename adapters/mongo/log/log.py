"""The event log."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError

from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Line, Placed
from adapters.mongo.connection import reachable, reason
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.memory import Memory, OwnLanes
from adapters.mongo.store import Store
from adapters.mongo.writing import settling
from application.ports.log import (
    Context,
    LogUnavailable,
    OutcomeUnknown,
    Recorded,
    StreamNotFound,
    UnreadableEvent,
    VersionConflict,
)
from domain.aggregate import Aggregate
from projections.scanning import Page

A = TypeVar("A", bound=Aggregate)


class MongoEventLog:
    """Implements the port EventLog."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._memory = Memory()
        self._own_lanes = OwnLanes()

    @property
    def store(self) -> Store:
        """Which store this is."""
        return self._journal.store

    @property
    def lanes(self) -> int:
        return self._journal.store.lanes

    def load(self, kind: type[A], stream: UUID) -> A:
        """The aggregate as its events make it. Raises StreamNotFound, also when it is of another kind."""
        return _aggregate(kind, stream, self.history(stream))

    def recall(self, kind: type[A], stream: UUID) -> A:
        return _aggregate(kind, stream, self.recall_history(stream))

    def recall_history(self, stream: UUID) -> Sequence[Recorded]:
        return self._memory.get(stream) or self.history(stream)

    def remember(self, events: Sequence[Recorded]) -> None:
        self._memory.add(events)

    def save(self, context: Context, *aggregates: Aggregate) -> int:
        """Append all pending events as one commit; they are pending no longer. Returns the last position.

        Returns the head when nothing is pending. Raises VersionConflict, LogUnavailable, OutcomeUnknown, EventTooLarge,
        ValueError for more than one commit holds; then all stay pending.
        """
        return self.save_together([(context, aggregate) for aggregate in aggregates])

    def save_together(self, changes: Sequence[tuple[Context, Aggregate]]) -> int:
        lines = [line for context, aggregate in changes for line in self._lines(context, aggregate)]
        if not lines:
            return self.head()
        first = self._append(lines)
        self._own_lanes.put(first + len(lines) - 1, lines[-1].lane)
        self.remember(_recorded(list(enumerate(lines, first))))
        for _, aggregate in changes:
            aggregate.collect_events()
        return first + len(lines) - 1

    def _lines(self, context: Context, aggregate: Aggregate) -> Sequence[Line]:
        lane = self._journal.lane_of(aggregate.lane_key)
        return [
            Line(
                aggregate.id,
                event.originator_version,
                envelope.name_of(event),
                lane,
                envelope.encode(context, event, lane),
            )
            for event in aggregate.pending_events
        ]

    def _append(self, lines: Sequence[Line]) -> int:
        try:
            return self._journal.append(lines)
        except IntegrityError as error:
            raise VersionConflict from error
        except settling.OutcomeUnknown as error:
            raise OutcomeUnknown(OutcomeUnknown.__doc__) from error
        except OperationalError as error:
            raise LogUnavailable(reason(error)) from error

    def history(self, stream: UUID) -> Sequence[Recorded]:
        with reachable():
            placed = self._journal.reading.history(stream)
        try:
            history = _recorded(placed)
        except UnreadableEvent:
            self._memory.forget(stream)  # so that nobody takes its readable beginning for all of it
            raise
        self.remember(history)
        return history

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        with reachable():
            return _recorded(self._journal.reading.after(after, limit))

    def read_lane(self, lane: int, after: int, upto: int, limit: int) -> Sequence[Recorded]:
        with reachable():
            end = min(upto, self._journal.head.find())
            placed = self._journal.reading.of_lane(lane, after, end, limit)
        return _told(placed)

    def stream(self, id: UUID) -> Sequence[Recorded]:
        """All events of one stream, in order; some may be Unreadable."""
        with reachable():
            return _told(self._journal.reading.history(id))

    def scan(self, lanes: frozenset[int], after: int, upto: int) -> Iterator[Page]:
        """The events of these lanes with positions in (after, upto], page by page; some may be Unreadable."""
        with reachable():
            for placed in self._journal.reading.pages(after, min(upto, self._journal.head.find())):
                wanted = [(position, line) for position, line in placed if line.lane in lanes]
                yield Page(placed[-1][0], _told(wanted), sum(len(line.data) for _, line in wanted))

    def lane_at(self, position: int) -> int | None:
        if (own := self._own_lanes.get(position)) is not None:
            return own
        with reachable():
            found = self._journal.reading.at(position)
        return found.lane if found else None

    def head(self) -> int:
        with reachable():
            return self._journal.head.find()

    def lane_heads(self) -> Mapping[int, int]:
        with reachable():
            return self._journal.lane_heads.find()


def _aggregate(kind: type[A], stream: UUID, history: Sequence[Recorded]) -> A:
    """Raises StreamNotFound."""
    aggregate: A | None = None
    for recorded in history:
        aggregate = recorded.data.mutate(aggregate)
    if not isinstance(aggregate, kind):
        word = kind.word or " ".join(re.findall("[A-Z][a-z]+", kind.name)).lower()
        raise StreamNotFound(f"There is no {word} {stream}.")
    return aggregate


def _recorded(placed: Sequence[Placed]) -> Sequence[Recorded]:
    return [envelope.decode(position, line.data) for position, line in placed]


def _told(placed: Sequence[Placed]) -> list[Recorded]:
    return [envelope.decode_or_tell(position, line) for position, line in placed]
