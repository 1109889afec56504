"""Keeps read models up with the log: what comes is folded into all of them, and no one holds up another."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Event
from types import MappingProxyType

from application.ports.log import EventLog, Feed, LogUnavailable, Recorded, Subscription
from projections.generations import Pointer
from projections.held import Held
from projections.projection import Projection
from projections.store import Notices, ReadModels
from projections.storing import Events, Listeners, Storing, by_lane
from projections.track import Track

WAIT_SECONDS = 0.5
LOOK_EVERY_SECONDS = 1.0
SAVE_HINTS_SECONDS = 10.0
"""Hints are told anew from where their cursor stands, which does no harm."""
LOOK_WHEN_LOST_SECONDS = 0.05
"""Whoever is shut out may find another generation live in a moment."""
PAGE = 1_000
"""How many events of a lane are read at once for one that is behind."""


class Engine:
    """Runs projections over the lanes that its consumer group gives to this process.

    What comes is folded into all of them in one transaction, and a little later into the patient ones in another. One
    that could not go on, was paused, or is farther back than the others reads the log by itself until it is in step.
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
        self._held = Held()
        self._has_patient = any(projection.is_patient for projection in projections)
        self._resting: frozenset[str] = frozenset()
        """Projections that are paused, or whose live generation another version has made."""
        self._looked_at = float("-inf")
        self._saved_hints_at = float("-inf")

    def run(self, stop: Event) -> None:
        """Fold until told to stop."""
        self._see(self._store.pointers())
        orphans = self._store.orphans(self._projections[0])  # whoever claims a lane claims it for this one first
        subscription = self._feed.subscribe(self._group, self._claim, orphans)
        try:
            while not stop.is_set():
                self._step(subscription)
        finally:
            subscription.close()

    def _step(self, subscription: Subscription) -> None:
        self._take(by_lane(subscription.poll(0.0 if self._behind(subscription) else self._patience(subscription))))
        if not self._held.seconds_left:
            self._hand_on()
        for track in self._behind(subscription):
            self._catch_up(track)
        self._look_around(subscription)

    def _take(self, events: Events) -> None:
        in_step = self._in_step(events, is_patient=False)
        if self._has_patient:
            self._held.add(events, self._delivered)
        self._delivered |= {lane: of_lane[-1].position for lane, of_lane in events.items()}
        self._storing.fold(in_step, events)

    def _hand_on(self) -> None:
        """To the patient ones, what came meanwhile."""
        in_step = self._in_step(self._held.lanes, is_patient=True)
        self._storing.fold(in_step, self._held.take())

    def _patience(self, subscription: Subscription) -> float:
        patience = LOOK_WHEN_LOST_SECONDS if self._has_lost_any(subscription) else WAIT_SECONDS
        return min(patience, self._held.seconds_left)

    def _has_lost_any(self, subscription: Subscription) -> bool:
        return any(track.is_lost for track in self._of(subscription.lanes))

    # Who folds what -------------------------------------------------------------------------------------------

    def _claim(self, lane: int) -> int:
        """Own a lane that was given to this process. It is delivered from where the first of its projections is."""
        self._tracks[lane] = [self._track(projection, lane) for projection in self._projections]
        self._held.forget(lane)
        self._delivered[lane] = max(track.folded for track in self._tracks[lane])
        return self._delivered[lane]

    def _track(self, projection: Projection, lane: int) -> Track:
        cursor = self._store.claim(projection, lane)
        return Track(projection, cursor, self._store.parked(cursor), self._store.discarded(projection.name))

    def _of(self, lanes: Iterable[int]) -> Iterator[Track]:
        return (track for lane in lanes for track in self._tracks.get(lane, ()))

    def _in_step(self, lanes: Iterable[int], *, is_patient: bool) -> list[Track]:
        tracks = (track for track in self._of(lanes) if track.projection.is_patient is is_patient)
        return [track for track in tracks if not self._is_behind(track) and self._is_able(track)]

    def _is_behind(self, track: Track) -> bool:
        return track.folded < self._handed_to(track)

    def _handed_to(self, track: Track) -> int:
        """Up to where its projection was given the lane."""
        before = self._held.before(track.cursor.lane) if track.projection.is_patient else None
        return self._delivered[track.cursor.lane] if before is None else before

    def _is_able(self, track: Track) -> bool:
        return not (track.waits or track.is_lost or track.projection.name in self._resting)

    # What is behind -------------------------------------------------------------------------------------------

    def _behind(self, subscription: Subscription) -> list[Track]:
        return [track for track in self._of(subscription.lanes) if self._is_behind(track) and self._is_able(track)]

    def _catch_up(self, track: Track) -> None:
        lane = track.cursor.lane
        try:
            events: Sequence[Recorded] = self._log.read_lane(lane, track.folded, self._handed_to(track), PAGE)
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
        self._save([track for track in owned if not track.is_lost])
        pointers = self._store.pointers()
        self._see(pointers)
        for track in owned:
            is_replaced = track.cursor.generation != pointers[track.projection.name].generation
            if is_replaced or (track.is_lost and not track.waits):
                self._claim_again(track)

    def _save(self, tracks: Sequence[Track]) -> None:
        is_due = time.monotonic() - self._saved_hints_at > SAVE_HINTS_SECONDS
        if is_due:
            self._saved_hints_at = time.monotonic()
        self._storing.save(track for track in tracks if is_due or not track.projection.is_hint)

    def _see(self, pointers: Mapping[str, Pointer]) -> None:
        self._resting = frozenset(one.name for one in self._projections if not pointers[one.name].is_folded_by(one))

    def _claim_again(self, lost: Track) -> None:
        """Another generation is live now, or another process has owned the lane for a while."""
        tracks = self._tracks[lost.cursor.lane]
        tracks[tracks.index(lost)] = self._track(lost.projection, lost.cursor.lane)
