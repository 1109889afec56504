"""Server-sent events (WHATWG HTML, section 9.2)."""

from typing import Any

import msgspec

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy must not hold back what is live
}


class Message(msgspec.Struct, frozen=True):
    """One message to a client; one without an event is a comment, which only shows that we are still here."""

    event: str = ""
    data: Any = msgspec.field(default_factory=dict)
    id: str = ""

    def encode(self) -> bytes:
        if not self.event:
            return b": still here\n\n"
        id = f"id: {self.id}\n" if self.id else "retry: 1000\n"
        return f"{id}event: {self.event}\ndata: ".encode() + msgspec.json.encode(self.data) + b"\n\n"


HEARTBEAT = Message()
CLOSE = Message("close")
RESET = Message("reset")
