"""Servers for the contract suites: started once, with a database of its own for each test."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from adapters.mongo.connection import connect
from adapters.mongo.journal import Journal
from tests.servers import Running, running, secantus


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
