"""One projection in one lane, as its owner knows it."""

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from projections.folding import Folding, Refused
from projections.projection import Projection
from projections.store import Cursor, Move

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0


class Track:
    """How far the projection is, who waits behind a dead letter, and when it tries again after it could not go on."""

    def __init__(
        self, projection: Projection, cursor: Cursor, parked: frozenset[UUID], discarded: frozenset[int]
    ) -> None:
        self.projection = projection
        self.cursor = cursor
        self.parked = parked
        self.discarded = discarded
        self.folded = cursor.position
        """Ahead of the cursor where the last events changed nothing."""
        self.is_lost = False
        """Another owner has claimed it, or another generation is live."""
        self._wait = 0.0
        self._resumes_at = 0.0

    def move(self, events: Sequence[Recorded], refused: Refused | None = None) -> Move | None:
        """What these events make, as far as they are new; None where none is."""
        fresh = [event for event in events if event.position > self.folded]
        if not fresh:
            return None
        folding = self.folding(self.parked, refused).take_all(fresh)
        return Move(self.cursor, fresh[-1].position, folding.changes, folding.letters, notices=folding.notices)

    def folding(self, parked: frozenset[UUID], refused: Refused | None = None) -> Folding:
        return Folding(self.projection, parked, self.discarded, refused, self.projection.announce)

    def skip(self, move: Move) -> None:
        """What changes nothing need not be stored at once."""
        self.folded = move.position

    def moved(self, move: Move) -> None:
        """It is stored."""
        self.cursor = msgspec.structs.replace(move.cursor, position=move.position, part=None)
        self.folded = move.position
        self.parked = self.parked - move.released | {letter.stream for letter in move.letters}
        self.discarded = self.discarded | move.discarded
        self._wait = 0.0

    # Trying again ---------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        return time.monotonic() < self._resumes_at

    def stall(self) -> float:
        """Wait before the next try, twice as long as the last time. Returns the seconds."""
        self._wait = min(max(FIRST_WAIT, self._wait * 2), LONGEST_WAIT)
        self._resumes_at = time.monotonic() + self._wait
        self.folded = self.cursor.position
        return self._wait

    def lose(self) -> float:
        """Somebody else may own it now. Returns the seconds until it is claimed again."""
        self.is_lost = True
        return self.stall()
