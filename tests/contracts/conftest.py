"""Servers for the contract suites: started once, with a database of its own for each test."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.persistence import Factory
from tests.servers import Running, kafka, running, secantus

ROOT = Path(__file__).parents[2]
Started = subprocess.Popen[str]


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("mongo")
    with running(secantus(folder), folder) as server:
        yield server


@pytest.fixture
def database(mongo_server: Running) -> Iterator[Database[dict[str, Any]]]:
    client = connect(mongo_server.address)
    yield client[f"test_{uuid4().hex}"]
    client.close()


@pytest.fixture
def journal(database: Database[dict[str, Any]]) -> Iterator[Journal]:
    opened = Journal(database)
    yield opened
    opened.close()


@pytest.fixture
def log(journal: Journal) -> MongoEventLog:
    return MongoEventLog(journal)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Running]:
    """The embedded Kafka."""
    with running(kafka(tmp_path), tmp_path) as server:
        yield server


@pytest.fixture
def library(
    mongo_server: Running, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The environment of the `eventsourcing` library alone; all its factories are closed in the end."""
    env = {
        "PERSISTENCE_MODULE": "adapters.mongo.persistence",
        "MONGO_URL": mongo_server.address,
        "MONGO_DATABASE": database.name,
    }
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    made: list[Factory] = []
    make = Factory.__init__
    monkeypatch.setattr(Factory, "__init__", lambda factory, env: make(factory, env) or made.append(factory))
    yield env
    for factory in made:
        factory.close()


@pytest.fixture
def start(mongo_server: Running, database: Database[dict[str, Any]]) -> Iterator[Callable[..., Started]]:
    """Starts a program of these tests on the database; returns when it has said that it is at it.

    `wrapped` is the command that starts it, where it is to see another machine than this.
    """
    started: list[Started] = []

    def start(module: str, *arguments: str, wrapped: tuple[str, ...] = ()) -> Started:
        program = [sys.executable, "-m", f"tests.contracts.{module}", mongo_server.address, database.name, *arguments]
        started.append(subprocess.Popen([*wrapped, *program], stdout=subprocess.PIPE, text=True, cwd=ROOT))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline(), "it has ended"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
