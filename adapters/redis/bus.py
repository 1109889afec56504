"""One Redis connection for all live streams of an API process."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from adapters.redis.channels import (
    MOVES,
    PROGRESS,
    LiveFrames,
    Moved,
    Told,
    decode,
    decode_moves,
    notices_of,
    output_of,
)

log = logging.getLogger(__name__)

QUEUE_BYTES = 1024 * 1024
"""What more than this has piled up for a client is dropped; it is told to look into the stores instead."""

SUBSCRIBE_SECONDS = 1.0


class Inbox:
    """What one stream has yet to look at."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[tuple[Told | None, int]] = asyncio.Queue()
        self._size = 0

    def put(self, message: Told | None, size: int = 0) -> None:
        """None wakes the reader up, to look for itself."""
        if self._size + size > QUEUE_BYTES:
            while not self._messages.empty():
                self._messages.get_nowait()
            self._size, size, message = 0, 0, None
        self._size += size
        self._messages.put_nowait((message, size))

    async def get(self) -> Told | None:
        message, size = await self._messages.get()
        self._size -= size
        return message


class RedisBus:
    """Hands what Redis publishes to the streams of this process that asked for it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pubsub: PubSub = redis.pubsub()
        self._inboxes: dict[str, set[Inbox]] = defaultdict(set)
        self._confirmed: dict[str, asyncio.Event] = {}
        self._is_connected = asyncio.Event()
        self._moved: dict[tuple[str, int, int], int] = {}
        """By projection, generation and lane: how far it has come, as last heard."""
        self._has_moved = asyncio.Event()
        self._watched: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Read for ever. The library connects and subscribes again by itself; what was missed is asked from the log."""
        is_told = False
        while True:
            try:
                await self._pubsub.subscribe(MOVES, *self._inboxes)  # also who came while Redis was away
                self._is_connected.set()
                is_told = False
                async for message in self._pubsub.listen():
                    self._hand_over(message)
            except (RedisError, OSError) as error:
                if not is_told:
                    log.warning("live updates wait for Redis: %s", error)
                is_told = True
                await asyncio.sleep(0.5)

    @contextlib.asynccontextmanager
    async def subscribe(self, execution: UUID) -> AsyncIterator[Inbox]:
        """An inbox that misses nothing published from now on, as long as Redis stays."""
        async with self._subscribed([notices_of(execution), output_of(execution)]) as inbox:
            yield inbox

    @contextlib.asynccontextmanager
    async def progress(self) -> AsyncIterator[Inbox]:
        """What is told of long work."""
        async with self._subscribed([PROGRESS]) as inbox:
            yield inbox

    @contextlib.asynccontextmanager
    async def _subscribed(self, channels: Sequence[str]) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        for channel in channels:
            self._inboxes[channel].add(inbox)
        try:
            await self._listen_to(channels)
            yield inbox
        finally:
            await self._leave(channels, inbox)

    async def _listen_to(self, channels: Sequence[str]) -> None:
        confirmed = [self._confirmed.setdefault(channel, asyncio.Event()) for channel in channels]
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await self._is_connected.wait()
                await self._pubsub.subscribe(*channels)
                await asyncio.gather(*(event.wait() for event in confirmed))
        except (TimeoutError, RedisError, OSError) as error:
            log.warning("streaming without Redis for now: %s", str(error) or "no answer")

    async def _leave(self, channels: Sequence[str], inbox: Inbox) -> None:
        for channel in channels:
            self._inboxes[channel].discard(inbox)
        empty = [channel for channel in channels if not self._inboxes[channel]]
        for channel in empty:
            del self._inboxes[channel]
            self._confirmed.pop(channel, None)
        if empty:
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(*empty)

    def _hand_over(self, message: dict[str, object]) -> None:
        channel = bytes(message["channel"]).decode()  # type: ignore[call-overload]
        if message["type"] == "subscribe" and channel in self._confirmed:
            self._confirmed[channel].set()
        data = message["data"]
        if message["type"] != "message" or not isinstance(data, bytes):
            return
        if channel == MOVES:
            self._note(decode_moves(data))
        else:
            decoded = decode(channel, data)
            for inbox in self._inboxes.get(channel, ()):
                inbox.put(decoded, len(data))

    def _note(self, moves: Sequence[Moved]) -> None:
        for projection in {moved.projection for moved in moves} & self._watched.keys():
            self._watched[projection].set()
        self._moved |= {(moved.projection, moved.generation, moved.lane): moved.position for moved in moves}
        self._has_moved.set()
        self._has_moved = asyncio.Event()

    def moves_of(self, projection: str) -> asyncio.Event:
        """Set each time that it is heard that a read model has moved."""
        return self._watched.setdefault(projection, asyncio.Event())

    async def moved(self, projection: str, generation: int, lane: int, position: int) -> None:
        """Wait until it is heard that a read model has come to a position; a notice that gets lost is not heard."""
        while self._moved.get((projection, generation, lane), 0) < position:
            await self._has_moved.wait()

    async def frames(self, execution: UUID, after: int, limit: int) -> list[LiveFrames]:
        """The next pieces above a frame number, still sealed; empty when Redis has none or is away."""
        stream = output_of(execution)
        try:
            entries: Any = await self._redis.xrange(stream, f"({after}-0", "+", limit)
        except (RedisError, OSError):
            return []
        decoded = (decode(stream, fields[b"m"]) for _, fields in entries)
        return [message for message in decoded if isinstance(message, LiveFrames)]
