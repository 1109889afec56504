"""Handing what is new in a feed to all its streams of this process: one read for all of them."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import cast

import msgspec
from quart import current_app

from api.backend import Backend
from api.feed_stream import FeedStream
from api.feeds import AdminFeed, Feed, MeFeed, reached, read
from api.live_streams import REMIND_EVERY_SECONDS
from api.sse import Message
from application.ports.log import LogUnavailable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.02
"""Between two reads, so that many commits make few of them."""


class LiveFeed:
    """One feed, and who follows it here."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._streams: set[FeedStream] = set()

    @contextlib.contextmanager
    def joined(self, stream: FeedStream) -> Iterator[None]:
        """While inside, everything behind what the stream was handed is handed to it."""
        self._streams.add(stream)
        try:
            yield
        finally:
            self._streams.discard(stream)

    def tell(self, message: Message) -> None:
        """Something that is in no store, so that nobody hears it later."""
        for stream in self._streams:
            stream.put(message)

    async def run(self, backend: Backend) -> None:
        """For ever: look when Redis says that the feed has moved, and once a second for what it did not say."""
        moved = backend.bus.moves_of(self.feed.projection)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REMIND_EVERY_SECONDS):
                    await moved.wait()
            moved.clear()
            try:
                await self._hand_out(backend)
            except LogUnavailable as error:
                log.warning("%s cannot be read: %s", self.feed.projection, error)
            except Exception:
                log.exception("%s cannot be handed out; it is tried again", self.feed.projection)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _hand_out(self, backend: Backend) -> None:
        """Whoever joins meanwhile has read for himself, and gets the rest the next time."""
        if not self._streams:
            return
        upto = await reached(backend, self.feed)
        streams = [stream for stream in self._streams if stream.handed.keys() == upto.keys()]
        if not streams:
            return  # this generation is being dropped, and another is live
        after = {lane: min(stream.handed[lane] for stream in streams) for lane in upto}
        changes = await read(backend, self.feed, after, upto, {stream.user for stream in streams})
        for stream in streams:
            stream.hand(changes, upto)


class LiveFeeds:
    """Both of them."""

    def __init__(self) -> None:
        self.me = LiveFeed(MeFeed())
        self.admin = LiveFeed(AdminFeed())

    async def hear_progress(self, backend: Backend) -> None:
        """For ever: tell admins how far long work is."""
        async with backend.bus.progress() as inbox:
            while True:
                if reached := await inbox.get():
                    self.admin.tell(Message("progress", msgspec.Raw(msgspec.json.encode(reached))))


def live_feeds() -> LiveFeeds:
    return cast("LiveFeeds", current_app.extensions["live_feeds"])
