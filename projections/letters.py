"""Dead letters: events that a projection could not fold, and those of the same stream that wait behind them."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from application.ports.log import Recorded

LINES = 5
"""How many of the innermost code lines tell where it went wrong."""


class Trouble(msgspec.Struct, frozen=True):
    """Why an event could not be folded. The exception's message is left out, because it may quote private content.

    Whoever may see that can fold the event again.
    """

    error: str
    """The type of the exception."""
    lines: tuple[str, ...]
    """Code lines, the innermost last, as `module.py:12 function`. They hold nothing private."""

    @classmethod
    def of(cls, error: BaseException) -> "Trouble":
        frames = traceback.extract_tb(error.__traceback__)[-LINES:]
        lines = tuple(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        return cls(type(error).__name__, lines)


class Letter(msgspec.Struct, frozen=True):
    """One parked event. Without `trouble` it only waits for one before it."""

    position: int
    stream: UUID
    version: int
    type: str
    event: UUID
    trouble: Trouble | None = None


def letter(event: Recorded, trouble: Trouble | None = None) -> Letter:
    return Letter(event.position, event.stream, event.version, event.type, event.id, trouble)


def causes(letters: Sequence[Letter]) -> Sequence[Letter]:
    """Those that the others wait for."""
    return [one for one in letters if one.trouble is not None]
