"""kill -9 of processes that write to the same streams, the leader of the writers among them, beside a reader."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from adapters.embedded.redis import Redis
from adapters.embedded.server import free_port
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from tests.faults import checker, history
from tests.faults.history import Outcome, Told
from tests.faults.processes import program, wait_until
from tests.servers import Running, running, secantus

PROCESSES, THREADS, KILLS = 3, 8, 10
TERM_SECONDS = 1.0
"""Of the leader's lease, so that it changes hands while processes live a second or two."""
ANSWERS_EACH_LIFE = 20
LONGEST_LIFE_SECONDS = 2 * TERM_SECONDS
"""At most so long it goes on after these answers, so that some lead and some hand over before they are killed."""
LEADERS = 4
"""So many processes led, at least."""
HANDED = 20
"""So many commits were handed over, at least."""
MOST_KILLS = 60
"""Of each: a busy machine may need more than `KILLS` before that many have led and handed over."""


@pytest.fixture
def server(tmp_path):
    with running(secantus(tmp_path), tmp_path) as started:
        yield started


@pytest.fixture(params=["socket", "redis"])
def word(request, tmp_path):
    """The way to the leader, as `tests.ways` takes it."""
    if request.param == "socket":
        yield request.param
        return
    with running(Redis.create(tmp_path, free_port()), tmp_path) as started:
        yield started.address


def stored(path: Path) -> int:
    """The number of acknowledgements, counted without reading each."""
    return path.read_bytes().count(b'"stored"') if path.exists() else 0


def live_and_die(server: Running, notes: Path, word: str, is_enough: Callable[[], bool]) -> None:
    """One writer process, killed -9 again and again, each time in the middle of its work."""
    for kill in range(1, MOST_KILLS + 1):
        before = stored(notes)
        with program("writing", server.address, "log", notes, str(THREADS), str(TERM_SECONDS), word):
            wait_until(lambda: stored(notes) >= before + ANSWERS_EACH_LIFE, "a writer's acknowledgements")  # noqa: B023
            time.sleep(Random().uniform(0, LONGEST_LIFE_SECONDS))
        if kill >= KILLS and is_enough():
            return


def test_writers_and_their_leaders_are_killed_and_nothing_is_lost_doubled_or_out_of_order(tmp_path, server, word):
    writers, reader = [tmp_path / f"writer-{number}" for number in range(PROCESSES)], tmp_path / "reader"
    client = connect(server.address)
    journal = Journal(client["log"])
    log = MongoEventLog(journal)

    def has_led_and_handed() -> bool:
        handed = sum(path.stat().st_size for path in tmp_path.glob("*.handed"))
        return client["log"].leases.find_one({"_id": "writer"})["epoch"] >= LEADERS and handed >= HANDED

    with program("tailing", server.address, "log", reader), ThreadPoolExecutor(PROCESSES) as killers:
        list(killers.map(lambda notes: live_and_die(server, notes, word, has_led_and_handed), writers))
        wait_until(lambda: len(history.read(reader)) >= log.head(), "the reader's last event")
    checker.check_log(client["log"])
    events = checker.read_all(log)
    notes = [note for path in writers for note in history.read(path)]
    checker.check_told(events, notes)
    checker.check_reader(events, history.read(reader))
    assert any(isinstance(note, Told) and note.outcome is Outcome.REFUSED for note in notes), "no conflict was tried"
    assert has_led_and_handed()
    journal.close()
    client.close()
