"""The embedded servers that this start needs, each with the process it runs in."""

import os
from collections.abc import Callable

from adapters.embedded.kafka import Kafka
from adapters.embedded.redis import Redis
from adapters.embedded.secantus import Secantus
from adapters.embedded.server import ProgramMissing, Server, free_port, port_is_free
from ops.settings import Settings
from ops.up.folder import DataFolder
from ops.up.process import Process
from ops.up.refused import ProgramNotInstalled, Refused, ServerFailed, StoreBusy, StoreDamaged, StoreIncomplete

LANES = 8
"""The lanes of a store on the embedded servers: the partitions of its topic of events."""
TOPICS = {"runledger.events": LANES, "runledger.dead-letters": 1}
PORT_TRIES = 5


class Hosted(Process):
    """One embedded server: made with a free port, and made again when another program was faster to take that.

    Raises StoreIncomplete.
    """

    def __init__(self, make: Callable[[], Server], folder: DataFolder) -> None:
        self.make = make
        self.server = make()
        check_whole(self.server)
        self.tries = 1
        super().__init__(self.server.name, command(self.server), os.environ, folder.log(self.server.name))

    def is_ready(self) -> bool:
        """Whether it answers. Raises Refused when it has ended instead."""
        if not self.runs:
            self.start_elsewhere()
        return self.server.answers()

    def start_elsewhere(self) -> None:
        port = getattr(self.server, "port", None)
        if port is None or port_is_free(port) or self.tries == PORT_TRIES:
            raise self.failure()
        self.tries += 1
        self.server = self.make()
        self.command = command(self.server)
        self.start()

    def is_broken(self) -> bool:
        """Whether it runs, and must be ended to work again."""
        return self.runs and isinstance(self.server, Secantus) and self.server.is_broken()

    def failure(self) -> Refused:
        if isinstance(self.server, Secantus):
            if self.server.is_open_elsewhere():
                return StoreBusy(folder=self.server.folder)
            return StoreDamaged(folder=self.server.folder, log=self.log)
        return ServerFailed(name=self.name, log=self.log)

    def nudge(self) -> None:
        """SecantusDB sees that it is to end when the next connection comes, or after 2 s."""
        self.server.answers()


def check_whole(server: Server) -> None:
    if isinstance(server, Secantus) and (missing := server.missing_root()):
        raise StoreIncomplete(file=missing, folder=server.folder)


def hosted(settings: Settings, folder: DataFolder) -> list[Hosted]:
    """The servers for which the settings name no real one. Raises ProgramNotInstalled or StoreIncomplete."""
    makers: list[Callable[[], Server]] = []
    if not settings.mongo_url:
        makers.append(lambda: Secantus(folder.path / "mongo", free_port()))
    if not settings.redis_url:
        makers.append(lambda: Redis.create(folder.path, free_port()))
    if not settings.kafka_servers:
        makers.append(lambda: Kafka(folder.path / "kafka.address", TOPICS))
    return [Hosted(make, folder) for make in makers]


def command(server: Server) -> list[str]:
    try:
        return list(server.command())
    except ProgramMissing as missing:
        remedy = "Run `make setup`, or give the URL of a real server in the settings"
        raise ProgramNotInstalled(program=missing, remedy=remedy) from missing
