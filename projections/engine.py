"""Folds events into read models: batches by lane, document changes coalesced, the cursor in the same transaction."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.ports import Feed, LogUnavailable, Recorded, Subscription
from projections.projection import Notice, Projection

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0


class Cursor(msgspec.Struct, frozen=True):
    """How far one projection has come in one lane, and the epoch of the owner who may move it."""

    projection: str
    generation: int
    lane: int
    position: int
    epoch: int


class CursorLost(Exception):
    """Another owner has claimed this lane."""


class ReadModels(Protocol):
    """Where read models and their cursors are stored."""

    def claim(self, projection: Projection, lane: int) -> Cursor:
        """Become the owner of a lane: a new epoch, after which older owners cannot commit."""

    def commit(self, cursor: Cursor, changes: Mapping[UUID, Mapping[str, Any]], position: int) -> None:
        """Change documents and move the cursor, all or nothing. Raises CursorLost."""


class Notices(Protocol):
    def publish(self, notices: Sequence[Notice]) -> None:
        """Best effort: a lost notice only delays what the log tells anyway."""


class Engine:
    """Runs projections over the lanes that its consumer group gives to this process."""

    def __init__(
        self,
        group: str,
        projections: Sequence[Projection],
        feed: Feed,
        store: ReadModels,
        notices: Notices,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._group = group
        self._projections = {projection.name: projection for projection in projections}
        self._feed = feed
        self._store = store
        self._notices = notices
        self._on_commit = on_commit
        self._cursors: dict[int, dict[str, Cursor]] = {}
        self._stalled: dict[int, _Stall] = {}

    def run(self, stop: Event) -> None:
        """Fold until told to stop."""
        subscription = self._feed.subscribe(self._group, self._claim)
        try:
            while not stop.is_set():
                self._fold_all(subscription.poll(0.5))
                self._rewind_stalled(subscription)
        finally:
            subscription.close()

    def _claim(self, lane: int) -> int:
        claimed = {name: self._store.claim(projection, lane) for name, projection in self._projections.items()}
        self._cursors[lane] = claimed
        return min(cursor.position for cursor in claimed.values())

    def _fold_all(self, events: Sequence[Recorded]) -> None:
        for lane, batch in _by_lane(events).items():
            for projection in self._projections.values():
                self._fold_lane(projection, lane, batch)

    def _fold_lane(self, projection: Projection, lane: int, batch: Sequence[Recorded]) -> None:
        cursor = self._cursors[lane][projection.name]
        fresh = [event for event in batch if event.position > cursor.position]
        if not fresh or self._is_stalled(lane, projection.name):
            return
        try:
            self._commit(projection, cursor, fresh)
        except (CursorLost, LogUnavailable) as error:
            self._stall(lane, projection.name, error)
        except Exception as error:
            # A fold that fails stops its own projection in its own lane; the others go on.
            log.exception("projection %s cannot fold lane %s after position %s", projection.name, lane, cursor.position)
            self._stall(lane, projection.name, error)

    def _commit(self, projection: Projection, cursor: Cursor, events: Sequence[Recorded]) -> None:
        position = events[-1].position
        self._store.commit(cursor, coalesce(projection, events), position)
        self._cursors[cursor.lane][projection.name] = msgspec.structs.replace(cursor, position=position)
        self._notices.publish([notice for event in events for notice in projection.announce(event)])
        self._on_commit()

    def _is_stalled(self, lane: int, name: str) -> bool:
        return lane in self._stalled and name in self._stalled[lane].projections

    def _stall(self, lane: int, name: str, error: Exception) -> None:
        stall = self._stalled.setdefault(lane, _Stall())
        stall.projections.add(name)
        log.warning("projection %s waits %.1f s in lane %s: %s", name, stall.wait, lane, error or type(error).__name__)

    def _rewind_stalled(self, subscription: Subscription) -> None:
        now = time.monotonic()
        for lane, stall in list(self._stalled.items()):
            if stall.projections and now >= stall.since + stall.wait:
                stall.try_again(now)
                subscription.rewind(lane)
            elif not stall.projections and now >= stall.since + LONGEST_WAIT:
                del self._stalled[lane]


class _Stall:
    """Projections that could not go on in one lane, and how long to wait before they try again."""

    def __init__(self) -> None:
        self.projections: set[str] = set()
        self.since = time.monotonic()
        self.wait = FIRST_WAIT

    def try_again(self, now: float) -> None:
        self.projections.clear()
        self.since = now
        self.wait = min(self.wait * 2, LONGEST_WAIT)


def coalesce(projection: Projection, events: Iterable[Recorded]) -> dict[UUID, dict[str, Any]]:
    """All changes of a batch, one set of fields per document; each notes the position it was last changed at."""
    changes: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for event in events:
        for put in projection.fold(event):
            changes[put.id] |= put.fields | {"position": event.position}
    return dict(changes)


def _by_lane(events: Sequence[Recorded]) -> dict[int, list[Recorded]]:
    lanes: dict[int, list[Recorded]] = defaultdict(list)
    for event in events:
        lanes[event.lane].append(event)
    return lanes
