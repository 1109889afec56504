"""The long work of a rebuild in processes: begun again when one is killed, ended with whoever asked for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest

from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from application.ports.log import LogUnavailable
from application.progress import tell_nobody
from ops import hands
from ops.hands import Processes
from projections.execution_history import PROJECTION
from projections.hands import Own
from projections.rebuild import Stopped
from tests.contracts.event_log import OPERATOR
from tests.faults.processes import wait_until
from tests.projections.test_folds import new_run
from tests.servers import running, secantus
from tests.shares import children, shares

RUNS = 60


@pytest.fixture(scope="module")
def mongo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mongo")
    with running(secantus(folder), folder) as server:
        yield server


@pytest.fixture
def log(mongo, monkeypatch, tmp_path):
    name = f"test_{uuid4().hex}"
    settings = {
        "MONGO_URL": mongo.address,
        "MONGO_DATABASE": name,
        "REDIS_URL": "redis://127.0.0.1:9",
        "DATA": tmp_path,
    }
    for key, value in settings.items():
        monkeypatch.setenv(f"RUNLEDGER_{key}", str(value))
    monkeypatch.setattr(hands, "FEW", 0)
    client = connect(mongo.address)
    journal = Journal(client[name])
    log = MongoEventLog(journal)
    for _ in range(RUNS):
        log.save(OPERATOR, new_run(uuid4()))
    yield log
    journal.close()
    client.close()


@pytest.fixture
def store(log):
    read_models = MongoReadModels(log._journal.database)
    read_models.generations.prepare([PROJECTION], {}, log.lanes)
    return read_models


@pytest.fixture
def processes(log, store):
    return Processes(Own(log, store, MongoStored(log._journal.database)), log.head, log.lanes, 2)


def test_all_lanes_are_folded_and_compared_by_several_processes(log, store, processes):
    generation = store.generations.begin(PROJECTION, uuid4(), log.lanes).number
    told = []
    processes.refold(PROJECTION, generation, log.head(), Event(), lambda *step: told.append(step))
    assert set(store.generations.positions(PROJECTION.name, generation).values()) == {log.head()}
    assert told[-1] == (log.head(), log.head())
    told.clear()
    found = processes.verify(PROJECTION, generation, Event(), lambda *step: told.append(step), is_full=True)
    assert told[-1] == (log.head(), log.head())
    assert (found.documents, found.findings) == (RUNS, ())
    assert shares() == []


def test_a_process_that_is_killed_is_begun_again(log, store, processes):
    generation = store.generations.begin(PROJECTION, uuid4(), log.lanes).number
    thread = Thread(target=processes.refold, args=(PROJECTION, generation, log.head(), Event(), tell_nobody))
    thread.start()
    wait_until(shares, "a process")
    for pid in shares():
        os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert set(store.generations.positions(PROJECTION.name, generation).values()) == {log.head()}


def test_whoever_is_told_to_stop_leaves_no_process_behind(log, store, processes):
    generation = store.generations.begin(PROJECTION, uuid4(), log.lanes).number
    stop, outcome = Event(), []

    def refold() -> None:
        try:
            processes.refold(PROJECTION, generation, log.head(), stop, tell_nobody)
        except Stopped:
            outcome.append("stopped")

    thread = Thread(target=refold)
    thread.start()
    wait_until(shares, "a process")
    stop.set()
    thread.join(20)
    assert outcome == ["stopped"]
    assert shares() == []


def test_a_store_that_is_gone_is_told_as_such(log, store, processes, monkeypatch):
    monkeypatch.setenv("RUNLEDGER_MONGO_URL", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200")
    with pytest.raises(LogUnavailable):
        processes.refold(PROJECTION, 1, log.head(), Event(), tell_nobody)


CHILD = """
import threading, time
from ops.share import _end_with_stdin
threading.Thread(target=_end_with_stdin, daemon=True).start()
print("begun", flush=True)
time.sleep(60)
"""
PARENT = """
import sys, threading
from ops.hands import _end_of
_end_of([sys.executable, "-c", sys.argv[1]], threading.Event(), print)
"""


def test_a_process_ends_with_the_one_that_began_it():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=Path(__file__).parents[2])
    wait_until(lambda: children(parent.pid), "a process")
    (child,) = children(parent.pid)
    time.sleep(1.0)
    parent.kill()
    parent.wait()
    wait_until(lambda: not _is_alive(child), "its end", 10)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
