"""A start on a store that cannot be reached, or not be read: told in words, and nothing is changed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from adapters.embedded.redis import Redis
from adapters.secrets.master_keys import key_id
from tests.servers import Running, reserved_port, running, secantus
from tests.system import CLI, System, running_on

SECONDS = 60.0
KEY, OTHER = b"k" * 32, b"o" * 32


def until(condition: Callable[[], bool], words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.1)


# The master key -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> System:
    """A system that has run once."""
    with running_on(tmp_path_factory.mktemp("keys") / "data") as system:
        system.log_in().close()
    return system


def refused(system: System) -> str:
    """What `up` says when it does not start."""
    command = [CLI, "up", "--data", system.data, "--port", str(reserved_port())]
    done = subprocess.run(command, env=system.environment, capture_output=True, check=False, timeout=SECONDS)
    assert done.returncode == 1
    assert done.stdout == b""
    return done.stderr.decode()


def test_a_wrong_master_key_is_refused_in_a_sentence_and_the_right_one_finds_all_as_it_was(stopped):
    file = stopped.data / "master.key"
    right = file.read_bytes()
    file.write_bytes(OTHER)

    assert refused(stopped) == (
        f"The keys of this store are wrapped by the master key {key_id(right)}, but given was {key_id(OTHER)}. "
        "Give the right one: restore the file master.key in the data folder, or correct the settings master_key and "
        "previous_master_keys. Nothing was changed.\n"
    )
    assert file.read_bytes() == OTHER

    file.write_bytes(right)
    with running_on(stopped.data) as again:
        again.password = stopped.password
        again.log_in().close()
        assert b'"findings": []' in again.cli("events", "verify", "--json").stdout


def test_a_missing_master_key_is_refused_and_not_made_anew(stopped):
    file = stopped.data / "master.key"
    right = file.read_bytes()
    file.unlink()

    assert refused(stopped) == (
        f"{file} is missing, and the store cannot be read without it: restore it from a backup.\n"
    )
    assert not file.exists()
    file.write_bytes(right)


# MongoDB ------------------------------------------------------------------------------------------------------


class Services:
    """The processes of a production system, each a command of its own, by the URLs of servers."""

    def __init__(self, folder: Path, mongo: str, redis: str) -> None:
        self.folder = folder
        self.port = reserved_port()
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RUNLEDGER_")}
        self.environment = ours | {
            "RUNLEDGER_DATA": str(folder),
            "RUNLEDGER_PORT": str(self.port),
            "RUNLEDGER_MONGO_URL": mongo,
            "RUNLEDGER_REDIS_URL": redis,
            "RUNLEDGER_KAFKA_SERVERS": f"127.0.0.1:{reserved_port()}",
            "RUNLEDGER_MASTER_KEY": KEY.hex(),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> Path:
        """Returns the file of what it says."""
        said = self.folder / f"{arguments[0]}.said"
        with said.open("wb") as output:
            self.started.append(subprocess.Popen([CLI, *arguments], env=self.environment, stdout=output, stderr=output))
        return said

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CLI, *arguments],
            env=self.environment | environment,
            capture_output=True,
            check=False,
            timeout=SECONDS,
            text=True,
        )

    def do(self, *arguments: str, **environment: str) -> str:
        """What a command prints that succeeds."""
        done = self.call(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def readiness(self) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=30).status_code
        except httpx.ConnectError:
            return 0

    def stop(self) -> None:
        for process in self.started:
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            assert process.wait(SECONDS) in {0, -signal.SIGTERM}, process.args


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Running]:
    with running(Redis.create(tmp_path, reserved_port()), tmp_path) as server:
        yield server


@pytest.fixture
def services(tmp_path: Path, redis: Running) -> Iterator[Services]:
    started = Services(tmp_path, secantus(tmp_path).address(), redis.address)
    yield started
    started.stop()


def test_services_wait_for_a_mongo_that_is_not_there_yet_and_commands_say_so(services, tmp_path):
    mongo = secantus(tmp_path)
    address = f"mongodb://127.0.0.1:{mongo.port}/?directConnection=true&retryWrites=false"
    services.environment["RUNLEDGER_MONGO_URL"] = address
    sentence = (
        f"The event store at {address} cannot be reached: 127.0.0.1:{mongo.port}: [Errno 111] Connection refused. "
    )

    done = services.call("events", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{sentence}Start it, or correct RUNLEDGER_MONGO_URL.\n"

    api, worker = services.start("api"), services.start("worker", "relay,projections")
    for said in (api, worker):
        until(lambda said=said: sentence in said.read_text(), "it says nothing")
        assert "It is tried again every 2 s." in said.read_text()
        assert "Traceback" not in said.read_text()

    with running(mongo, tmp_path) as server:
        services.do("init")
        until(lambda: services.readiness() == 200, "it does not find the store")
        server.kill()
        assert services.readiness() == 503
        refusal = register(services)
        assert refusal.status_code == 503
        assert refusal.json()["detail"].startswith("The event store cannot be reached; nothing was changed.")
        server.start()
        until(lambda: services.readiness() == 200, "it does not find the store again")
        assert register(services).status_code == 201
        services.do("events", "verify")
        services.stop()
        services.started.clear()


def register(services: Services) -> httpx.Response:
    url = f"http://127.0.0.1:{services.port}/api/v1/auth/register"
    body = {"username": "ada@example.org", "password": "a long pass phrase"}
    return httpx.post(url, json=body, headers={"X-Requested-With": "runledger"}, timeout=60)


def test_services_refuse_a_wrong_master_key_at_once(services, tmp_path):
    mongo = secantus(tmp_path)
    services.environment["RUNLEDGER_MONGO_URL"] = mongo.address()
    with running(mongo, tmp_path):
        services.do("init")
        for command in (["api"], ["worker", "relay"], ["keys", "rotate"]):
            done = services.call(*command, RUNLEDGER_MASTER_KEY=OTHER.hex())
            assert done.returncode == 1
            assert f"by the master key {key_id(KEY)}, but given was {key_id(OTHER)}." in done.stderr
            assert "Traceback" not in done.stderr
        listed = services.call("keys", "list", RUNLEDGER_MASTER_KEY=OTHER.hex())
        assert "not given: what it wraps cannot be read" in listed.stdout
        rotated = services.do(
            "keys", "rotate", RUNLEDGER_MASTER_KEY=OTHER.hex(), RUNLEDGER_PREVIOUS_MASTER_KEYS=KEY.hex()
        )
        assert "Now take the old one out of previous_master_keys and restart" in rotated
        again = services.call("keys", "rotate", RUNLEDGER_MASTER_KEY=OTHER.hex())
        assert again.returncode == 1
        assert "Put a new one in its place" in again.stderr
