"""One run as a live stream: its events and output, from wherever the client stopped to the very end."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from uuid import UUID

import msgspec

from api.backend import Backend
from api.ports import Inbox, SealedFrames
from api.problems import details_of
from api.runs import of_log, stored
from api.sse import CLOSE, HEARTBEAT, RESET, Message, or_heartbeat
from api.views import status_view
from application.frames import decode_frames
from application.ports.log import Recorded
from application.ports.sandbox import Output
from application.ports.seals import ContentUnreadable, Erased
from domain.execution import Execution
from domain.sealed import Sealed
from projections.execution_status import FINISHED, ExecutionStatus, end_entry, timeline_entry
from projections.projection import Notice

PIECE_BYTES = 16 * 1024
PIECES_AT_ONCE = 32
LOOK_AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 2.0
"""So long the read model is waited for, so that it can be asked once the client knows the end; then the log tells."""
UNREADABLE = (ContentUnreadable, Erased)
_ID = re.compile(r"(\d{1,18})\.(\d{1,18})")


class Place(msgspec.Struct):
    """How far a client has come: the position of the last event it has, and the number of the last frame."""

    position: int = 0
    frame: int = 0

    @property
    def id(self) -> str:
        return f"{self.position}.{self.frame}"


def parse_place(id: str) -> Place | None:
    """The place that an `id:` of ours names; None for anything else."""
    found = _ID.fullmatch(id)
    return Place(int(found[1]), int(found[2])) if found else None


class ExecutionStream:
    """What one client gets. Every event and every frame once, in order, from its place on."""

    def __init__(self, backend: Backend, execution: UUID, place: Place) -> None:
        self.execution = execution
        self.place = place
        self._backend = backend
        self._version = 0
        self._has_ended = False

    async def messages(self, inbox: Inbox, closing: asyncio.Event) -> AsyncIterator[Message]:
        """Everything so far from the stores, then what comes in, until the result is stored."""
        async for piece in self._catch_up():
            yield piece
        while not self._has_ended:
            if closing.is_set():
                yield CLOSE
                return
            message = await or_heartbeat(inbox.get())
            if isinstance(message, Message):
                yield message
                message = None  # notices may get lost, and a read model that is paused sends none
            async for piece in self._take(message):
                yield piece

    def _take(self, message: Notice | SealedFrames | None) -> AsyncIterator[Message]:
        match message:
            case None:
                return self._catch_up()
            case Notice() if message.version <= self._version:
                return _nothing()
            case Notice() if message.version == self._version + 1:
                return self._end(message.position) if message.kind == FINISHED else self._notice(message)
            case Notice():
                return self._catch_up()
            case frames if frames.first <= self.place.frame + 1:
                return self._piece(frames)
            case _:
                return self._live_output()

    async def _catch_up(self) -> AsyncIterator[Message]:
        """What the stores hold beyond the client's place."""
        events = await self._backend.cross(self._backend.log.history, self.execution)
        if self.place.position > events[-1].position:  # of another store, or of this one before its restore
            self.place = Place()
            yield RESET
        for event in events:
            if event.position > self.place.position and not isinstance(event.data, Execution.Finished):
                yield self._event(event)
        self._version = events[-1].version
        last = events[-1]
        is_over = isinstance(last.data, Execution.Finished)
        async for piece in self._end(last.position) if is_over else self._live_output():
            yield piece

    async def _notice(self, notice: Notice) -> AsyncIterator[Message]:
        self._version = notice.version
        self.place.position = notice.position
        yield Message(notice.kind, notice.data, self.place.id)

    def _event(self, event: Recorded) -> Message:
        self.place.position = max(event.position, self.place.position)
        entry = timeline_entry(event)
        return Message(entry.type, entry, self.place.id)

    async def _live_output(self) -> AsyncIterator[Message]:
        """What Redis holds beyond the client's place; nothing while the monitor is writing missing frames again."""
        while pieces := await self._backend.bus.frames(self.execution, self.place.frame, PIECES_AT_ONCE):
            if pieces[0].first > self.place.frame + 1:
                return
            for sealed in pieces:
                async for piece in self._piece(sealed):
                    yield piece

    async def _piece(self, sealed: SealedFrames) -> AsyncIterator[Message]:
        if sealed.last <= self.place.frame:
            return
        try:
            frames = await self._opened(sealed.content)
        except UNREADABLE as problem:
            self.place.frame = sealed.last
            yield _problem(problem)
        else:
            yield self._frames([frame for frame in frames if frame.number > self.place.frame])

    async def _end(self, position: int) -> AsyncIterator[Message]:
        """Once the read model has the end: all frames there are, the last event, and the result."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (run := await self._ended(position, until)) is None:
            yield HEARTBEAT  # the projection is late; the client hears that we are still here
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        if run.output and run.outcome and self.place.frame < run.outcome.last_frame:
            async for piece in self._stored_output(run.output):
                yield piece
        if run.position > self.place.position:
            self.place.position = run.position
            yield Message(FINISHED, end_entry(run), self.place.id)
        yield Message("result_stored", status_view(run), self.place.id)
        self._has_ended = True

    async def _ended(self, position: int, until: float) -> ExecutionStatus | None:
        run = await stored(self._backend, self.execution)
        if run and run.position >= position:
            return run
        return await of_log(self._backend, self.execution, position) if time.monotonic() > until else None

    async def _stored_output(self, output: Sealed[bytes]) -> AsyncIterator[Message]:
        try:
            frames = await self._opened(output)
        except UNREADABLE as problem:
            yield _problem(problem)
            return
        for piece in _pieces(frame for frame in frames if frame.number > self.place.frame):
            yield self._frames(piece)

    async def _opened(self, content: Sealed[bytes]) -> list[Output]:
        return await self._backend.cross(lambda: decode_frames(self._backend.seals.open(content)))

    def _frames(self, frames: Sequence[Output]) -> Message:
        self.place.frame = frames[-1].number
        data = {"frames": [(frame.number, frame.stream, frame.data) for frame in frames]}
        return Message("output", data, self.place.id)


def _problem(error: Exception) -> Message:
    return Message("problem", details_of(error))


async def _nothing() -> AsyncIterator[Message]:
    return
    yield


def _pieces(frames: Iterable[Output]) -> Iterator[list[Output]]:
    """Frames in groups of about 16 KB."""
    piece: list[Output] = []
    size = 0
    for frame in frames:
        piece.append(frame)
        size += len(frame.data)
        if size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
