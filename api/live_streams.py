"""The live streams of this process: counting them, reminding those of runs, closing them all."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Protocol
from uuid import UUID

from quart import current_app

from api.backend import Backend
from api.execution_stream import ExecutionStream
from api.problems import Problem
from application.ports.log import LogUnavailable
from projections import execution_status
from projections.execution_status import ExecutionStatus

log = logging.getLogger(__name__)

STREAMS_PER_USER = 50
STREAMS_PER_PROCESS = 2000
REMIND_EVERY_SECONDS = 1.0


class Wakes(Protocol):
    def put(self, message: None) -> None:
        """Wake the stream up."""


class LiveStreams:
    """All open streams, to count them, to remind them once a second, and to end them."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self._open: dict[object, Wakes] = {}
        self._by_user: Counter[UUID] = Counter()

    def check_room(self, user: UUID) -> None:
        """Raises a Problem with status 429."""
        if self._by_user[user] >= STREAMS_PER_USER or len(self._open) >= STREAMS_PER_PROCESS:
            raise Problem(429, "Too many live streams are open; close one and try again.")

    @contextlib.contextmanager
    def opened(self, user: UUID, stream: object, inbox: Wakes) -> Iterator[None]:
        self._open[stream] = inbox
        self._by_user[user] += 1
        try:
            yield
        finally:
            del self._open[stream]
            self._by_user[user] -= 1

    def close(self) -> None:
        """End every stream; the clients come back by themselves."""
        self.closing.set()
        for inbox in self._open.values():
            inbox.put(None)

    async def remind(self, backend: Backend) -> None:
        """Once a second, for ever: find the runs whose streams missed something, all of them together."""
        while True:
            await asyncio.sleep(REMIND_EVERY_SECONDS)
            if self._open:
                try:
                    await self._remind(backend)
                except LogUnavailable as error:
                    log.warning("live streams cannot be checked: %s", error)

    async def _remind(self, backend: Backend) -> None:
        streams = [(stream, inbox) for stream, inbox in self._open.items() if isinstance(stream, ExecutionStream)]
        wanted = execution_status.several({stream.execution for stream, _ in streams})
        positions = {run.id: run.position for run in await backend.read_models.find(wanted, ExecutionStatus)}
        for stream, inbox in streams:
            has_moved = positions.get(stream.execution, 0) > stream.place.position
            if has_moved or await backend.bus.frames(stream.execution, stream.place.frame, 1):
                inbox.put(None)


def live_streams() -> LiveStreams:
    found: LiveStreams = current_app.extensions["live_streams"]
    return found
