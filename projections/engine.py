"""Folds events into read models: batches by lane, document changes coalesced, the cursor in the same transaction."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Event
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.ports import Feed, LogUnavailable, Recorded, Subscription
from projections.projection import Notice, Projection

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0
SAVE_EVERY_SECONDS = 1.0
SMALL_BATCH = 6
"""The most documents for which a second transaction is worth its price, because the first is sooner done."""


class Cursor(msgspec.Struct, frozen=True):
    """How far one projection has come in one lane, and the epoch of the owner who may move it."""

    projection: str
    generation: int
    lane: int
    position: int
    epoch: int


class CursorLost(Exception):
    """Another owner has claimed this lane."""


Changes = Mapping[UUID, Mapping[str, Any]]
"""Fields to set, by document."""


class BatchTooLarge(Exception):
    """More than one transaction of the store can hold."""


class Move(msgspec.Struct, frozen=True):
    """One projection's step in one lane: the documents to change, and where its cursor stands then."""

    cursor: Cursor
    position: int
    changes: Changes


class ReadModels(Protocol):
    """Where read models and their cursors are stored."""

    def claim(self, projection: Projection, lane: int) -> Cursor:
        """Become the owner of a lane: a new epoch, after which older owners cannot commit."""

    def commit(self, moves: Sequence[Move]) -> None:
        """Change documents and move cursors in one transaction, all or nothing.

        Raises CursorLost, BatchTooLarge or LogUnavailable; then nothing has changed.
        """


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
        listeners: Mapping[str, Callable[[Changes], None]] = MappingProxyType({}),
    ) -> None:
        """`listeners`, by a projection's name, are told what was changed once it is committed."""
        self._group = group
        self._projections = {projection.name: projection for projection in projections}
        self._feed = feed
        self._store = store
        self._notices = notices
        self._listeners = listeners
        self._cursors: dict[int, dict[str, Cursor]] = {}
        self._folded: dict[tuple[int, str], int] = {}
        """How far each lane is folded; ahead of the cursor where the last events changed nothing."""
        self._saved_at = time.monotonic()
        self._stalled: dict[int, _Stall] = {}

    def run(self, stop: Event) -> None:
        """Fold until told to stop."""
        subscription = self._feed.subscribe(self._group, self._claim)
        try:
            while not stop.is_set():
                self._fold(_by_lane(subscription.poll(0.5)))
                self._save_idle()
                self._rewind_stalled(subscription)
        finally:
            subscription.close()

    def _claim(self, lane: int) -> int:
        claimed = {name: self._store.claim(projection, lane) for name, projection in self._projections.items()}
        self._cursors[lane] = claimed
        self._folded |= {(lane, name): cursor.position for name, cursor in claimed.items()}
        return min(cursor.position for cursor in claimed.values())

    def _fold(self, events: Mapping[int, Sequence[Recorded]]) -> None:
        able = [(name, lane) for lane in events for name in self._projections if not self._is_stalled(lane, name)]
        moves = [move for name, lane in able if (move := self._move(name, lane, events[lane]))]
        for group in self._in_order(moves):
            try:
                self._tell(self._commit(group), events)
            except BatchTooLarge:
                return self._fold_in_parts(events)
        return None

    def _in_order(self, moves: Sequence[Move]) -> Iterator[Sequence[Move]]:
        """Effects first: somebody waits for them; all at once where much waits. What changes nothing can wait."""
        for move in moves:
            if not move.changes:
                self._folded[move.cursor.lane, move.cursor.projection] = move.position
        changing = [move for move in moves if move.changes]
        if sum(len(move.changes) for move in changing) > SMALL_BATCH:
            yield changing
            return
        for is_effect in (True, False):
            if group := [move for move in changing if self._is_effect(move) is is_effect]:
                yield group

    def _is_effect(self, move: Move) -> bool:
        return self._projections[move.cursor.projection].is_effect

    def _fold_in_parts(self, events: Mapping[int, Sequence[Recorded]]) -> None:
        """In halves, and those in halves again, until the store takes them."""
        ordered = sorted((event for of_lane in events.values() for event in of_lane), key=lambda event: event.position)
        middle = len(ordered) // 2
        self._fold(_by_lane(ordered[:middle]))
        self._fold(_by_lane(ordered[middle:]))

    def _save_idle(self) -> None:
        """Once a second, store the cursors that events which changed nothing have left behind."""
        if time.monotonic() - self._saved_at < SAVE_EVERY_SECONDS:
            return
        self._saved_at = time.monotonic()
        cursors = [cursor for lane in self._cursors.values() for cursor in lane.values()]
        ahead = [Move(cursor, self._folded[cursor.lane, cursor.projection], {}) for cursor in cursors]
        if moves := [move for move in ahead if move.position > move.cursor.position]:
            self._commit(moves)

    def _move(self, name: str, lane: int, events: Sequence[Recorded]) -> Move | None:
        """What one projection makes of a batch; None when it has folded all of it, or cannot."""
        cursor = self._cursors[lane][name]
        fresh = [event for event in events if event.position > self._folded[lane, name]]
        if not fresh:
            return None
        try:
            return Move(cursor, fresh[-1].position, coalesce(self._projections[name], fresh))
        except Exception as error:
            # A fold that fails stops its own projection in its own lane; the others go on.
            log.exception("%s cannot fold lane %s after position %s", name, lane, cursor.position)
            self._stall(lane, name, error)
            return None

    def _commit(self, moves: Sequence[Move]) -> Sequence[Move]:
        """All together where that goes, else each by itself. Returns those that were committed."""
        try:
            self._store.commit(moves)
        except (CursorLost, LogUnavailable) as error:
            if len(moves) > 1:
                return [moved for move in moves for moved in self._commit([move])]
            self._stall(moves[0].cursor.lane, moves[0].cursor.projection, error)
            return []
        for move in moves:
            moved = msgspec.structs.replace(move.cursor, position=move.position)
            self._cursors[moved.lane][moved.projection] = moved
            self._folded[moved.lane, moved.projection] = moved.position
        return moves

    def _tell(self, moves: Sequence[Move], events: Mapping[int, Sequence[Recorded]]) -> None:
        for move in moves:
            if listener := self._listeners.get(move.cursor.projection):
                listener(move.changes)
        announced = [
            notice
            for move in moves
            for event in events[move.cursor.lane]
            if event.position > move.cursor.position
            for notice in self._projections[move.cursor.projection].announce(event)
        ]
        self._notices.publish(announced)

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
