"""The library alone: an application of one's own, with nothing but the environment; and what can be wrong with it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.cipher import AESCipher
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DataError,
    InfrastructureFactoryError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.utils import Environment

from adapters.mongo.connection import connect
from adapters.mongo.persistence import Factory
from tests.servers import running, secantus

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-library-alone.md"
PROGRAM, VIEW = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Dog(Aggregate):
    def __init__(self, name: str = "Fido") -> None:
        self.name = name
        self.tricks = 0

    @event("TrickAdded")
    def add_trick(self) -> None:
        self.tricks += 1


class Kennel(Application):
    """An application of one's own."""


# The page -----------------------------------------------------------------------------------------------------


def test_the_pages_application_keeps_its_money_whatever_is_killed(tmp_path, library):
    (tmp_path / "bank.py").write_text(PROGRAM)
    with running(secantus(tmp_path), tmp_path) as server:
        env = os.environ | library | {"MONGO_URL": server.address, "MONGO_DATABASE": "bank"}
        for deposited in (500, 1_000):
            code = 'import bank; print(bank.Bank().deposit("alice", 500))'
            ended = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, check=False
            )
            assert (ended.stdout.decode().strip(), ended.stderr) == (str(deposited), b"")
            server.kill()
            server.start()
        client = connect(server.address)
        assert {one["z"] for one in client["bank"]["bank.commits"].find()} == {2, 3}
        client.close()


def test_an_application_that_nobody_closes_ends_quietly(tmp_path, library):
    (tmp_path / "bank.py").write_text(PROGRAM)
    code = "import bank\ndef helper(): pass\napp = bank.Bank(); print(app.deposit('alice', 500))"
    command = [sys.executable, "-c", code]
    printed = subprocess.check_output(command, cwd=tmp_path, stderr=subprocess.STDOUT)
    assert printed.decode() == "500\n"


def test_the_pages_view_changes_with_what_it_has_followed(database):
    made: dict = {}
    exec(VIEW, made)
    deposits = made["Deposits"](database)
    deposits.add(500, Tracking("Bank", 1))
    deposits.add(300, Tracking("Bank", 2))
    assert database.deposits.find_one({"_id": "all"})["cents"] == 800
    assert deposits.max_tracking_id("Bank") == 2


# Applications -------------------------------------------------------------------------------------------------


def test_applications_in_one_database_have_logs_of_their_own(library, database):
    class Cattery(Application):
        """Another one."""

    kennel, cattery = Kennel(), Cattery()
    dog, cat = Dog(), Dog()
    assert kennel.save(dog)[0].notification.id == cattery.save(cat)[0].notification.id == 1
    assert [one.originator_id for one in kennel.recorder.select_notifications(None, 10)] == [dog.id]
    assert database["kennel.commits"].count_documents({}) == database["cattery.commits"].count_documents({}) == 1


def test_snapshots_lie_beside_the_log(library, database):
    kennel, dog = Kennel(env={"IS_SNAPSHOTTING_ENABLED": "y"}), Dog()
    dog.add_trick()
    kennel.save(dog)
    kennel.take_snapshot(dog.id)
    dog.add_trick()
    kennel.save(dog)
    assert kennel.repository.get(dog.id).tricks == 2
    assert kennel.recorder.max_notification_id() == 3
    assert database["kennel.snapshots.commits"].count_documents({}) == 1


def test_snapshots_are_found_across_the_gaps_between_them(library):
    recorder = Factory(library).aggregate_recorder("snapshots")
    stream = uuid4()
    taken = [StoredEvent(stream, version, "Snapshot", b"{}") for version in (2, 4, 40)]
    for snapshot in taken:
        recorder.insert_events([snapshot])
    assert recorder.select_events(stream, gt=1) == taken
    assert recorder.select_events(stream, gt=2, desc=True, limit=1) == taken[2:]


@pytest.mark.parametrize("settings", [{}, {"CIPHER_KEY": AESCipher.create_key(16)}, {"COMPRESSOR_TOPIC": "zlib"}])
def test_events_are_encrypted_or_compressed_as_the_environment_says(library, database, settings):
    kennel, dog = Kennel(env=settings), Dog(name="Fido" * 50)
    kennel.save(dog)
    stored = database["kennel.commits"].find_one({"_id": 1})["e"][0]["d"]
    assert (b"FidoFido" in stored) == (settings == {})
    assert (len(stored) < 200) == ("COMPRESSOR_TOPIC" in settings)
    assert kennel.repository.get(dog.id).name == dog.name


def test_an_application_may_have_settings_of_its_own(library, database, monkeypatch):
    monkeypatch.setenv("MONGO_DATABASE", "elsewhere")
    monkeypatch.setenv("KENNEL_MONGO_DATABASE", database.name)
    Kennel().save(Dog())
    assert database["kennel.commits"].count_documents({}) == 1


def test_notifications_are_read_to_the_end_beside_what_other_processes_write(library):
    kennel, other = Kennel(), Kennel()
    for application in (kennel, kennel, other):
        application.save(Dog())
    assert [one.id for one in kennel.recorder.select_notifications(None, 10)] == [1, 2, 3]


# Settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["MONGO_URL", "MONGO_DATABASE"])
def test_a_missing_setting_is_named_in_both_spellings(library, monkeypatch, key):
    monkeypatch.setenv(key, "")
    with pytest.raises(OSError, match=f"KENNEL_{key} or {key} is not set: set it, for example to "):
        Kennel()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "must begin with 'mongodb://'"),
        ("mongodb://", "at least one hostname"),
        ("mongodb://127.0.0.1:99999/", "Port must be an integer"),
        ("mongodb://user:secret@word@127.0.0.1/", "must be escaped"),
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_its_password(library, monkeypatch, url, why):
    monkeypatch.setenv("MONGO_URL", url)
    with pytest.raises(OSError, match=f"MONGO_URL cannot be used: .*{why}.*; write it like mongodb://") as caught:
        Kennel()
    assert "secret" not in str(caught.value)


def test_a_database_name_that_mongodb_does_not_take_is_refused(library, monkeypatch):
    monkeypatch.setenv("MONGO_DATABASE", "my bank")
    with pytest.raises(OSError, match="MONGO_DATABASE is 'my bank', which MongoDB does not take"):
        Kennel()


def test_an_application_name_that_cannot_name_collections_is_refused(library):
    with pytest.raises(OSError, match="the application's name cannot name its collections"):
        Factory(Environment("Cash$", library))


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("nowhere:Recorder", "which cannot be imported"),
        ("eventsourcing.popo:POPOProcessRecorder", "which is no MongoProcessRecorder"),
        ("adapters.mongo.library.recorders:MongoApplicationRecorder", "which is no MongoProcessRecorder"),
    ],
)
def test_a_recorder_class_that_does_not_fit_is_refused(library, topic, why):
    with pytest.raises(InfrastructureFactoryError, match=f"PROCESS_RECORDER_TOPIC names {topic}, {why}"):
        Factory(library | {"PROCESS_RECORDER_TOPIC": topic}).process_recorder()


# Events -------------------------------------------------------------------------------------------------------


def test_a_stream_whose_id_is_no_uuid_is_refused_with_a_way_out(library):
    recorder = Factory(library).application_recorder()
    way_out = r"a stream's id is a UUID, not 'fido': give the aggregate one, for example uuid5\(NAMESPACE_URL, 'fido'\)"
    with pytest.raises(ProgrammingError, match=way_out):
        recorder.insert_events([StoredEvent("fido", 1, "Dog.Registered", b"{}")])
    with pytest.raises(ProgrammingError, match=way_out):
        recorder.select_events("fido")
    assert recorder.max_notification_id() is None


def test_more_events_than_one_commit_holds_are_refused_together(library):
    kennel, dog = Kennel(), Dog()
    for _ in range(1_000):
        dog.add_trick()
    with pytest.raises(DataError, match="a commit holds 1 to 1000 events, not 1001: save fewer aggregates"):
        kennel.save(dog)
    assert kennel.recorder.max_notification_id() is None


# A server that is away ----------------------------------------------------------------------------------------


def errors(*attempts: Callable[[], object]) -> list[BaseException | None]:
    """What each one raises, all at the same time."""
    with ThreadPoolExecutor(len(attempts)) as threads:
        return [one.exception() for one in [threads.submit(attempt) for attempt in attempts]]


def test_an_application_starts_once_the_server_is_there(tmp_path, library, monkeypatch):
    with running(secantus(tmp_path), tmp_path) as server:
        monkeypatch.setenv("MONGO_URL", server.address)
        server.kill()
        factory = Factory(os.environ)
        begun = monotonic()
        for error in errors(Kennel, factory.application_recorder):
            assert isinstance(error, OperationalError)
            assert "no MongoDB answers at MONGO_URL: start it, or correct it" in str(error)
        assert monotonic() - begun < 20
        server.start()
        with Kennel() as kennel:
            assert kennel.save(Dog())[0].notification.id == 1
            assert factory.application_recorder().max_notification_id() is None
            factory.close()


def test_a_server_that_refuses_is_not_said_to_be_away(library, monkeypatch, database):
    monkeypatch.setenv("MONGO_DATABASE", "x" * 65)
    with pytest.raises(OperationalError, match=f"the database {'x' * 65} cannot be used"):
        Kennel()


def test_a_running_application_goes_on_when_the_server_is_back(tmp_path, library, monkeypatch):
    with running(secantus(tmp_path), tmp_path) as server:
        monkeypatch.setenv("MONGO_URL", server.address)
        kennel, dog = Kennel(), Dog()
        kennel.save(dog)
        server.kill()
        for error in errors(lambda: kennel.save(Dog()), lambda: kennel.repository.get(dog.id)):
            assert isinstance(error, OperationalError)
        server.start()
        dog.add_trick()
        assert kennel.save(dog)[0].notification.id == 2
        assert kennel.repository.get(dog.id).tricks == 1
        kennel.close()
