"""The streams that this process has seen last, in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock
from uuid import UUID

from application.ports.log import Recorded, Unreadable

MAX_STREAMS = 1_024


class Memory:
    """Each stream from its first event on, as far as it was seen here; the one seen longest ago is forgotten first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[UUID, list[Recorded]] = OrderedDict()
        self._lock = Lock()

    def add(self, events: Iterable[Recorded]) -> None:
        """Of a stream whose beginning was not seen, with a hole, or with an unreadable event, nothing is kept."""
        with self._lock:
            for event in events:
                self._add(event)
            while len(self._streams) > MAX_STREAMS:
                self._streams.popitem(last=False)

    def _add(self, event: Recorded) -> None:
        known = self._streams.setdefault(event.stream, [])
        if isinstance(event.data, Unreadable) or event.version > len(known) + 1:
            del self._streams[event.stream]  # its beginning must not be taken for all of it
        elif event.version == len(known) + 1:
            known.append(event)
            self._streams.move_to_end(event.stream)

    def forget(self, stream: UUID) -> None:
        with self._lock:
            self._streams.pop(stream, None)

    def get(self, stream: UUID) -> Sequence[Recorded]:
        """Empty when it is not known."""
        with self._lock:
            return list(self._streams.get(stream, ()))


class OwnLanes:
    """The lanes of this process's last commits, by their last positions: whoever waits for one asks for its lane."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[int, int] = OrderedDict()
        self._lock = Lock()

    def put(self, position: int, lane: int) -> None:
        with self._lock:
            self._lanes[position] = lane
            while len(self._lanes) > MAX_STREAMS:
                self._lanes.popitem(last=False)

    def get(self, position: int) -> int | None:
        return self._lanes.get(position)
