"""The standard input and output of a pod's supervisor, over one WebSocket.

The protocol `v4.channel.k8s.io`: the first byte of each message is the channel, 0 for stdin and 1 for stdout. First all
is sent, then all is read: a TLS connection must not do both at once.
"""

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import websocket

from adapters.supervisor.records import (
    HEAD,
    KIND_CANCEL,
    KIND_RESEND,
    KIND_RESENT,
    Garbled,
    encode_input,
    ending_where_garbled,
    read_frames,
)
from application.ports.sandbox import Ended, Frame

PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT = b"\0", 1
MESSAGE_BYTES = 1 << 16
ANSWER_SECONDS = 10.0
"""A supervisor answers within milliseconds, unless its node is out of breath."""
LAST = 2**64 - 1
"""Above the number of any frame."""


class NotAttached(Exception):
    """The connection to the pod cannot be made, or broke."""


class Attachment:
    """One conversation: `give`, `feed`, `frames` or `cancel`. All may raise NotAttached."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._chunks: SimpleQueue[bytes] = SimpleQueue()
        self._unread = b""
        self._pump: Thread | None = None
        self._patience: float | None = ANSWER_SECONDS

    @classmethod
    def open(cls, address: str, headers: Mapping[str, str], tls: Mapping[str, Any], timeout: float) -> "Attachment":
        try:
            connection = websocket.create_connection(
                address, timeout, header=dict(headers), sslopt=dict(tls), subprotocols=[PROTOCOL]
            )
        except websocket.WebSocketBadStatusException as refused:
            raise NotAttached(
                f"{refused.status_code}: {(refused.resp_body or b'').decode(errors='replace')}"
            ) from refused
        except (OSError, websocket.WebSocketException) as problem:
            raise NotAttached(str(problem)) from problem
        return cls(connection)

    def close(self) -> None:
        with suppress(OSError):
            if self._connection.sock:
                self._connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
        if self._pump:
            self._pump.join()
        self._connection.shutdown()  # type: ignore[no-untyped-call]

    def give(self, job: bytes) -> None:
        """Returns when the supervisor has it."""
        self._send(job)
        if not self._read(HEAD.size):
            raise NotAttached("the pod broke off")

    def feed(self, offset: int, data: bytes, is_last: bool) -> int:
        """How much input the supervisor has then; ALL_INPUT where it wants no more."""
        mark = 1 + secrets.randbits(63)
        for record in encode_input(offset, data, is_last, mark):
            self._send(record)
        *_, taken, _ = HEAD.unpack(self._skip_to(mark.to_bytes(8, "little")))
        return int(taken)

    def frames(self, after: int) -> Iterator[Frame]:
        """The first frame, those numbered above `after`, and what comes; ends early when the connection breaks."""
        mark = self._ask_for(after)
        self._skip_to(mark)
        self._patience = None
        return ending_where_garbled(read_frames(self._read))

    def cancel(self) -> None:
        """Returns when nothing of the run is left."""
        mark = self._ask_for(LAST)
        self._send(HEAD.pack(0, KIND_CANCEL, 0, 0))
        self._skip_to(mark)
        try:
            if any(isinstance(frame, Ended) for frame in read_frames(self._read)):
                return
        except Garbled as problem:
            raise NotAttached(str(problem)) from problem
        raise NotAttached("the pod broke off")

    def _ask_for(self, after: int) -> bytes:
        nonce = secrets.randbits(64)
        self._send(HEAD.pack(0, KIND_RESEND, after, nonce))
        return HEAD.pack(0, KIND_RESENT, after, nonce)

    def _send(self, content: bytes) -> None:
        try:
            for at in range(0, len(content), MESSAGE_BYTES):
                self._connection.send_binary(STDIN + content[at : at + MESSAGE_BYTES])
        except (OSError, websocket.WebSocketException) as problem:
            raise NotAttached(str(problem)) from problem

    def _skip_to(self, mark: bytes) -> bytes:
        """The head that ends with it. What comes first may begin in the middle of a record."""
        while (at := self._unread.find(mark)) < 0:
            self._unread = self._unread[-HEAD.size :]
            if not self._receive():
                raise NotAttached("the pod broke off")
        end = at + len(mark)
        head, self._unread = self._unread[:end][-HEAD.size :], self._unread[end:]
        return head

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size and self._receive():
            pass
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _receive(self) -> bool:
        """Somebody who reads slowly must not hold up the pod, so a thread reads for him."""
        if self._pump is None:
            self._connection.settimeout(None)
            self._pump = Thread(target=self._read_all, name="attachment", daemon=True)
            self._pump.start()
        try:
            chunk = self._chunks.get(timeout=self._patience)
        except Empty:
            raise NotAttached("the pod does not answer") from None
        self._unread += chunk
        return bool(chunk)

    def _read_all(self) -> None:
        try:
            while message := self._connection.recv_data()[1]:
                if message[0] == STDOUT and len(message) > 1:
                    self._chunks.put(message[1:])
        except (OSError, ValueError, AttributeError, websocket.WebSocketException):
            pass  # the end of what can be read; who needs more asks again
        finally:
            self._chunks.put(b"")
