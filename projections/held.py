"""Events that wait a moment for company, on their way to projections that nobody waits for."""

import time
from collections.abc import Iterable, Mapping

from application.ports.log import Recorded
from projections.storing import Events

HELD_SECONDS = 0.1
MOST_HELD = 500
"""So many do not wait any longer."""


class Held:
    """By lane, in order; and where each lane stood before them."""

    def __init__(self) -> None:
        self._events: dict[int, list[Recorded]] = {}
        self._before: dict[int, int] = {}
        self._due_at = float("inf")

    def add(self, events: Events, delivered: Mapping[int, int]) -> None:
        if events and not self._events:
            self._due_at = time.monotonic() + HELD_SECONDS
        for lane, of_lane in events.items():
            self._before.setdefault(lane, delivered[lane])
            self._events.setdefault(lane, []).extend(of_lane)

    @property
    def lanes(self) -> Iterable[int]:
        return self._events.keys()

    def before(self, lane: int) -> int | None:
        """The position up to which nothing is held; None where all was handed on."""
        return self._before.get(lane)

    @property
    def seconds_left(self) -> float:
        if sum(map(len, self._events.values())) >= MOST_HELD:
            return 0.0
        return max(0.0, self._due_at - time.monotonic())

    def take(self) -> Events:
        """All of them; none is held any more."""
        taken, self._events, self._before, self._due_at = self._events, {}, {}, float("inf")
        return taken

    def forget(self, lane: int) -> None:
        """It is delivered anew."""
        self._events.pop(lane, None)
        self._before.pop(lane, None)
