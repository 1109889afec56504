"""Server-sent events as bytes (WHATWG HTML, section 9.2)."""

from typing import Any

import msgspec

HEARTBEAT = b": still here\n\n"
CLOSE = b"retry: 1000\nevent: close\ndata: {}\n\n"
RESET = b"event: reset\ndata: {}\n\n"

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy must not hold back what is live
}


def message(event: str, data: Any, id: str) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id.encode(), event.encode(), msgspec.json.encode(data))
