"""A run's output on this terminal, live and to the byte."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO
from uuid import UUID, uuid4

from api.backend import Backend
from api.execution_stream import ExecutionStream, Place
from api.ports import Inbox
from api.sse import Message
from api.views import ExecutionView
from application.ports.log import Context, LogUnavailable
from application.ports.sandbox import STDERR, STDOUT
from domain.execution import ExecutionEnded, Status
from ops.cli.live_input import LiveInput
from ops.cli.output import CUT, NOT_RUN, Failed, close, print_json, say

TIMED_OUT, KILLED = 124, 137
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAVE_SECONDS = 10.0
"""How long a run that was asked to end is waited for: far longer than an end takes while everything works."""


class Interruption:
    """What ends this command early: a signal, or output that cannot be written. It asks the run to end, too.

    The run's end is waited for and told; a second signal leaves at once. `code` is then this command's exit code.
    """

    def __init__(self, backend: Backend) -> None:
        self.code: int | None = None
        self.execution: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        self._backend = backend

    def listen(self) -> None:
        """To the signals; one that whoever started this command ignores (`nohup`) stays ignored."""
        for number in ENDS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._hear, number)

    def _hear(self, number: signal.Signals) -> None:
        if self.code is None:
            self.begin(number.name, 128 + number)
            return
        say("runledger: left before the run's end was known; `runledger executions list` tells it")
        os._exit(128 + number)

    def begin(self, why: str, code: int) -> None:
        """Nothing, where it has begun already."""
        if self.code is None:
            self.code = code
            self._ending = asyncio.ensure_future(self._end(why, code))

    async def _end(self, why: str, code: int) -> None:
        execution = await self.execution
        say(f"runledger: {why}: run {execution} is asked to end")
        try:
            await self._backend.cross(self._backend.executions.cancel, self._context(), execution)
        except ExecutionEnded:
            return  # the stream tells how
        except LogUnavailable as problem:
            say(f"runledger: the run may go on: {problem} Cancel it with `runledger executions cancel {execution}`.")
            os._exit(code)
        await asyncio.sleep(LEAVE_SECONDS)
        say(f"runledger: the run has not ended yet; `runledger executions show {execution}` tells when it has")
        os._exit(code)

    def _context(self) -> Context:
        return Context("operator", self._backend.clock.now(), uuid4())


class Terminal:
    """Shows what a run writes; with `as_json` keeps it for the one object at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._written: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}

    def show(self, message: Message) -> None:
        """Raises OSError, once for each of the two, when it cannot be written any more."""
        for _, stream, data in message.data["frames"]:
            if self._as_json:
                self._written[stream].append(data)
            else:
                _write(sys.stdout.buffer if stream == STDOUT else sys.stderr.buffer, data)

    def finish(self, run: ExecutionView, is_interrupted: bool) -> int:
        """Returns the exit code for this command; says on stderr why when it is not the script's own."""
        if self._as_json:
            fields = {name: getattr(run, name) for name in run.__struct_fields__}
            print_json({**fields, "stdout": self._text(STDOUT), "stderr": self._text(STDERR)})
        elif is_interrupted or run.exit_code is None or run.status not in {Status.SUCCEEDED, Status.FAILED}:
            say(f"runledger: {run.status.value}: {run.reason}")
        return exit_code(run)

    def _text(self, stream: int) -> str:
        return b"".join(self._written[stream]).decode(errors="replace")


def _write(target: BinaryIO, data: bytes) -> None:
    try:
        target.write(data)
        target.flush()
    except OSError:
        close(target)
        raise


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


async def follow(
    backend: Backend, accept: Callable[[], UUID], as_json: bool, live_input: LiveInput | None = None
) -> int:
    """Have a run accepted and show it until its result is stored. Returns the exit code; see Interruption."""
    interruption = Interruption(backend)
    interruption.listen()
    execution = await backend.cross(accept)
    interruption.execution.set_result(execution)
    beside = [asyncio.ensure_future(backend.bus.run())]
    if live_input:
        beside.append(asyncio.ensure_future(live_input.pass_on(execution)))
    try:
        code = await _show(backend, ExecutionStream(backend, execution, Place()), Terminal(as_json), interruption)
    except LogUnavailable as problem:
        raise Failed(
            f"Run {execution} goes on, but nothing can be heard of it: {problem}. "
            f"`runledger executions show {execution}` tells how it ended, when Runledger is there again.",
            NOT_RUN,
        ) from problem
    finally:
        for task in beside:
            task.cancel()
    return code if interruption.code is None else interruption.code


async def _show(backend: Backend, stream: ExecutionStream, terminal: Terminal, interruption: Interruption) -> int:
    async with backend.bus.subscribe(stream.execution) as inbox:
        reminding = asyncio.ensure_future(_remind(inbox))
        try:
            async for message in stream.messages(inbox, asyncio.Event()):
                if message.event == "output":
                    await _pass_on(terminal, message, interruption)
                elif message.event == "result_stored":
                    return terminal.finish(message.data, interruption.code is not None)
        finally:
            reminding.cancel()
    return NOT_RUN


async def _pass_on(terminal: Terminal, message: Message, interruption: Interruption) -> None:
    """In a thread: a reader who is slow shall keep nobody from hearing Ctrl-C."""
    try:
        await asyncio.to_thread(terminal.show, message)
    except OSError as problem:
        code = CUT if isinstance(problem, BrokenPipeError) else NOT_RUN
        interruption.begin(f"the output cannot be written: {problem.strerror}", code)


async def _remind(inbox: Inbox) -> None:
    """Notices may get lost: look at the stores once a second."""
    while True:
        await asyncio.sleep(1.0)
        inbox.put(None)
