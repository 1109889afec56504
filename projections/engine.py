"""Keeps read models up with the log: what comes is folded into all of them, and no one holds up another."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Event
from types import MappingProxyType

from application.ports import EventLog, Feed, LogUnavailable, Recorded, Subscription
from projections.generations import Pointer
from projections.projection import Projection
from projections.store import Notices, ReadModels
from projections.storing import Events, Listeners, Storing, by_lane
from projections.track import Track

WAIT_SECONDS = 0.5
LOOK_EVERY_SECONDS = 1.0
LOOK_WHEN_LOST_SECONDS = 0.05
"""Whoever is shut out may find another generation live in a moment."""
PAGE = 1_000
"""How many events of a lane are read at once for one that is behind."""


class Engine:
    """Runs projections over the lanes that its consumer group gives to this process.

    What comes is folded into all of them in one transaction. One that could not go on, was paused, or is farther back
    than the others reads the log by itself until it is in step with them.
    """

    def __init__(
        self,
        group: str,
        projections: Sequence[Projection],
        feed: Feed,
        log: EventLog,
        store: ReadModels,
        notices: Notices,
        listeners: Listeners = MappingProxyType({}),
    ) -> None:
        self._group = group
        self._projections = projections
        self._feed = feed
        self._log = log
        self._store = store
        self._storing = Storing(store, log, notices, listeners)
        self._tracks: dict[int, list[Track]] = {}
        self._delivered: dict[int, int] = {}
        """How far each lane has come here."""
        self._resting: frozenset[str] = frozenset()
        """Projections that are paused, or whose live generation another version has made."""
        self._looked_at = float("-inf")

    def run(self, stop: Event) -> None:
        """Fold until told to stop."""
        self._see(self._store.pointers())
        subscription = self._feed.subscribe(self._group, self._claim)
        try:
            while not stop.is_set():
                self._step(subscription)
        finally:
            subscription.close()

    def _step(self, subscription: Subscription) -> None:
        events = by_lane(subscription.poll(0.0 if self._behind(subscription) else self._patience(subscription)))
        self._take(events)
        for track in self._behind(subscription):
            self._catch_up(track)
        self._look_around(subscription)

    def _take(self, events: Events) -> None:
        in_step = [track for track in self._of(events) if not self._is_behind(track) and self._is_able(track)]
        self._delivered |= {lane: of_lane[-1].position for lane, of_lane in events.items()}
        self._storing.fold(in_step, events)

    def _patience(self, subscription: Subscription) -> float:
        return LOOK_WHEN_LOST_SECONDS if self._has_lost_any(subscription) else WAIT_SECONDS

    def _has_lost_any(self, subscription: Subscription) -> bool:
        return any(track.is_lost for track in self._of(subscription.lanes))

    # Who folds what -------------------------------------------------------------------------------------------

    def _claim(self, lane: int) -> int:
        """Own a lane that was given to this process. It is delivered from where the first of its projections is."""
        self._tracks[lane] = [self._track(projection, lane) for projection in self._projections]
        self._delivered[lane] = max(track.folded for track in self._tracks[lane])
        return self._delivered[lane]

    def _track(self, projection: Projection, lane: int) -> Track:
        cursor = self._store.claim(projection, lane)
        return Track(projection, cursor, self._store.parked(cursor), self._store.discarded(projection.name))

    def _of(self, lanes: Iterable[int]) -> Iterator[Track]:
        return (track for lane in lanes for track in self._tracks.get(lane, ()))

    def _is_behind(self, track: Track) -> bool:
        return track.folded < self._delivered[track.cursor.lane]

    def _is_able(self, track: Track) -> bool:
        return not (track.waits or track.is_lost or track.projection.name in self._resting)

    # What is behind -------------------------------------------------------------------------------------------

    def _behind(self, subscription: Subscription) -> list[Track]:
        return [track for track in self._of(subscription.lanes) if self._is_behind(track) and self._is_able(track)]

    def _catch_up(self, track: Track) -> None:
        lane = track.cursor.lane
        try:
            events: Sequence[Recorded] = self._log.read_lane(lane, track.folded, self._delivered[lane], PAGE)
        except LogUnavailable:
            track.stall()
            return
        self._storing.fold([track], {lane: events})

    # Now and then ---------------------------------------------------------------------------------------------

    def _look_around(self, subscription: Subscription) -> None:
        """Once a second, and more often while a lane is lost."""
        pause = LOOK_WHEN_LOST_SECONDS if self._has_lost_any(subscription) else LOOK_EVERY_SECONDS
        if time.monotonic() - self._looked_at < pause:
            return
        self._looked_at = time.monotonic()
        try:
            self._look(list(self._of(subscription.lanes)))
        except LogUnavailable:
            return  # nothing can be folded now either

    def _look(self, owned: Sequence[Track]) -> None:
        self._storing.save(track for track in owned if not track.is_lost)
        pointers = self._store.pointers()
        self._see(pointers)
        for track in owned:
            is_replaced = track.cursor.generation != pointers[track.projection.name].generation
            if is_replaced or (track.is_lost and not track.waits):
                self._claim_again(track)

    def _see(self, pointers: Mapping[str, Pointer]) -> None:
        self._resting = frozenset(one.name for one in self._projections if not pointers[one.name].is_folded_by(one))

    def _claim_again(self, lost: Track) -> None:
        """Another generation is live now, or another process has owned the lane for a while."""
        tracks = self._tracks[lost.cursor.lane]
        tracks[tracks.index(lost)] = self._track(lost.projection, lost.cursor.lane)
