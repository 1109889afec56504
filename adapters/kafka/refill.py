"""Asks the active relay to send the log to Kafka again, which may have lost it.

The request stands in the lease's document until the next one replaces it: whoever holds the lease now, or takes it
after him, finds it there. In its own state the relay writes down which request it has taken up.
"""

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import msgspec
from pymongo.database import Database

from adapters.kafka.progress import ROLE, Progress
from adapters.mongo import leases
from adapters.mongo.leases import TERM_SECONDS, Seen

LOOK_SECONDS = 0.2
SILENCE_SECONDS = 2 * TERM_SECONDS
"""So long nobody renews the lease only where nobody has it: a killed relay is replaced after one term."""


class NoRelay(Exception):
    """No relay is active. Start one: `runledger up`, or `runledger worker relay`."""


class RequestLost(Exception):
    """The relay's lease was lost with the request in it. Ask again."""


class Request(msgspec.Struct, frozen=True):
    """To send everything from the position `first` on again."""

    number: int
    first: int


def ask(database: Database[dict[str, Any]], first: int) -> int:
    """Returns the request's number. It includes one that nobody has taken up yet.

    Raises NoRelay where none was ever active.
    """
    while seen := leases.look(database, ROLE):
        request = _following(seen, first)
        if leases.ask(database, ROLE, msgspec.to_builtins(request), instead_of=seen.asked):
            return request.number
    raise NoRelay(NoRelay.__doc__)


def _following(seen: Seen, first: int) -> Request:
    taken = _taken(_progress(seen))
    waiting = _asked(seen)
    if waiting and waiting.number > taken:
        return Request(waiting.number + 1, min(waiting.first, first))
    return Request(taken + 1, first)


def follow(database: Database[dict[str, Any]], number: int) -> Iterator[Progress]:
    """The relay's progress now and then, from when it has taken this request up until it is done.

    Raises NoRelay, with the request still standing, and RequestLost.
    """
    silence = _Silence()
    while True:
        seen = leases.look(database, ROLE)
        if seen is None or not (request := _asked(seen)) or request.number < number:
            raise RequestLost(RequestLost.__doc__)
        found = _progress(seen)
        yield found
        if _taken(found) >= number and not found.is_refilling:
            return
        silence.hear(seen)
        sleep(LOOK_SECONDS)


class _Silence:
    """How long nobody has renewed the lease, by this process's own clock."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._since = monotonic()

    def hear(self, seen: Seen) -> None:
        """Raises NoRelay."""
        if (seen.epoch, seen.beat) != self._last:
            self._last, self._since = (seen.epoch, seen.beat), monotonic()
        if monotonic() > self._since + SILENCE_SECONDS:
            raise NoRelay(f"{NoRelay.__doc__} It takes the request up, which stays where it is.")


def _asked(seen: Seen) -> Request | None:
    return msgspec.convert(seen.asked, Request) if seen.asked else None


def _progress(seen: Seen) -> Progress:
    return msgspec.convert(seen.state, Progress)


def _taken(progress: Progress) -> int:
    return progress.refill.number if progress.refill else 0
