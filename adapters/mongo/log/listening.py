"""Hears at once what this process stores for all, sooner than Kafka can bring it."""

from collections.abc import Callable, Sequence
from threading import Event

from adapters.mongo.commits import envelope
from adapters.mongo.log.journal import Journal
from application.ports.log import Recorded, UnreadableEvent

LOOK_SECONDS = 1.0


class Listening:
    """Whoever hears of it here hears of it by its lane as well, which also brings what other processes store."""

    def __init__(self, journal: Journal, take: Callable[[Sequence[Recorded]], None]) -> None:
        self._journal = journal
        self._take = take
        self._position = 0

    def run(self, stop: Event) -> None:
        """Listen until told to stop."""
        heard = 0
        while not stop.is_set():
            if events := self._new():
                self._take(events)
            heard = self._journal.bell.wait(heard, LOOK_SECONDS)

    def _new(self) -> list[Recorded]:
        """An unreadable event is for others to tell of."""
        events = []
        for position, line in self._journal.recent.since(self._position):
            self._position = position
            try:
                events.append(envelope.decode(position, line.data))
            except UnreadableEvent:
                continue
        return events
