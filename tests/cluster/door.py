"""A door to an API server, for those who are given its address: it can cut their watches as API servers do."""

import asyncio
import re
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import msgspec

from adapters.embedded.server import LOOPBACK
from adapters.kubernetes.cluster import GONE
from tests.real_kubernetes import RealKubernetes

CHUNK = 1 << 16
WATCH = re.compile(rb"GET \S+watch=true")
STATUS = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "message": "too old resource version",
    "code": GONE,
}
REFUSED = msgspec.json.encode(STATUS)
EXPIRED = msgspec.json.encode({"type": "ERROR", "object": STATUS}) + b"\n"
ANSWER = b"HTTP/1.1 410 Gone\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(REFUSED),
    REFUSED,
)


class Door:
    """On loopback, without TLS; behind it is the API server's own."""

    def __init__(self, real: RealKubernetes) -> None:
        self._real = real
        self._tls = ssl.create_default_context(cafile=real.folder / "authority.crt")
        self._asked: set[asyncio.StreamWriter] = set()
        self._watches: set[asyncio.StreamWriter] = set()
        """Those whose answer has begun."""
        self._to_refuse = 0
        self._loop = asyncio.new_event_loop()
        self.port = 0

    def kubeconfig(self, folder: Path) -> Path:
        """Of an operator who comes in here."""
        written = folder / "door.kubeconfig"
        written.write_text(
            self._real.kubeconfig().read_text().replace(self._real.server, f"http://{LOOPBACK}:{self.port}")
        )
        return written

    def expire_watches(self) -> int:
        """Each is told 410 by an event. Returns how many there were."""
        return self._do(self._end_watches(EXPIRED))

    def refuse_watches(self) -> int:
        """Each ends as at its time, and whoever goes on is told 410 by a status. Returns how many there were."""
        self._to_refuse = len(self._watches)
        return self._do(self._end_watches(b""))

    @property
    def is_done_refusing(self) -> bool:
        return self._to_refuse == 0

    async def _end_watches(self, event: bytes) -> int:
        watches, self._watches = self._watches, set()
        last = b"%x\r\n%s\r\n" % (len(event), event) if event else b""
        for client in watches:
            client.write(last + b"0\r\n\r\n")
            client.close()
        return len(watches)

    def _do(self, what: Coroutine[None, None, int]) -> int:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def open(self) -> None:
        server = await asyncio.start_server(self._let_in, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _let_in(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            from_server, server = await asyncio.open_connection(LOOPBACK, self._real.port, ssl=self._tls)
            await asyncio.gather(self._ask(reader, client, server), self._pass_on(from_server, client))
            server.close()
        client.close()
        self._watches.discard(client)
        self._asked.discard(client)

    async def _ask(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        """A request without a body comes in one piece."""
        while asked := await reader.read(CHUNK):
            if WATCH.match(asked) and self._to_refuse:
                self._to_refuse -= 1
                client.write(ANSWER)
                continue
            if WATCH.match(asked):
                self._asked.add(client)
            server.write(asked)
        server.close()

    async def _pass_on(self, from_server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while (said := await from_server.read(CHUNK)) and not client.is_closing():
            client.write(said)
            self._watches |= self._asked & {client}
        client.close()


@contextmanager
def door_to(real: RealKubernetes) -> Iterator[Door]:
    door = Door(real)
    door._loop.run_until_complete(door.open())
    Thread(target=door._loop.run_forever, name="door", daemon=True).start()
    try:
        yield door
    finally:
        door._loop.call_soon_threadsafe(door._loop.stop)
