"""What `up` runs: embedded servers, then the API and the workers that need them."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from adapters.embedded.server import exchange, port_is_free
from ops.master_key import master_keys
from ops.settings import Settings, SettingsInvalid
from ops.up.folder import DataFolder, Running, free_bytes
from ops.up.preparation import Preparation
from ops.up.process import Process
from ops.up.refused import TOLD, InitFailed, InitRefused, PortTaken, ProgramNotInstalled, Refused
from ops.up.servers import Hosted, hosted
from ops.up.supervisor import LOOK_AGAIN, StopAsked, Supervisor

WORKERS = ("relay", "projections", "saga", "executor", "monitor", "results", "replay", "deadletters")
SERVERS_SECONDS = 60.0
INIT_SECONDS = 120.0
CHECK_SECONDS = 5.0
"""How often the servers are asked whether they still work."""
KIB = 1024
FULL_BYTES = 16 * 1024 * KIB
"""With less the store cannot write another piece of its journal."""
YOUNG_SECONDS = 10.0
"""A server that has run for longer has told its address."""
READY = b"HTTP/1.1 200"


class System:
    """Runledger on one machine, from the start of its first process on."""

    def __init__(self, settings: Settings, folder: DataFolder, supervisor: Supervisor, split: bool) -> None:
        self.settings = settings
        self.folder = folder
        self.supervisor = supervisor
        self.split = split
        self.servers: Sequence[Hosted] = []
        self.written: Running | None = None
        self.is_ready = False
        self.checked_at = 0.0

    def run(self) -> NoReturn:
        """Start everything and keep it running. Raises Refused, SettingsInvalid, or StopAsked at the end."""
        self.check()
        self.start_servers()
        self.prepare_store()
        self.supervisor.start([self.child(name, *arguments) for name, arguments in commands(self.split)])
        self.supervisor.watch(self.look)

    def check(self) -> None:
        """What can be known to fail is refused before anything starts."""
        if not port_is_free(self.settings.port):
            raise PortTaken(port=self.settings.port)
        if self.settings.sandbox == "bubblewrap" and not shutil.which("bwrap"):
            raise ProgramNotInstalled(program="bubblewrap", remedy="Install it: apt-get install bubblewrap")
        master_keys(self.settings)

    def start_servers(self) -> None:
        self.servers = hosted(self.settings, self.folder)
        self.supervisor.start(self.servers)
        for server in self.servers:
            if not self.supervisor.until(server.is_ready, SERVERS_SECONDS):
                raise server.failure()
        self.tell()

    def prepare_store(self) -> None:
        """Make the store and its first admin where they are missing; the password goes to the terminal alone."""
        preparation = Preparation(self.settings, self.folder.path / "mongo", master_keys(self.settings))
        if preparation.is_done:
            return
        init = Process("init", cli("init"), self.environment(), log=None)
        code = self.supervisor.run(init, INIT_SECONDS)
        if code == TOLD:
            raise InitRefused
        if code != 0:
            raise InitFailed
        preparation.record()

    def child(self, name: str, *arguments: str) -> Process:
        return Process(name, cli(*arguments), self.environment(), self.folder.log(name))

    def environment(self) -> dict[str, str]:
        """The settings for children, with the embedded servers' addresses.

        Without Kafka's, which changes when the embedded broker starts again: children ask `folder.kafka_servers`.
        """
        addresses = {"RUNLEDGER_MONGO_URL": self.address("mongo"), "RUNLEDGER_REDIS_URL": self.address("redis")}
        return {**os.environ, **self.settings.environment(), **addresses}

    def address(self, name: str) -> str:
        configured = {
            "mongo": self.settings.mongo_url,
            "kafka": self.settings.kafka_servers,
            "redis": self.settings.redis_url,
        }
        return configured[name] or next(hosted.server.address() for hosted in self.servers if hosted.name == name)

    def look(self) -> float:
        """Tell what has changed; says in how many seconds there may be more to tell."""
        self.tell()
        if not self.is_ready and answers_ready(self.settings.port):
            self.is_ready = True
            self.supervisor.say(f"Runledger is ready at {self.settings.api_url} (Ctrl-C stops it)")
        young = any(server.age < YOUNG_SECONDS for server in self.servers)
        self.end_broken()
        return LOOK_AGAIN if young or not self.is_ready else CHECK_SECONDS

    def end_broken(self) -> None:
        """End a store that runs on and does nothing any more; then it is started again."""
        if time.monotonic() < self.checked_at + CHECK_SECONDS:
            return
        self.checked_at = time.monotonic()
        for server in self.servers:
            if server.is_broken():
                self.supervisor.say(why_broken(self.folder, server))
                server.signal(signal.SIGKILL)

    def tell(self) -> None:
        """Keep the run file true. On a full disk it stays as it was until the next look."""
        now = self.running()
        if now == self.written:
            return
        with suppress(*[OSError] if self.written else []):
            self.folder.write(now)
            self.written = now

    def running(self) -> Running:
        return Running(
            pid=os.getpid(),
            api_url=self.settings.api_url,
            mongo_url=self.address("mongo"),
            kafka_servers=self.address("kafka"),
            redis_url=self.address("redis"),
            processes={process.name: process.pid for process in self.supervisor.processes},
        )


def cli(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "ops.cli", *arguments]  # -P: nothing of the folder it happens to start in


def commands(split: bool) -> list[tuple[str, list[str]]]:
    """The children's names and arguments: the API, and the workers in one process or each in its own."""
    groups = [[name] for name in WORKERS] if split else [list(WORKERS)]
    workers = [(group[0] if split else "worker", ["worker", ",".join(group)]) for group in groups]
    return [("api", ["api"]), *workers]


def why_broken(folder: DataFolder, server: Hosted) -> str:
    free = free_bytes(folder.path)
    if free < FULL_BYTES:
        return (
            f"The disk of the data folder {folder.path} is full ({free // KIB} KB left). What was acknowledged stays; "
            "nothing more is accepted until you free some space."
        )
    return f"{server.name} cannot read its files any more and is started again. Its log: {server.log}"


def answers_ready(port: int) -> bool:
    request = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return exchange(port, request, len(READY)) == READY


def run(settings: Settings, split: bool = False) -> int:
    """Run until Ctrl-C or SIGTERM. Returns the exit code; says on stderr why when it is not 0."""
    os.umask(0o077)
    try:
        with DataFolder(settings.data) as folder, Supervisor(say) as supervisor:
            return System(settings, folder, supervisor, split).run()
    except StopAsked:
        return 0
    except InitRefused:
        return 1
    except (Refused, SettingsInvalid) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1


def say(line: str) -> None:
    """To the terminal. Whoever read it may have gone, or the file it goes to be full: that is no reason to stop."""
    with suppress(OSError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
