"""A run's output on this terminal, live and to the byte."""

import asyncio
import signal
import sys
from uuid import UUID, uuid4

from api.backend import Backend
from api.execution_stream import ExecutionStream, Place
from api.ports import Inbox
from api.sse import Message
from api.views import ExecutionView
from application.ports import STDERR, STDOUT, Context
from domain.execution import ExecutionEnded, Status
from ops.cli.output import NOT_RUN, print_json

TIMED_OUT, KILLED = 124, 137


class Terminal:
    """Shows what a run writes; with `as_json` keeps it for the one object at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._written: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}

    def show(self, message: Message) -> None:
        for _, stream, data in message.data["frames"]:
            if self._as_json:
                self._written[stream].append(data)
            else:
                self._write(stream, data)

    def _write(self, stream: int, data: bytes) -> None:
        target = sys.stdout.buffer if stream == STDOUT else sys.stderr.buffer
        target.write(data)
        target.flush()

    def finish(self, run: ExecutionView) -> int:
        """Returns the exit code for this command; says on stderr why when it is not the script's own."""
        if self._as_json:
            fields = {name: getattr(run, name) for name in run.__struct_fields__}
            print_json({**fields, "stdout": self._text(STDOUT), "stderr": self._text(STDERR)})
        elif run.exit_code is None or run.status not in {Status.SUCCEEDED, Status.FAILED}:
            sys.stderr.write(f"runledger: {run.status.value}: {run.reason}\n")
        return exit_code(run)

    def _text(self, stream: int) -> str:
        return b"".join(self._written[stream]).decode(errors="replace")


def exit_code(run: ExecutionView) -> int:
    """The script's own code; 128 + signal as a shell has it; 124 timed out, 137 killed, 125 not run."""
    match run.status:
        case Status.SUCCEEDED | Status.FAILED if run.exit_code is not None:
            return run.exit_code
        case Status.FAILED if run.signal is not None:
            return 128 + run.signal
        case Status.TIMED_OUT:
            return TIMED_OUT
        case Status.OUT_OF_MEMORY | Status.OUTPUT_LIMIT | Status.CANCELLED:
            return KILLED
    return NOT_RUN


async def follow(backend: Backend, execution: UUID, as_json: bool) -> int:
    """Show a run until its result is stored. Ctrl-C asks it to end. Returns the exit code."""
    terminal = Terminal(as_json)
    interrupted = lambda: asyncio.ensure_future(_cancel(backend, execution))  # noqa: E731
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    hearing = asyncio.ensure_future(backend.bus.run())
    try:
        return await _show(backend, ExecutionStream(backend, execution, Place()), terminal)
    finally:
        hearing.cancel()


async def _show(backend: Backend, stream: ExecutionStream, terminal: Terminal) -> int:
    async with backend.bus.subscribe(stream.execution) as inbox:
        reminding = asyncio.ensure_future(_remind(inbox))
        try:
            async for message in stream.messages(inbox, asyncio.Event()):
                if message.event == "output":
                    terminal.show(message)
                elif message.event == "result_stored":
                    return terminal.finish(message.data)
        finally:
            reminding.cancel()
    return NOT_RUN


async def _remind(inbox: Inbox) -> None:
    """Notices may get lost: look at the stores once a second."""
    while True:
        await asyncio.sleep(1.0)
        inbox.put(None)


async def _cancel(backend: Backend, execution: UUID) -> None:
    context = Context("operator", backend.clock.now(), uuid4())
    try:
        await backend.cross(backend.executions.cancel, context, execution)
    except ExecutionEnded:
        return
