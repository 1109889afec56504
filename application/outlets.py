"""What a replay asks of the outside: the events it sends, where they go, and where its mark is kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from domain.aggregate import DomainError
from domain.replay import Replay, Selection


class TargetRefused(DomainError):
    """Events cannot be replayed into this."""


class TargetMisnamed(TargetRefused):
    """Nothing could be replayed into anything of this name."""


class TargetUnavailable(Exception):
    """The target takes nothing now; it is tried again."""


class Stopped(Exception):
    """Told to stop in the middle; it goes on when it is begun again."""


class Selected(msgspec.Struct, frozen=True):
    """An event on its way: as it stands in the log."""

    position: int
    lane: int
    stream: UUID
    type: str
    data: bytes


class SelectedPage(msgspec.Struct, frozen=True):
    """Some of those that are selected, behind the page before it."""

    upto: int
    """The position up to which the log has been read."""
    events: Sequence[Selected]


class Selecting(Protocol):
    def pages(self, selection: Selection, after: int) -> Iterator[SelectedPage]:
        """Those that are selected and stand behind a position. Raises LogUnavailable."""


class Mark(msgspec.Struct, frozen=True):
    """How far a replay has come. What its target needs to go on from there stands beside it."""

    position: int = 0
    """Up to here the log has been gone through."""
    events: int = 0
    """How many are in the target by now."""
    is_begun: bool = False
    """Whatever has the target's name by now, this replay has made it."""
    size: int = 0
    """Of a file, in bytes."""
    ends: Mapping[int, int] = {}
    """Of a topic: the last position in each partition."""
    trouble: str = ""
    """What is waited for, in words."""
    owner: UUID | None = None
    """Who may move it."""


class Marks(Protocol):
    """Where they are kept, beside the log. Every method may raise LogUnavailable."""

    def claim(self, replay: UUID) -> Mark:
        """Become the one who moves it."""

    def move(self, replay: UUID, mark: Mark) -> None:
        """Raises Stopped when somebody else has claimed it."""

    def find(self, replays: Sequence[UUID]) -> Mapping[UUID, Mark]: ...

    def forget(self, replay: UUID) -> None: ...


class Outlet(Protocol):
    """One target while it is written. All but `close` may raise TargetRefused, TargetUnavailable or LogUnavailable."""

    def begin(self) -> None:
        """Look that nothing of this name is there, before anything is made."""

    def open(self, mark: Mark) -> Mark:
        """Make what is missing. Returns from where to go on, which is earlier where the target has lost something."""

    def write(self, events: Sequence[Selected], upto: int, mark: Mark) -> Mark:
        """Returns when they are there for good. What the target has already, after a kill, is not there twice."""

    def finish(self, mark: Mark) -> str:
        """All are there; says where, in words."""

    def close(self) -> None: ...


class Outlets(Protocol):
    """All targets of one kind."""

    def check(self, name: str) -> None:
        """Whether events can be replayed into this. Raises TargetRefused."""

    def outlet(self, replay: Replay) -> Outlet: ...

    def discard(self, replay: Replay, mark: Mark) -> None:
        """Throw away what a replay has made; harmless when it is gone. Raises TargetUnavailable or LogUnavailable."""
