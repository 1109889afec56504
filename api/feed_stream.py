"""The changes of one feed as a live stream: each once, in the order of its lane, from wherever the client stopped."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from uuid import UUID

from api.backend import Backend
from api.feeds import Change, Feed, Place, can_be_served, reached, read
from api.sse import CLOSE, HEARTBEAT, RESET, Message, or_heartbeat

QUEUE_BYTES = 1024 * 1024
"""More than this does not wait for a client: its connection is closed, and it resumes by its last id."""

_ID = re.compile(r"\d{1,18}(-\d{1,18})*")


def id_of(place: Place) -> str:
    return "-".join(str(place[lane]) for lane in sorted(place))


def parse_place(id: str) -> Place | None:
    """The place that an `id:` of ours names; None for anything else."""
    return dict(enumerate(map(int, id.split("-")))) if _ID.fullmatch(id) else None


class FeedStream:
    """What one client gets."""

    def __init__(self, feed: Feed, user: UUID, last_id: str) -> None:
        self.user = user
        self.handed: Place = {}
        """Up to here everything has been put on its way."""
        self._feed = feed
        self._last_id = last_id
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue()
        self._size = 0
        self._task: asyncio.Task[object] | None = None

    async def begin(self, backend: Backend) -> Sequence[Message]:
        """What the store holds beyond the client's place; without a place, where the stream begins."""
        self._task = asyncio.current_task()
        upto, place = await reached(backend, self._feed), parse_place(self._last_id)
        self.handed = upto
        if place and can_be_served(place, upto):
            return list(_messages(await read(backend, self._feed, place, upto, {self.user}), place))
        start = Message("start", {"position": max(upto.values(), default=0)}, id_of(upto))
        return [RESET, start] if self._last_id else [start]

    async def live(self, closing: asyncio.Event) -> AsyncIterator[Message]:
        """What is handed to it, until the process ends."""
        while not closing.is_set():
            message = await or_heartbeat(self._waiting.get())
            if message is HEARTBEAT and self._waiting.empty():
                yield Message(id=id_of(self.handed))  # so that whoever comes back has little to catch up with
            elif message:
                self._size -= message.size
                yield message
        yield CLOSE

    def hand(self, changes: Iterable[Change], upto: Place) -> None:
        """All changes up to there, of which some are new and its own."""
        own = [one for one in changes if one.position > self.handed[one.lane] and one.owner in {None, self.user}]
        for message in _messages(own, self.handed):
            self.put(message)
        self.handed = {lane: max(position, self.handed[lane]) for lane, position in upto.items()}

    def put(self, message: Message | None) -> None:
        """None only wakes it up."""
        size = message.size if message else 0
        if self._size + size > QUEUE_BYTES:
            self._close()
        else:
            self._size += size
            self._waiting.put_nowait(message)

    def _close(self) -> None:
        """The client does not read, so it cannot be told either."""
        self._waiting = asyncio.Queue()
        if self._task:
            self._task.cancel()


def _messages(changes: Iterable[Change], place: Place) -> Iterator[Message]:
    """With the id that is behind each."""
    behind = dict(place)
    for change in changes:
        behind[change.lane] = change.position
        yield Message(change.kind, change.data, id_of(behind))
