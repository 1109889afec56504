"""The proxy of one run: CONNECT (RFC 9110, 9.3.6), and plain HTTP by whole addresses (RFC 9112, 3.2.2).

One connection is one request. All of HTTP is read and written by h11, so nothing comes through that it does not know.
"""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus

import h11

from adapters.network.hosts import Hosts
from adapters.network.ways import Place, Refused, connect, place_of

log = logging.getLogger(__name__)

CONNECTIONS = 64
"""At once; whoever comes later waits."""
HEAD_BYTES = 32 * 1024
HEAD_SECONDS = 10.0
CHUNK = 16 * 1024
"""Less than a head may have, or a whole one would be read at once, of whatever size."""
WHOLE = re.compile(r"http://(?P<authority>[^/?#]*)(?P<path>/[^#]*)?", re.IGNORECASE)
HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"upgrade"}
"""Fields of one connection, not of the message (RFC 9110, 7.6.1), besides those that Connection names."""
FRAMINGS = {b"content-length", b"transfer-encoding"}

Fields = list[tuple[bytes, bytes]]


async def serve(listener: socket.socket, hosts: Hosts) -> None:
    """For ever."""
    loop = asyncio.get_running_loop()
    places = asyncio.Semaphore(CONNECTIONS)
    under_way = set[asyncio.Task[None]]()
    while await places.acquire():
        try:
            connection, _ = await loop.sock_accept(listener)
        except ConnectionError:
            places.release()
            continue
        task = loop.create_task(_serve_one(connection, hosts, places))
        under_way.add(task)
        task.add_done_callback(under_way.discard)


async def _serve_one(connection: socket.socket, hosts: Hosts, places: asyncio.Semaphore) -> None:
    asker = Peer(connection, h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES))
    try:
        with connection:
            await _answer_or_explain(asker, hosts)
    except* (OSError, h11.ProtocolError) as gone:
        log.debug("a connection broke: %s", gone.exceptions)
    finally:
        places.release()


async def _answer_or_explain(asker: "Peer", hosts: Hosts) -> None:
    try:
        request = await asyncio.wait_for(asker.next(), HEAD_SECONDS)
        if isinstance(request, h11.Request):
            await _answer(asker, request, hosts)
    except Refused as refused:
        await asker.explain(refused.status, str(refused))
    except h11.RemoteProtocolError as error:
        await asker.explain(HTTPStatus(error.error_status_hint), f"The request is not right: {error!s:.200}.")
    except TimeoutError:
        await asker.explain(HTTPStatus.REQUEST_TIMEOUT, "No request came.")


async def _answer(asker: "Peer", request: h11.Request, hosts: Hosts) -> None:
    if request.method == b"CONNECT":
        with await connect(place_of(request.target.decode()), hosts) as way:
            await asker.hear_out()
            await asker.send(h11.Response(status_code=HTTPStatus.OK, headers=[]))
            await _tunnel(asker, way)
        return
    onward, place = _onward(request)
    with await connect(place, hosts) as way:
        await _exchange(asker, Peer(way, h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)), onward)


def _onward(request: h11.Request) -> tuple[h11.Request, Place]:
    """The request as it is passed on, and where to. Raises Refused."""
    found = WHOLE.fullmatch(request.target.decode())
    if not found:
        raise Refused(HTTPStatus.BAD_REQUEST, "This is a proxy: ask for http://host/…, or CONNECT host:port.")
    fields = request.headers.raw_items()
    if {name.lower() for name, _ in fields} >= FRAMINGS:
        raise Refused(HTTPStatus.BAD_REQUEST, "The request has two lengths.")
    place = place_of(found["authority"], 80)
    host = [(b"Host", found["authority"].encode()), *_passed_on(fields, b"host")]
    return h11.Request(method=request.method, target=found["path"] or "/", headers=host), place


def _passed_on(fields: Fields, *others: bytes) -> Fields:
    named = {
        one.strip().lower() for name, value in fields if name.lower() == b"connection" for one in value.split(b",")
    }
    dropped = HOP_BY_HOP | {*others} | (named - FRAMINGS)
    kept = [(n, v) for n, v in fields if n.lower() not in dropped and not n.lower().startswith(b"proxy-")]
    return [*kept, (b"Connection", b"close")]


async def _exchange(asker: "Peer", asked: "Peer", request: h11.Request) -> None:
    await asked.send(request)
    async with asyncio.TaskGroup() as both:
        upload = both.create_task(_upload(asker, asked))
        await _download(asked, asker)
        upload.cancel()


async def _upload(asker: "Peer", asked: "Peer") -> None:
    """Whoever is asked may answer, and close, before it has all."""
    with suppress(OSError):
        async for event in asker.events():
            await asked.send(event)


async def _download(asked: "Peer", asker: "Peer") -> None:
    async for event in asked.events():
        if isinstance(event, h11.Response):
            event = h11.Response(  # noqa: PLW2901
                status_code=event.status_code, reason=event.reason, headers=_passed_on(event.headers.raw_items())
            )
        await asker.send(event)


async def _tunnel(asker: "Peer", way: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(way, asker.http.trailing_data[0])
    async with asyncio.TaskGroup() as both:
        both.create_task(_pump(asker.socket, way))
        both.create_task(_pump(way, asker.socket))


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


class Peer:
    """One end of an exchange: a socket, and h11's idea of what was said on it."""

    def __init__(self, socket: socket.socket, http: h11.Connection) -> None:
        self.socket = socket
        self.http = http

    async def next(self) -> h11.Event:
        """Raises h11.RemoteProtocolError."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await asyncio.get_running_loop().sock_recv(self.socket, CHUNK))
        if isinstance(event, h11.Event):
            return event
        return h11.ConnectionClosed()

    async def events(self) -> AsyncIterator[h11.Event]:
        """Up to the end of the message."""
        while not isinstance(event := await self.next(), h11.ConnectionClosed):
            yield event
            if isinstance(event, h11.EndOfMessage):
                return

    async def hear_out(self) -> None:
        """What a request has besides its head is nothing to us."""
        async for _ in self.events():
            continue

    async def send(self, event: h11.Event) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, self.http.send(event) or b"")

    async def explain(self, status: HTTPStatus, why: str) -> None:
        """Answer it ourselves, where nothing was answered yet."""
        if self.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        text = f"{why}\n".encode()
        fields = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(text))),
            ("Connection", "close"),
        ]
        await self.send(h11.Response(status_code=status, reason=status.phrase, headers=fields))
        await self.send(h11.Data(data=text))
        await self.send(h11.EndOfMessage())
