"""Server-sent events: one run, what is one's own, and everything for admins."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
from quart import Blueprint, Response, request

from api import sse
from api.backend import Backend
from api.crossing import backend, crossing
from api.execution_stream import ExecutionStream, Place, parse_place
from api.executions import check_owner
from api.feed_stream import FeedStream
from api.feeds import AdminMessage, MeMessage
from api.live_feeds import LiveFeed, live_feeds
from api.live_streams import LiveStreams, live_streams
from api.openapi import Description, describe
from api.sessions import current_account, current_admin

blueprint = Blueprint("live", __name__, url_prefix="/api/v1/events")

RESUMES = {"Last-Event-ID": "The `id:` of the last message you have."}


class StreamMessage(msgspec.Struct, frozen=True):
    """The `data:` of a message of type `output`: frames as [number, stream (1 stdout, 2 stderr), base64].

    Messages of type `requested`, `sandbox_created`, `started`, `cancel_requested` and `finished` carry a timeline
    entry, `result_stored` the run, `problem` the details of why output cannot be read; `reset` means to forget what was
    shown, `close` to come back in a moment.
    """

    frames: list[tuple[int, int, bytes]]


@blueprint.get("/executions/<uuid:id>")
@describe(Description({200: StreamMessage}, (401, 429), headers=RESUMES, media_type=sse.TYPE))
async def follow_execution(id: UUID) -> Response:
    """Follow one run as server-sent events, until its result is stored. Resumes after `Last-Event-ID`."""
    account = await current_account()
    check_owner(id, account, await crossing(backend().log.recall_history, id))
    streams = live_streams()
    streams.check_room(account.id)
    return _streaming(_follow(streams, backend(), account.id, id, _last_id()))


@blueprint.get("/me")
@describe(Description({200: MeMessage}, (401, 429), headers=RESUMES, media_type=sse.TYPE))
async def follow_me() -> Response:
    """Follow what is yours as server-sent events: your runs. Begins now, or after `Last-Event-ID`."""
    account = await current_account()
    return _following(live_feeds().me, account.id)


@blueprint.get("/admin")
@describe(Description({200: AdminMessage}, (401, 403, 429), headers=RESUMES, media_type=sse.TYPE))
async def follow_everything() -> Response:
    """Follow every event and the progress of long work, as an admin. Begins now, or after `Last-Event-ID`."""
    account = await current_admin()
    return _following(live_feeds().admin, account.id)


def _last_id() -> str:
    return request.headers.get("Last-Event-ID", "")


def _following(live: LiveFeed, user: UUID) -> Response:
    streams = live_streams()
    streams.check_room(user)
    return _streaming(_follow_feed(streams, backend(), live, FeedStream(live.feed, user, _last_id())))


def _streaming(messages: AsyncIterator[bytes]) -> Response:
    response = Response(messages, headers=sse.HEADERS)
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


async def _follow_feed(
    streams: LiveStreams, backend: Backend, live: LiveFeed, stream: FeedStream
) -> AsyncIterator[bytes]:
    with streams.opened(stream.user, stream, stream):
        missed = await stream.begin(backend)
        with live.joined(stream):
            for message in missed:
                yield message.encode()
            async for message in stream.live(streams.closing):
                yield message.encode()
