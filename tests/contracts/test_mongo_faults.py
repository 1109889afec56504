"""No hole, no duplicate, no lost acknowledgement: whoever is killed while several processes write."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from tests.servers import running, secantus

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(url, database, acknowledged, threads=4):
    command = [sys.executable, "-m", "tests.contracts.writing", url, database, str(threads)]
    with acknowledged.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def acknowledgements(*files: Path) -> dict[str, int]:
    """Complete lines alone: a process may be killed in the middle of one."""
    lines = [line.split() for file in files for line in file.read_text().splitlines(keepends=True) if line[-1] == "\n"]
    return {stream: int(position) for stream, position in lines}


def check(log: MongoEventLog, acknowledged: dict[str, int]) -> None:
    events = read_all(log)
    assert [event.position for event in events] == list(range(1, len(events) + 1)), "a hole, or out of order"
    places = {(str(event.stream), event.version): event.position for event in events}
    assert len(places) == len(events), "an event is there twice"
    for stream, position in acknowledged.items():
        assert places.get((stream, 2)) == position, "an acknowledged event is lost, or moved"
        assert places[stream, 1] == position - 1, "a commit is torn"


def read_all(log: MongoEventLog) -> Sequence:
    events: list = []
    while page := log.read(len(events), 1_000):
        events += page
    return events


def await_acknowledgements(file: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(acknowledgements(file)) < number:
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.02)


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "one", tmp_path / "two"
    for path in paths:
        path.touch()
    return paths


def test_killing_writers_while_others_write(mongo_server, database, journal, files):
    one, two = files
    with ExitStack() as processes:
        processes.enter_context(writer(mongo_server.address, database.name, one))
        for round in range(1, 4):
            with writer(mongo_server.address, database.name, two):
                await_acknowledgements(two, 40 * round)
        await_acknowledgements(one, 100)
    check(MongoEventLog(journal), acknowledgements(one, two))


def test_killing_the_server_while_processes_write(tmp_path, files):
    one, two = files
    with running(secantus(tmp_path), tmp_path) as server, ExitStack() as processes:
        for file in files:
            processes.enter_context(writer(server.address, "log", file))
        for round in range(1, 3):
            await_acknowledgements(one, 40 * round)
            server.kill()
            server.start()
        await_acknowledgements(one, 150)
        await_acknowledgements(two, 150)
        processes.close()
        client = connect(server.address)
        journal = Journal(client["log"])
        check(MongoEventLog(journal), acknowledgements(one, two))
        journal.close()
        client.close()
