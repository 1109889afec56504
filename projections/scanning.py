"""Reading the whole log for several lanes at once, page by page."""

from collections.abc import Iterator, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from application.ports.log import Recorded


class Page(msgspec.Struct, frozen=True):
    """All events of some lanes behind the page before it."""

    upto: int
    """The position up to which the log has been read."""
    events: list[Recorded]
    bytes: int
    """That these events take in the log."""


class Scanning(Protocol):
    """What reads the log in bulk. Every method may raise LogUnavailable."""

    @property
    def lanes(self) -> int: ...

    def head(self) -> int: ...

    def scan(self, lanes: frozenset[int], after: int, upto: int) -> Iterator[Page]:
        """The events of these lanes with positions in (after, upto]; some may be Unreadable."""

    def stream(self, id: UUID) -> Sequence[Recorded]:
        """All events of one stream, in order; some may be Unreadable."""
