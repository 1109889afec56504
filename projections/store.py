"""What the folding of read models asks of the store that keeps them."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from projections.changes import Changes
from projections.generations import Pointer
from projections.letters import Letter
from projections.projection import DocumentId, Notice, Projection


class Part(msgspec.Struct, frozen=True):
    """A step that was too large for one transaction and is stored in part: up to `id` of its documents, in order."""

    upto: int
    """Where the cursor stands when the step is done."""
    id: str


class Cursor(msgspec.Struct, frozen=True):
    """How far one generation of a projection has come in one lane, and the epoch of the owner who may move it."""

    projection: str
    generation: int
    lane: int
    position: int
    epoch: int
    part: Part | None = None


class CursorLost(Exception):
    """Another owner has claimed this lane."""


class BatchTooLarge(Exception):
    """More than one transaction of the store can hold."""


class Unstorable(Exception):
    """The store refuses these documents, and always will."""

    def __init__(self, reason: str, ids: frozenset[DocumentId]) -> None:
        super().__init__(reason)
        self.ids = ids


class Move(msgspec.Struct, frozen=True):
    """One projection's step in one lane: what changes, what is parked, and where its cursor stands then."""

    cursor: Cursor
    position: int
    changes: Changes
    letters: Sequence[Letter] = ()
    """Those to be parked."""
    released: frozenset[UUID] = frozenset()
    """Streams whose letters are all taken out first."""
    discarded: frozenset[int] = frozenset()
    """Positions that the projection shall skip from now on."""
    notices: Sequence[Notice] = ()
    """To be told once it is committed."""
    part: Part | None = None
    """How much of a larger one this is, where more of it follows."""

    @property
    def is_idle(self) -> bool:
        """Whether it does nothing but move the cursor."""
        return not (self.changes or self.letters or self.released or self.discarded)


class ReadModels(Protocol):
    """Where read models, their cursors and their dead letters are stored. Every method may raise LogUnavailable."""

    def claim(self, projection: Projection, lane: int) -> Cursor:
        """Become the owner of a lane of the live generation: a new epoch, after which older owners cannot commit."""

    def orphans(self, projection: Projection) -> frozenset[int]:
        """Lanes of the live generation whose owner was a process of this machine and has surely ended."""

    def parked(self, cursor: Cursor) -> frozenset[UUID]:
        """The streams with letters in this lane of this generation."""

    def letters(self, cursor: Cursor, stream: UUID) -> Sequence[Letter]:
        """Those of one stream, in order."""

    def discarded(self, projection: str) -> frozenset[int]:
        """The positions that this projection shall skip, for ever."""

    def pointers(self) -> Mapping[str, Pointer]:
        """What is live now, by projection."""

    def commit(self, moves: Sequence[Move]) -> None:
        """Change documents, letters and cursors in one transaction, all or nothing.

        Raises CursorLost, BatchTooLarge or Unstorable; then nothing has changed.
        """


class Notices(Protocol):
    def publish(self, notices: Sequence[Notice], moved: Sequence[Cursor]) -> None:
        """Tell the live streams what has changed, and those who wait how far read models have come.

        Best effort: a lost notice only delays what the log tells anyway.
        """
