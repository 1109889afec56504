"""Running scripts: request, look, list, cancel, repeat, download."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response, request

from api.crossing import backend, crossing
from api.live_streams import live_streams
from api.messages import Fresh, Nothing, PageQuery, answer, body, optional_body, query
from api.openapi import Description, describe
from api.problems import Problem
from api.results import AcceptedAndEnded, result_within
from api.runs import past_of, status_of
from api.sessions import context, current_account
from api.views import Cancelled, ExecutionDetail, ExecutionPage, Timeline, detail_view, item_view, title_of
from api.waiting import until
from application import environment
from application.accounts import Account
from application.executions import Accepted
from application.frames import STREAMS, decode_frames, one_stream
from application.moments import position_of
from application.ports.log import LAST_POSITION, Recorded, StreamNotFound
from application.ports.seals import ContentUnreadable, Erased, Seals
from application.run_requests import RunRequest
from domain.execution import Execution
from domain.sealed import Sealed
from domain.user import Role
from projections import execution_history, execution_status
from projections.execution_history import ExecutionRow
from projections.execution_status import ExecutionStatus, timeline_entry

blueprint = Blueprint("executions", __name__, url_prefix="/api/v1")

EXAMPLE = {"language": "python", "script": "print(input())", "stdin": "hello"}
KEY_MEANING = "Any text of yours: with the same one the same request is accepted once."


class ShowQuery(Fresh, frozen=True, forbid_unknown_fields=True):
    at_position: Annotated[int, Meta(ge=1, le=LAST_POSITION)] | None = None
    at_time: Annotated[datetime, Meta(tz=True)] | None = None

    def __post_init__(self) -> None:
        if self.min_position and (self.at_position or self.at_time):
            raise ValueError("`min_position` waits for the present; leave it out when you ask for the past")


class ExecuteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[float, Meta(ge=0, le=60, description="For how many seconds the end is waited for.")] = 0


@blueprint.post("/execute")
@describe(
    Description(
        {200: AcceptedAndEnded, 202: Accepted},
        (401, 410, 429),
        body=RunRequest,
        example=EXAMPLE,
        query=ExecuteQuery,
        headers={"Idempotency-Key": KEY_MEANING},
    )
)
async def execute() -> Response:
    """Accept a run. With an `Idempotency-Key` the same request is accepted once, however often it is sent.

    With `wait` the answer is the result with status 200, where the run ends in time; else it is as without.
    """
    account = await current_account()
    seconds = query(ExecuteQuery).wait
    wanted = await body(RunRequest)
    if seconds:
        live_streams().check_room(account.id)
    key = request.headers.get("Idempotency-Key")
    accepted = await crossing(backend().executions.request, context(account.id), account.id, wanted, key)
    result = seconds and await result_within(seconds, backend(), live_streams(), account.id, accepted.execution_id)
    if not result:
        return answer(accepted, 202)
    return answer(AcceptedAndEnded(accepted.execution_id, accepted.position, result))


@blueprint.get("/executions")
@describe(Description({200: ExecutionPage}, (401,), query=PageQuery))
async def list_executions() -> Response:
    """Your runs, newest first."""
    account = await current_account()
    wanted = query(PageQuery)
    for projection in ("execution_history", "execution_status"):
        await until(backend(), projection, wanted.min_position)
    page = execution_history.page(account.id, int(wanted.cursor) if wanted.cursor else None, wanted.limit + 1)
    rows = await backend().read_models.find(page, ExecutionRow)
    shown = rows[: wanted.limit]
    next = str(shown[-1].requested_position) if len(rows) > wanted.limit else None
    titles = await _titles([row.id for row in shown])
    return answer(ExecutionPage([item_view(row, titles.get(row.id)) for row in shown], next))


@blueprint.get("/executions/<uuid:id>")
@describe(Description({200: ExecutionDetail}, (401, 410), query=ShowQuery))
async def show_execution(id: UUID) -> Response:
    """One run, with its script and stdin: as it is, or as it was at a position of the log or at a time."""
    wanted = query(ShowQuery)
    events = await own_events(id, await current_account())
    moment = await crossing(position_of, backend().ledger, wanted.at_position, wanted.at_time)
    if moment is None:
        run = await status_of(backend(), id, events[-1].position, wanted.min_position)
    else:
        run = await past_of(backend(), id, moment)
    return answer(detail_view(run, *await crossing(_contents, backend().seals, run)))


@blueprint.get("/executions/<uuid:id>/events")
@describe(Description({200: Timeline}, (401,)))
async def list_events(id: UUID) -> Response:
    """What happened to a run, in order."""
    events = await own_events(id, await current_account())
    return answer(Timeline([timeline_entry(event) for event in events]))


@blueprint.get("/executions/<uuid:id>/output/<stream>")
@describe(Description({200: bytes}, (401, 409, 410), media_type="application/octet-stream"))
async def download_output(id: UUID, stream: str) -> Response:
    """All that an ended run wrote to stdout or stderr, byte by byte."""
    if stream not in STREAMS:
        raise Problem(404, "A run has two outputs: stdout and stderr.")
    events = await own_events(id, await current_account())
    finished = events[-1].data
    if not isinstance(finished, Execution.Finished):
        raise Problem(409, "The run has not ended yet; follow it at /api/v1/events/executions/{id}.")
    content = await crossing(output_of, finished, backend().seals, STREAMS[stream])
    disposition = f'attachment; filename="{id}.{stream}.txt"'
    return Response(
        content,
        content_type="application/octet-stream",
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )


@blueprint.post("/executions/<uuid:id>/cancel")
@describe(Description({202: Cancelled}, (401,), body=Nothing, has_optional_body=True, example={}))
async def cancel_execution(id: UUID) -> Response:
    """Ask a run to end; its sandbox is gone within a second."""
    account = await current_account()
    await optional_body(Nothing)
    await own_events(id, account)
    position = await crossing(backend().executions.cancel, context(account.id), id)
    return answer(Cancelled(position), 202)


@blueprint.post("/executions/<uuid:id>/retry")
@describe(
    Description(
        {202: Accepted},
        (401, 410),
        body=Nothing,
        has_optional_body=True,
        example={},
        headers={"Idempotency-Key": KEY_MEANING},
    )
)
async def retry_execution(id: UUID) -> Response:
    """Run again what an ended run has run. The new run belongs to whom the old one did, and names it in `retry_of`."""
    account = await current_account()
    await optional_body(Nothing)
    await own_events(id, account)
    key = request.headers.get("Idempotency-Key")
    return answer(await crossing(backend().executions.retry, context(account.id), id, key), 202)


async def own_events(id: UUID, account: Account) -> Sequence[Recorded]:
    """The events of a run that this account may see. Raises StreamNotFound for all others, there or not."""
    events = await crossing(backend().log.history, id)
    check_owner(id, account, events)
    return events


def check_owner(id: UUID, account: Account, events: Sequence[Recorded]) -> None:
    """Raises StreamNotFound where these are no events of a run that this account may see."""
    if not events or not isinstance(events[0].data, Execution.Requested):
        raise StreamNotFound(f"There is no run {id}.")
    if events[0].data.owner != account.id and account.role is not Role.ADMIN:
        raise StreamNotFound(f"There is no run {id}.")


async def _titles(ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """What the owner of these runs tells them apart by."""
    runs = await backend().read_models.find(execution_status.several(ids), ExecutionStatus)
    seals = backend().seals
    titles = await crossing(lambda: [_title(seals, run.script) for run in runs])
    return dict(zip((run.id for run in runs), titles, strict=True))


def _title(seals: Seals, script: Sealed[str]) -> str | None:
    try:
        return title_of(seals.open(script).decode())
    except (ContentUnreadable, Erased):
        return None


def _contents(seals: Seals, run: ExecutionStatus) -> tuple[str, str, dict[str, str]]:
    """Script, stdin and variables."""
    stdin = seals.open(run.stdin).decode(errors="replace") if run.stdin else ""
    env = environment.decode(seals.open(run.environment)) if run.environment else {}
    return seals.open(run.script).decode(), stdin, env


def output_of(finished: Execution.Finished, seals: Seals, stream: int) -> bytes:
    """All that an ended run wrote to one of its streams. Raises Erased or ContentUnreadable."""
    return one_stream(decode_frames(seals.open(finished.output)), stream) if finished.output else b""
