"""What a process stores for all it hears at once; what others store reaches it by its lane."""

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from adapters.mongo.commits.commits import Line
from adapters.mongo.log import listening
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.listening import Listening
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing.bell import Bell
from application.ports.log import Recorded
from tests.contracts.event_log import OPERATOR, new_user
from tests.faults.processes import wait_until


@pytest.fixture
def journal(database: Database[dict[str, Any]]) -> Iterator[Journal]:
    """With a bell that its own writer alone rings."""
    opened = Journal(database, bell_of=lambda _store: Bell())
    yield opened
    opened.close()


@pytest.fixture
def listen(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Recorded]]]:
    """Only rung, never looking by itself."""
    monkeypatch.setattr(listening, "LOOK_SECONDS", 60.0)
    stop = Event()
    threads = []

    def start() -> list[Recorded]:
        heard: list[Recorded] = []
        threads.append(Thread(target=Listening(journal, heard.extend).run, args=(stop,)))
        threads[-1].start()
        return heard

    yield start
    stop.set()
    journal.bell.wake()
    for thread in threads:
        thread.join()


def test_each_event_is_heard_once_and_in_order(log, listen):
    heard = listen()
    saved = [log.save(OPERATOR, new_user()) for _ in range(3)]
    wait_until(lambda: [event.position for event in heard] == saved, "all are heard")
    assert heard == list(log.read(0, 10))


def test_what_another_process_stores_in_between_is_left_out(log, database, listen):
    heard = listen()
    first = log.save(OPERATOR, new_user())
    other = Journal(database)
    MongoEventLog(other).save(OPERATOR, new_user())
    other.close()
    last = log.save(OPERATOR, new_user())
    wait_until(lambda: [event.position for event in heard] == [first, last], "its own are heard")


def test_an_event_that_cannot_be_read_holds_up_no_other(journal, log, listen):
    heard = listen()
    journal.append([Line(uuid4(), 1, "Happened", 0, b"no envelope")])
    last = log.save(OPERATOR, new_user())
    wait_until(lambda: [event.position for event in heard] == [last], "what can be read is heard")
