"""The two feeds that live streams are made of: what of the log is told to whom."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias
from uuid import UUID

import msgspec

from api.backend import Backend
from application.ports.log import EventLog, Recorded
from domain.execution import Execution, Status
from projections import admin_feed, me_feed

MOST_POSITIONS = 10_000
"""Whoever has missed more of the log reads the lists anew."""
PAGE = 1_000

Place: TypeAlias = Mapping[int, int]
"""How far somebody has come: a position for each lane."""


class MeMessage(msgspec.Struct, frozen=True):
    """The `data:` of a message of type `execution`: one of your runs is in this state since this position.

    The stream begins with `start`, the `data:` of which is a `position`: a list that was read with it as `min_position`
    lacks nothing that came before. `reset` is followed by `start` and means to read the lists anew; `close` to come
    back in a moment.
    """

    id: UUID
    status: Status
    position: int


class AdminMessage(msgspec.Struct, frozen=True):
    """The `data:` of a message of type `event`: something has happened.

    A message of type `progress` says how far work on a read model is: `kind`, `name`, `upto` positions `of` so many; it
    has no id, and what came of the work is an event. `start`, `reset` and `close` are as in your own stream.
    """

    position: int
    lane: int
    stream: UUID
    version: int
    type: str
    at: datetime
    actor: str
    about: str
    """The language or the final status of a run; a read model's name, or how work on it ended; else empty."""


class Change(msgspec.Struct, frozen=True):
    """Something to be told, encoded once for all who hear it."""

    lane: int
    position: int
    owner: UUID | None
    """None concerns everybody who follows the feed."""
    kind: str
    data: msgspec.Raw


class Feed(Protocol):
    projection: str
    """The log is told up to where this read model is, so that nobody hears of what it does not know yet."""

    def changes(self, log: EventLog, events: Sequence[Recorded], owners: Collection[UUID]) -> Sequence[Change]:
        """What these events are to these people, in the same order. Raises LogUnavailable."""


class MeFeed:
    projection = me_feed.PROJECTION.name

    def changes(self, log: EventLog, events: Sequence[Recorded], owners: Collection[UUID]) -> Sequence[Change]:
        log.remember(events)
        states = [(event, status) for event in events if (status := me_feed.status_after(event))]
        of_each = [(event, status, _owner(log, event.stream)) for event, status in states]
        return [_as_change(event, status, owner) for event, status, owner in of_each if owner in owners]


class AdminFeed:
    projection = admin_feed.PROJECTION.name

    def changes(self, log: EventLog, events: Sequence[Recorded], owners: Collection[UUID]) -> Sequence[Change]:
        del log, owners  # admins hear of everybody
        return [_as_event(event) for event in events]


async def reached(backend: Backend, feed: Feed) -> Place:
    """How far a feed is. What is read up to there is whole; what is found beyond may not be all, and comes later."""
    return await backend.read_models.positions(feed.projection, await backend.read_models.generation(feed.projection))


async def read(backend: Backend, feed: Feed, after: Place, upto: Place, owners: Collection[UUID]) -> Sequence[Change]:
    """All changes in (after, upto] of each lane, in the order of their positions. Raises LogUnavailable."""
    return await backend.cross(_read, backend.log, feed, after, upto, owners)


def _read(log: EventLog, feed: Feed, after: Place, upto: Place, owners: Collection[UUID]) -> Sequence[Change]:
    found = [event for lane in upto for event in _of_lane(log, lane, after[lane], upto[lane])]
    return feed.changes(log, sorted(found, key=lambda event: event.position), owners)


def _of_lane(log: EventLog, lane: int, after: int, upto: int) -> Iterator[Recorded]:
    while after < upto and (page := log.read_lane(lane, after, upto, PAGE)):
        yield from page
        after = page[-1].position


def can_be_served(place: Place, upto: Place) -> bool:
    """Not if it is of another store, or of this one before it was restored, or of too long ago."""
    return (
        place.keys() == upto.keys()
        and all(place[lane] <= upto[lane] for lane in place)
        and max(upto.values()) - max(place.values()) <= MOST_POSITIONS
    )


def _owner(log: EventLog, run: UUID) -> UUID | None:
    """Whose a run is; None if its first event cannot be read. The log remembers what came by."""
    first = log.recall_history(run)[0].data
    return first.owner if isinstance(first, Execution.Requested) else None


def _as_change(event: Recorded, status: Status, owner: UUID | None) -> Change:
    message = MeMessage(event.stream, status, event.position)
    return Change(event.lane, event.position, owner, "execution", msgspec.Raw(msgspec.json.encode(message)))


def _as_event(event: Recorded) -> Change:
    message = AdminMessage(
        position=event.position,
        lane=event.lane,
        stream=event.stream,
        version=event.version,
        type=event.type,
        at=event.at,
        actor=event.actor,
        about=admin_feed.about(event),
    )
    return Change(event.lane, event.position, None, "event", msgspec.Raw(msgspec.json.encode(message)))
