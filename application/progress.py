"""How far long work is, for whoever waits for it."""

from collections.abc import Callable
from typing import Protocol

import msgspec

Tell = Callable[[int, int], None]
"""Is told how many of how many positions are done."""


def tell_nobody(_done: int, _total: int) -> None:
    """For whoever does not ask how far it is."""


class Reached(msgspec.Struct, frozen=True):
    """How far some work is: `upto` of `of` positions, or of events."""

    kind: str
    """`rebuild`, `roll_back` or `verify`, in positions; `replay`, in events."""
    name: str
    """Of the read model, or the replay's id."""
    upto: int
    of: int


class Progress(Protocol):
    def tell(self, kind: str, name: str, upto: int, of: int) -> None:
        """Say how far some work is. Best effort, and never an error; it goes back where work begins anew.

        What came of it is an event in the log.
        """
