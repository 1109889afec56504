"""Storing what was folded: together where that goes, in smaller parts where it does not."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from application.ports.log import EventLog, LogUnavailable, Recorded
from projections.changes import Changes
from projections.folding import Refused
from projections.letters import Trouble
from projections.release import Part, in_parts, release
from projections.store import BatchTooLarge, CursorLost, Move, Notices, ReadModels, Unstorable
from projections.track import Track

log = logging.getLogger(__name__)

Events = Mapping[int, Sequence[Recorded]]
"""By lane, in order."""
Listeners = Mapping[str, Callable[[Changes], None]]
"""By a projection's name: told what was changed once it is committed."""

Moves = Sequence[tuple[Track, Move]]


class Storing:
    """Takes tracks forward. One that cannot go on waits, and holds up no other."""

    def __init__(self, store: ReadModels, log: EventLog, notices: Notices, listeners: Listeners) -> None:
        self._store = store
        self._log = log
        self._notices = notices
        self._listeners = listeners

    def fold(self, tracks: Sequence[Track], events: Events) -> None:
        """Fold these events into all these tracks, as far as they are new to them."""
        together: list[Track] = []
        for track in tracks:
            if parts := in_parts(track, events[track.cursor.lane]):
                self._fold_parts(track, parts)
            else:
                together.append(track)
        self._fold_together(together, events)

    def save(self, tracks: Iterable[Track]) -> None:
        """Store the cursors that events which changed nothing have left behind."""
        self._commit([(t, Move(t.cursor, t.folded, {})) for t in tracks if t.folded > t.cursor.position])

    def _fold_parts(self, track: Track, parts: Sequence[Part]) -> None:
        """Piece by piece, because people decided on parked events in between."""
        lane = track.cursor.lane
        for before, decision in parts:
            self._fold_together([track], {lane: before})
            if decision is None or (before and track.folded < before[-1].position):
                return
            try:
                move = release(track, decision, self._store, self._log)
            except LogUnavailable as error:
                _stall(track, error)
                return
            if not self._commit([(track, move)]):
                return
            log.info("%s goes on with stream %s", track.projection.name, decision.data.parked)

    def _fold_together(self, tracks: Sequence[Track], events: Events, refused: Refused | None = None) -> None:
        moves = [(track, move) for track in tracks if (move := track.move(events[track.cursor.lane], refused))]
        changing = []
        for track, move in moves:
            if stored(track, move).is_idle:  # what stores nothing can wait
                self._tell_listener(track, move)
                track.skip(move)
            else:
                changing.append((track, move))
        if changing:
            self._fold_group(changing, events, refused or {})

    def _fold_group(self, group: Moves, events: Events, refused: Refused) -> None:
        try:
            self._commit(group)
        except (BatchTooLarge, Unstorable) as error:
            if len(group) > 1:
                for one in group:
                    self._fold_group([one], events, refused)
            else:
                self._fold_less(*group[0], events[group[0][0].cursor.lane], refused, error)

    def _fold_less(
        self, track: Track, move: Move, events: Sequence[Recorded], refused: Refused, error: BatchTooLarge | Unstorable
    ) -> None:
        """Half of it, and half of that; or without what would change the documents that the store refuses."""
        lane, middle = track.cursor.lane, len(events) // 2
        if isinstance(error, BatchTooLarge) and middle:
            for half in (events[:middle], events[middle:]):
                self._fold_together([track], {lane: half}, refused)
            return
        ids = error.ids if isinstance(error, Unstorable) else move.changes.keys()
        if ids <= refused.keys():
            _stall(track, error)
        else:
            self._fold_together([track], {lane: events}, {**refused, **dict.fromkeys(ids, Trouble.of(error))})

    def _commit(self, moves: Moves) -> bool:
        """All together where that goes, else each by itself. Whether all are stored.

        Raises BatchTooLarge or Unstorable; then none is.
        """
        if not moves:
            return True
        try:
            self._store.commit([stored(track, move) for track, move in moves])
        except (CursorLost, LogUnavailable) as error:
            if len(moves) > 1:
                return sum(self._commit([one]) for one in moves) == len(moves)
            track, _ = moves[0]
            _lose(track) if isinstance(error, CursorLost) else _stall(track, error)
            return False
        self._tell(moves)
        return True

    def _tell(self, moves: Moves) -> None:
        for track, move in moves:
            for letter in move.letters:
                if letter.trouble:
                    log.error(
                        "%s parks the event at %d: %s", track.projection.name, letter.position, letter.trouble.error
                    )
            track.moved(move)
            self._tell_listener(track, move)
        notices = [notice for _, move in moves for notice in move.notices]
        self._notices.publish(notices, [track.cursor for track, _ in moves])

    def _tell_listener(self, track: Track, move: Move) -> None:
        if move.changes and (listener := self._listeners.get(track.projection.name)):
            listener(move.changes)


def stored(track: Track, move: Move) -> Move:
    """The part of a step that the store is given: hints are not."""
    return msgspec.structs.replace(move, changes={}) if track.projection.is_hint else move


def by_lane(events: Iterable[Recorded]) -> dict[int, list[Recorded]]:
    lanes: dict[int, list[Recorded]] = defaultdict(list)
    for event in events:
        lanes[event.lane].append(event)
    return lanes


def _stall(track: Track, error: Exception) -> None:
    wait = track.stall()
    log.warning("%s waits %.1f s in lane %s: %s", track.projection.name, wait, track.cursor.lane, error)


def _lose(track: Track) -> None:
    wait = track.lose()
    log.info("%s has lost lane %s; it looks again in %.1f s", track.projection.name, track.cursor.lane, wait)
