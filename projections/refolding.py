"""Folding the log anew into a generation that nobody reads yet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from application.ports.log import EventLog, Recorded
from application.progress import Tell, tell_nobody
from projections.folding import Folding, Refused
from projections.letters import Trouble
from projections.projection import DocumentId, Projection
from projections.release import Part, in_parts, release
from projections.scanning import Page, Scanning
from projections.store import Cursor, Move, ReadModels, Unstorable
from projections.storing import by_lane
from projections.track import Track

MOST_BYTES = 32 * 1024 * 1024
"""Of the events whose changes are gathered before they are stored; what they become in memory is a few times that."""


class Log(EventLog, Scanning, Protocol):
    """Read both ways."""


class Filling(ReadModels, Protocol):
    """Where a generation is filled."""

    def claim_generation(self, projection: Projection, generation: int, lane: int) -> Cursor:
        """Become the owner of one of its lanes."""

    def fill(self, move: Move) -> None:
        """Store a step of any size. After a kill its cursor may have a `part`, and wants the very same step again.

        Raises CursorLost or Unstorable.
        """


class Refolding:
    """Some lanes of one generation, from wherever their cursors are. Started again after a kill, it goes on.

    `is_wanted` says which events are folded, where not all of them.
    """

    def __init__(
        self,
        log: Log,
        store: Filling,
        projection: Projection,
        generation: int,
        lanes: Iterable[int],
        most_bytes: int = MOST_BYTES,
        is_wanted: Callable[[Recorded], bool] | None = None,
    ) -> None:
        self._log = log
        self._is_wanted = is_wanted
        self._store = store
        self._projection = projection
        self._most_bytes = most_bytes
        discarded = store.discarded(projection.name)
        cursors = [store.claim_generation(projection, generation, lane) for lane in lanes]
        self._tracks = {c.lane: Track(projection, c, store.parked(c), discarded) for c in cursors}
        self._foldings: dict[int, Folding] = {}

    def run(self, upto: int, tell: Tell = tell_nobody) -> None:
        """Fold up to this position, at least. Raises CursorLost when somebody else does the same."""
        self._finish_parts()
        gathered = 0
        after = min(track.folded for track in self._tracks.values())
        for page in self._scan(frozenset(self._tracks), after, upto):
            self._take(page.events)
            gathered += page.bytes
            if gathered > self._most_bytes or page.upto >= upto:
                self._store_all(page.upto)
                gathered = 0
            tell(page.upto, upto)

    def _finish_parts(self) -> None:
        """Steps that were stored in part are folded again from their beginning to their end."""
        for lane, track in self._tracks.items():
            if track.cursor.part:
                for page in self._scan(frozenset({lane}), track.folded, track.cursor.part.upto):
                    self._folding(track).take_all(page.events)
                self._store_lane(track, track.cursor.part.upto)

    def _scan(self, lanes: frozenset[int], after: int, upto: int) -> Iterator[Page]:
        for page in self._log.scan(lanes, after, upto):
            if self._is_wanted:
                page.events[:] = filter(self._is_wanted, page.events)
            yield page

    def _take(self, events: Iterable[Recorded]) -> None:
        for lane, of_lane in by_lane(events).items():
            track = self._tracks[lane]
            fresh = [event for event in of_lane if event.position > track.folded]
            if self._folding(track).parked and (parts := in_parts(track, fresh)):
                self._take_parts(track, parts)
            else:
                self._folding(track).take_all(fresh)

    def _take_parts(self, track: Track, parts: Sequence[Part]) -> None:
        """What comes before a decision on parked events is stored first, so that the letters are all there."""
        for before, decision in parts:
            self._folding(track).take_all(before)
            if decision:
                self._store_lane(track, decision.position - 1)
                self._fill(track, release(track, decision, self._store, self._log))

    def _folding(self, track: Track) -> Folding:
        """What is gathered of a lane and not stored yet."""
        if track.cursor.lane not in self._foldings:
            self._foldings[track.cursor.lane] = self._new_folding(track)
        return self._foldings[track.cursor.lane]

    def _new_folding(self, track: Track, refused: Refused | None = None) -> Folding:
        return Folding(self._projection, track.parked, track.discarded, refused)

    # Storing --------------------------------------------------------------------------------------------------

    def _store_all(self, upto: int) -> None:
        for track in self._tracks.values():
            self._store_lane(track, upto)

    def _store_lane(self, track: Track, upto: int) -> None:
        folding = self._foldings.pop(track.cursor.lane, None) or self._new_folding(track)
        refused: dict[DocumentId, Trouble] = {}
        while upto > track.folded:
            try:
                self._fill(track, Move(track.cursor, upto, folding.changes, folding.letters))
            except Unstorable as error:
                refused |= dict.fromkeys(error.ids, Trouble.of(error))
                folding = self._new_folding(track, refused)
                for page in self._scan(frozenset({track.cursor.lane}), track.folded, upto):
                    folding.take_all(page.events)

    def _fill(self, track: Track, move: Move) -> None:
        self._store.fill(move)
        track.moved(move)
