"""The servers that the event log runs on in the product, for one table."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from redis import Redis

from adapters.embedded.redis import Redis as RedisServer
from adapters.embedded.server import free_port
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.writing.handover import Way
from adapters.redis.bell import RedisBell
from tests.servers import Running, kafka, running, secantus


class Servers:
    """An event store and the Redis that its bell rings over; a broker where one is asked for."""

    def __init__(self, folder: Path, mongo: str, redis: str, running: ExitStack) -> None:
        self.folder = folder
        self.mongo = mongo
        self.redis = redis
        self._running = running

    def client(self) -> MongoClient[Any]:
        return self._running.enter_context(connect(self.mongo))

    def journal(self, name: str = "log") -> Journal:
        """The log in the database of this name, composed as the product does it."""
        journal = open_journal(self.client(), name, self.redis)
        self._running.callback(journal.close)
        return journal

    def broker(self) -> Running:
        return self._running.enter_context(running(kafka(self.folder), self.folder))


def open_journal(client: MongoClient[Any], name: str, redis: str, ways: Sequence[Way] = ()) -> Journal:
    return Journal(client[name], bell_of=partial(RedisBell, Redis.from_url(redis)), ways=ways)


@contextmanager
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mongo = stack.enter_context(running(secantus(folder), folder))
        redis = stack.enter_context(running(RedisServer.create(folder, free_port()), folder))
        yield Servers(folder, mongo.address, redis.address, stack)
