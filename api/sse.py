"""Server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

HEARTBEAT_SECONDS = 15.0

TYPE = "text/event-stream"
HEADERS = {
    "Content-Type": f"{TYPE}; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy must not hold back what is live
}


class Message(msgspec.Struct, frozen=True):
    """One message to a client. One without an event only shows that we are still here, and perhaps a newer id."""

    event: str = ""
    data: Any = msgspec.field(default_factory=dict)
    id: str = ""

    @property
    def size(self) -> int:
        """In bytes, about, where it waits for somebody; one without an event never does."""
        if not self.event:
            return 0
        return len(self.id) + (len(bytes(self.data)) if isinstance(self.data, msgspec.Raw) else 100)

    def encode(self) -> bytes:
        if not self.event:
            return f"id: {self.id}\n\n".encode() if self.id else b": still here\n\n"
        id = f"id: {self.id}\n" if self.id else "retry: 1000\n"
        return f"{id}event: {self.event}\ndata: ".encode() + msgspec.json.encode(self.data) + b"\n\n"


HEARTBEAT = Message()
CLOSE = Message("close")
RESET = Message("reset")


async def or_heartbeat(coming: Awaitable[T]) -> T | Message:
    """What comes, or the sign that we are still here when it has not come for a while."""
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            return await coming
    except TimeoutError:
        return HEARTBEAT
