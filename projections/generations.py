"""Generations of a read model: one is live; another may be built beside it, or kept to go back to."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from projections.projection import Projection


class NotCaughtUp(Exception):
    """The other generation is behind the live one by now; fold on and try again."""


class Generation(msgspec.Struct, frozen=True):
    """All documents of one fold of the log, by one version of the projection."""

    number: int
    version: int
    request: UUID | None = None
    """The event that asked for it."""
    compared: int = 0
    """How many documents were compared with the log before it was made live."""
    digest: str = ""
    """Of these."""


class Pointer(msgspec.Struct, frozen=True):
    """What there is of one read model."""

    generation: int
    """The number of the live one."""
    version: int
    last: int
    """The highest number that was ever used."""
    request: UUID | None = None
    compared: int = 0
    digest: str = ""
    previous: Generation | None = None
    """Kept, to go back to."""
    building: Generation | None = None
    beside: tuple[Generation, ...] = ()
    """Made by replays, for those who ask for them by the replay; none of them is ever live."""
    dropped: tuple[int, ...] = ()
    """Those whose documents may still be there."""
    is_paused: bool = False

    def is_folded_by(self, projection: Projection) -> bool:
        """Whether this program may change what is live."""
        return not self.is_paused and self.version == projection.version

    def of_replay(self, replay: UUID) -> Generation | None:
        return next((one for one in self.beside if one.request == replay), None)

    @property
    def live(self) -> Generation:
        return Generation(self.generation, self.version, self.request, self.compared, self.digest)


class Generations(Protocol):
    """Where they are kept. Every method may raise LogUnavailable."""

    def pointer(self, projection: str) -> Pointer: ...

    def pointers(self) -> Mapping[str, Pointer]:
        """By projection."""

    def positions(self, projection: str, generation: int) -> Mapping[int, int]:
        """How far a generation has come, by lane."""

    def begin(self, projection: Projection, request: UUID, lanes: int) -> Generation:
        """Make an empty generation, or go on with the one that is being built for this request, if by this version."""

    def begin_beside(self, projection: Projection, replay: UUID, after: int, lanes: int) -> Generation:
        """Make an empty generation for a replay of what stands behind this position, or go on with it."""

    def drop_beside(self, projection: str, replay: UUID) -> None:
        """Forget what a replay has made; harmless when it has made nothing."""

    def abandon(self, projection: str) -> None:
        """Forget what is being built; harmless when nothing is."""

    def hold(self, projection: str) -> None:
        """Shut the owners of the live one out for a moment; they come back by themselves."""

    def swap(self, projection: str, to: Generation) -> None:
        """Make it live, and keep the one that was. Whoever folds that one cannot store any more.

        Harmless when it is live already. Raises NotCaughtUp; then nothing has changed.
        """

    def drop_previous(self, projection: str) -> None:
        """Forget the one that was kept; harmless when none was."""

    def pause(self, projection: str, *, is_paused: bool) -> None:
        """Whoever folds it stops, or goes on, within a second."""
