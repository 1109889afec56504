"""The end of a run, waited for by whoever has asked for it."""

import asyncio
import contextlib
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api.backend import Backend
from api.live_streams import LiveStreams
from api.ports import Inbox
from api.views import ExecutionView, status_view
from application.executions import Accepted
from application.frames import STREAMS, decode_frames, one_stream
from application.ports.seals import Seals
from projections import execution_status
from projections.execution_status import FINISHED, ExecutionStatus
from projections.projection import Notice

LOOK_EVERY_SECONDS = 1.0
"""How often the store is asked, should a notice get lost."""
SHOWN_BYTES = 1_000_000


class Result(ExecutionView, frozen=True, kw_only=True):
    """A run that has ended, with what it wrote.

    The output is the first million bytes of each stream, read as UTF-8.
    """

    stdout: str
    stderr: str
    cut: Annotated[
        dict[str, str], Meta(description="Each stream of which this is not all, with the address of all of it.")
    ]


class AcceptedAndEnded(Accepted, frozen=True):
    """The run was accepted, and has ended."""

    result: Result


async def result_within(
    seconds: float, backend: Backend, streams: LiveStreams, user: UUID, execution: UUID
) -> Result | None:
    """None when the run goes on, or this process ends."""
    async with backend.bus.subscribe(execution) as inbox:
        with streams.opened(user, inbox, inbox), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not streams.closing.is_set():
                    if run := await _ended(backend, execution):
                        return await backend.cross(_result, run, backend.seals)
                    await _end_is_heard(inbox)
    return None


async def _ended(backend: Backend, execution: UUID) -> ExecutionStatus | None:
    found = await backend.read_models.find(execution_status.one(execution), ExecutionStatus)
    return next((run for run in found if run.outcome), None)


async def _end_is_heard(inbox: Inbox) -> None:
    """Or it is time to look."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_EVERY_SECONDS):
            while message := await inbox.get():
                if isinstance(message, Notice) and message.kind == FINISHED:
                    return


def _result(run: ExecutionStatus, seals: Seals) -> Result:
    frames = decode_frames(seals.open(run.output)) if run.output else []
    written = {name: one_stream(frames, number) for name, number in STREAMS.items()}
    shown = {name: content[:SHOWN_BYTES].decode(errors="replace") for name, content in written.items()}
    cut = [name for name, content in written.items() if len(content) > SHOWN_BYTES]
    return Result(
        **msgspec.structs.asdict(status_view(run)),
        stdout=shown["stdout"],
        stderr=shown["stderr"],
        cut={name: f"/api/v1/executions/{run.id}/output/{name}" for name in cut},
    )
