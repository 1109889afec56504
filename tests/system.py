"""The whole system as `runledger up` starts it, for the tests that use it as a person does."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import pytest

from api.app import create_app
from api.openapi import document
from ops.up.folder import Running, read
from tests.servers import reserved_port

START_SECONDS = 90.0
SETTLE_SECONDS = 60.0
NONE = {"events": 0}
PASSWORD = re.compile(r"password (\S+)")
CLI = Path(sys.executable).parent / "runledger"


class System:
    """A running `up` on a folder of its own."""

    command: tuple[str | Path, ...] = (CLI, "up")

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.options = options
        self.port = reserved_port()
        self.username = "admin"
        self.password = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it is ready. The password is the one that was printed at the first start."""
        self.said = self.data.with_name(f"{self.data.name}.out")
        with self.said.open("wb") as said:
            command = [*self.command, "--data", self.data, "--port", str(self.port), *self.options]
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=self.environment)
        deadline = time.monotonic() + START_SECONDS
        while "ready" not in self.said.read_text():
            assert self.process.poll() is None, f"up ended: {self.said.read_text()}"
            assert time.monotonic() < deadline, f"up is not ready: {self.said.read_text()}"
            time.sleep(0.05)
        if found := PASSWORD.search(self.said.read_text()):
            self.password = found[1].rstrip()

    def stop(self) -> float:
        """Ctrl-C. Returns how long it took, in seconds."""
        since = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0, self.said.read_text()
        return time.monotonic() - since

    @property
    def is_ready(self) -> bool:
        """Whether the API answers, and all that it needs is there."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def environment(self) -> dict[str, str]:
        """As a person's is: nothing that makes Python behave otherwise, like PYTHONUNBUFFERED."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("RUNLEDGER_", "PYTHON"))}
        return {**ours, "RUNLEDGER_DATA": str(self.data)}

    @property
    def running(self) -> Running:
        found = read(self.data)
        assert found is not None
        return found

    @contextmanager
    def without(self, *workers: str) -> Iterator[None]:
        """These processes stand still meanwhile."""
        pids = [self.running.processes[worker] for worker in workers]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def cli(
        self, *arguments: object, more: Mapping[str, str] = MappingProxyType({}), **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command of the CLI on this system, with `more` variables."""
        command = [CLI, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.run(command, env=self.environment | more, check=False, timeout=120, **pipes)  # type: ignore[return-value]

    def events(self) -> int:
        """How many there are, as soon as every run has ended and given back its place."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = json.loads(self.cli("events", "stats", "--json").stdout)
            begun, released = (found["by_type"].get(f"Saga.{what}", NONE)["events"] for what in ("Begun", "Released"))
            if begun == released:
                return int(found["total"]["events"])
            assert time.monotonic() < deadline, f"{begun - released} places are not given back"

    def client(self) -> httpx.Client:
        """A client that nobody is logged in with; it looks each answer up in the API's document."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"X-Requested-With": "runledger"},
            timeout=30,
            event_hooks={"response": [check_documented]},
        )

    def log_in(self) -> httpx.Client:
        """The admin's client."""
        client = self.client()
        answer = client.post("/auth/login", json={"username": self.username, "password": self.password})
        assert answer.status_code == 200, answer.text
        return client


def configured(data: Path, **settings: object) -> Path:
    """A data folder with these settings, for `running_on`."""
    data.mkdir(mode=0o700, parents=True)
    (data / "runledger.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return data


S = TypeVar("S", bound=System)


@functools.cache
def documented() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Each path of the API's document as a pattern, with its operations."""
    paths = document(create_app(None))["paths"]
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operations) for path, operations in paths.items()]


def check_documented(response: httpx.Response) -> None:
    """Whatever comes back from an operation stands among its responses; fixed paths come before those with a field."""
    method, path = response.request.method.lower(), response.request.url.path
    for pattern, operations in documented():
        if pattern.fullmatch(path) and method in operations:
            assert str(response.status_code) in operations[method]["responses"], f"{method} {path}: {response}"
            return


def running_on(data: Path, *options: str) -> AbstractContextManager[System]:
    return running(System(data, *options))


@contextmanager
def running(system: S) -> Iterator[S]:
    system.start()
    try:
        yield system
    finally:
        if system.process.poll() is None:
            system.stop()


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("system") / "data") as system:
        yield system


def processes_of(*runs: str) -> list[int]:
    """What still runs of these, seen from outside by its cgroup, which nothing leaves; a zombie has no command line."""
    return [
        int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit() and _is_of(process, runs)
    ]


def _is_of(process: Path, runs: tuple[str, ...]) -> bool:
    try:
        cgroups = (process / "cgroup").read_text()
        return any(f"run-{run}-" in cgroups for run in runs) and bool((process / "cmdline").read_bytes())
    except OSError:
        return False
