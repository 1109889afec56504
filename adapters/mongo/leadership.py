"""The role of the process that writes the log for all others on its machine.

Whoever cannot reach it writes for himself, which is slower (the processes collide at the end of the log) and as right:
the unique positions decide, not the role.
"""

import logging
import secrets
import socket
from concurrent.futures import Future
from functools import partial
from threading import Event, Lock, Thread
from typing import Self
from uuid import UUID

from pymongo.errors import PyMongoError

from adapters.mongo import wire
from adapters.mongo.commits import Commit
from adapters.mongo.connection import Place
from adapters.mongo.leases import RENEWAL_SECONDS, Lease, LeaseLost
from adapters.mongo.writer import Writer

log = logging.getLogger(__name__)

ROLE = "writer"
TRY_AGAIN_SECONDS = 1.0


class Leadership:
    """Runs in any number of processes; one at a time takes the others' commits."""

    def __init__(self, database: Place, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self.is_held = False

    def run(self, stop: Event) -> None:
        """Lead when nobody else does, until told to stop."""
        lease = Lease(self._database, ROLE)
        while not stop.is_set():
            try:
                if lease.acquire() is not None:
                    self._lead(lease, stop)
            except (LeaseLost, PyMongoError) as error:
                log.warning("this process does not write for others now: %s", error)
            stop.wait(TRY_AGAIN_SECONDS)

    def _lead(self, lease: Lease, stop: Event) -> None:
        """Raises LeaseLost."""
        with _Desk(self._writer) as desk:
            self.is_held = True
            try:
                while not stop.is_set():
                    lease.keep({"socket": desk.name})
                    stop.wait(RENEWAL_SECONDS)
            finally:
                self.is_held = False
        lease.release({})


class _Desk:
    """The socket where commits are handed in. Its name is a secret that only readers of the database can know."""

    def __init__(self, writer: Writer) -> None:
        self.name = secrets.token_hex(16)
        self._writer = writer
        self._socket = socket.socket(socket.AF_UNIX)
        self._customers: set[_Customer] = set()
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._socket.bind(wire.address(self.name))
        self._socket.listen()
        Thread(target=self._accept, name="desk", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        wire.shut(self._socket)
        with self._lock:
            customers = list(self._customers)
        for customer in customers:
            customer.leave()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if wire.is_own(connection):
                Thread(target=self._serve, args=(connection,), name="customer", daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        customer = _Customer(connection, self._writer)
        with self._lock:
            self._customers.add(customer)
        customer.serve()
        with self._lock:
            self._customers.discard(customer)


class _Customer:
    """Another process's connection. One that does not take its answers is let go; it looks its commits up then."""

    def __init__(self, connection: socket.socket, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer
        self._sending = Lock()

    def serve(self) -> None:
        while (handed := wire.receive(self._connection, wire.Handed)) is not None:
            stored = self._writer.submit(Commit(handed.lines, handed.id, handed.marks))
            stored.add_done_callback(partial(self._answer, handed.id))
        self.leave()

    def leave(self) -> None:
        wire.shut(self._connection)

    def _answer(self, commit: UUID, stored: "Future[int]") -> None:
        error = stored.exception()
        if error:
            answer = wire.Answer(commit, error=type(error).__name__, message=str(error))
        else:
            answer = wire.Answer(commit, stored.result())
        try:
            with self._sending:
                self._connection.send(wire.frame(answer), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            self.leave()
