"""What comes on this command's stdin, passed on to a run while it goes on."""

import asyncio
import os
import select
import sys
from contextlib import suppress
from uuid import UUID, uuid4

from api.backend import Backend
from application.ports.log import Context, LogUnavailable, VersionConflict
from domain.aggregate import DomainError
from domain.execution import ExecutionEnded
from domain.standard_input import BYTES
from ops.cli.output import NOT_RUN, Failed, say

STDIN = 0
PIECE_BYTES = 64 * 1024
TRY_AGAIN_SECONDS = 1.0


def read_what_is_there() -> tuple[bytes, bool]:
    """Without waiting for more; and whether it is all there will be. Raises Failed."""
    if sys.stdin is None:  # closed before this command was called, so its number may be something else's by now
        return b"", True
    poll = select.poll()
    poll.register(STDIN, select.POLLIN)
    there = b""
    while poll.poll(0):
        piece = _read()
        if piece is None:
            break
        if not piece:
            return there, True
        there += piece
        if len(there) > BYTES:
            raise Failed(f"Not run: stdin has more than the {BYTES:,} bytes that are allowed.", NOT_RUN)
    return there, False


def _read() -> bytes | None:
    """Empty at the end, and where there is nothing to read from (any more); None where somebody else has read it."""
    try:
        return os.read(STDIN, PIECE_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


class LiveInput:
    """Reads as it comes; what comes while a piece is on its way is the next one."""

    def __init__(self, backend: Backend, there: bytes, is_ended: bool) -> None:
        self._backend = backend
        self._there = there
        self._is_ended = is_ended
        self._offset = 0
        self._changed = asyncio.Event()

    async def pass_on(self, execution: UUID) -> None:
        """Until it ends, or the run does. A run that cannot have all of it is asked to end."""
        if not self._is_ended:
            asyncio.get_running_loop().add_reader(STDIN, self._take)
        try:
            await self._pass_on(execution)
        except ExecutionEnded:
            return
        except DomainError as refused:
            say(f"runledger: the input cannot be passed on, so the run is asked to end: {refused}")
            with suppress(ExecutionEnded):
                await self._backend.cross(self._backend.executions.cancel, self._context(), execution)
        finally:
            asyncio.get_running_loop().remove_reader(STDIN)

    def _take(self) -> None:
        piece = _read()
        self._there += piece or b""
        if piece == b"":
            self._is_ended = True
            asyncio.get_running_loop().remove_reader(STDIN)
        self._changed.set()

    async def _pass_on(self, execution: UUID) -> None:
        is_last = False
        while not is_last:
            while not (self._there or self._is_ended):
                await self._changed.wait()
                self._changed.clear()
            content, is_last, self._there = self._there, self._is_ended, b""
            await self._give(execution, content, is_last)

    async def _give(self, execution: UUID, content: bytes, is_last: bool) -> None:
        """Given again where nobody answered: the offset lets it be taken once."""
        while True:
            try:
                given = await self._backend.cross(
                    self._backend.inputs.give,
                    self._context(),
                    execution,
                    content,
                    is_last=is_last,
                    offset=self._offset,
                )
            except (LogUnavailable, VersionConflict):
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                self._offset = given.offset
                return

    def _context(self) -> Context:
        return Context("operator", self._backend.clock.now(), uuid4())
