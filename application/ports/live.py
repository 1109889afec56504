"""Output on its way to whoever watches."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from application.ports.sandbox import Output


class LiveUnavailable(Exception):
    """Live output cannot be passed on now; nothing of the run is lost, its end stores all of it."""


class FramesMissing(Exception):
    """Frames before these were never written, or were forgotten: write again from the last one that is there."""


class LiveOutput(Protocol):
    """Output on its way to whoever watches, kept until the run's end has stored it for good."""

    def last(self, execution: UUID) -> int:
        """The number of the last frame written; 0 for none. Raises LiveUnavailable."""

    def append(self, execution: UUID, owner: UUID, frames: Sequence[Output]) -> None:
        """Write and announce frames, sealed with the owner's key; those not above the last one are dropped.

        Raises FramesMissing when they do not follow the last one, LiveUnavailable when nothing can be written.
        """

    def expire(self, execution: UUID) -> None:
        """It is stored for good: forget it in a minute."""
