"""The live streams of this process: opening them, reminding them, closing them all."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import msgspec
from quart import Blueprint, Response, current_app, request

from api import sse
from api.backend import Backend, backend, crossing
from api.execution_stream import ExecutionStream, Place, parse_place
from api.executions import check_owner
from api.openapi import Description, describe
from api.ports import Inbox
from api.problems import Problem
from api.sessions import current_account
from application.ports import LogUnavailable
from projections import execution_status
from projections.execution_status import ExecutionStatus

log = logging.getLogger(__name__)

blueprint = Blueprint("live", __name__, url_prefix="/api/v1/events")

ID_MEANING = "The `id:` of the last message you have."
STREAMS_PER_USER = 50
STREAMS_PER_PROCESS = 2000
REMIND_EVERY_SECONDS = 1.0


class StreamMessage(msgspec.Struct, frozen=True):
    """The `data:` of a message of type `output`: frames as [number, stream (1 stdout, 2 stderr), base64].

    Messages of type `requested`, `sandbox_created`, `started`, `cancel_requested` and `finished` carry a timeline
    entry, `result_stored` the run, `problem` the details of why output cannot be read; `reset` means to forget what was
    shown, `close` to come back in a moment.
    """

    frames: list[tuple[int, int, bytes]]


class LiveStreams:
    """All open streams, to count them, to remind them once a second, and to end them."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self._open: dict[ExecutionStream, Inbox] = {}
        self._by_user: Counter[UUID] = Counter()

    def check_room(self, user: UUID) -> None:
        """Raises a Problem with status 429."""
        if self._by_user[user] >= STREAMS_PER_USER or len(self._open) >= STREAMS_PER_PROCESS:
            raise Problem(429, "Too many live streams are open; close one and try again.")

    @contextlib.contextmanager
    def opened(self, user: UUID, stream: ExecutionStream, inbox: Inbox) -> Iterator[None]:
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
        """Once a second, for ever: find the streams that missed something, all of them together."""
        while True:
            await asyncio.sleep(REMIND_EVERY_SECONDS)
            if self._open:
                try:
                    await self._remind(backend)
                except LogUnavailable as error:
                    log.warning("live streams cannot be checked: %s", error)

    async def _remind(self, backend: Backend) -> None:
        wanted = execution_status.several({stream.execution for stream in self._open})
        positions = {run.id: run.position for run in await backend.read_models.find(wanted, ExecutionStatus)}
        for stream, inbox in list(self._open.items()):
            has_moved = positions.get(stream.execution, 0) > stream.place.position
            if has_moved or await backend.bus.frames(stream.execution, stream.place.frame, 1):
                inbox.put(None)


def live_streams() -> LiveStreams:
    found: LiveStreams = current_app.extensions["live_streams"]
    return found


@blueprint.get("/executions/<uuid:id>")
@describe(
    Description(
        {200: StreamMessage},
        (401, 429),
        headers={"Last-Event-ID": ID_MEANING},
        media_type="text/event-stream",
    )
)
async def follow_execution(id: UUID) -> Response:
    """Follow one run as server-sent events, until its result is stored. Resumes after `Last-Event-ID`."""
    account = await current_account()
    check_owner(id, account, await crossing(backend().log.recall_history, id))
    streams = live_streams()
    streams.check_room(account.id)
    last_id = request.headers.get("Last-Event-ID", "")
    response = Response(_follow(streams, backend(), account.id, id, last_id), headers=sse.HEADERS)
    response.timeout = None  # a stream may last longer than any other answer
    return response


async def _follow(
    streams: LiveStreams, backend: Backend, user: UUID, execution: UUID, last_id: str
) -> AsyncIterator[bytes]:
    place = parse_place(last_id)
    if last_id and place is None:
        yield sse.RESET.encode()
    stream = ExecutionStream(backend, execution, place or Place())
    async with backend.bus.subscribe(execution) as inbox:
        with streams.opened(user, stream, inbox):
            async for piece in stream.messages(inbox, streams.closing):
                yield piece.encode()
