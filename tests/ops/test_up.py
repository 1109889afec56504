"""`up` as one sees it from outside: refused with words, or running, and gone when it is told to go."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.embedded.kafka import Kafka
from adapters.embedded.redis import Redis
from adapters.embedded.secantus import Secantus
from adapters.embedded.server import LOOPBACK, free_port
from ops.loading import load
from ops.up.folder import DataFolder
from ops.up.preparation import Preparation
from ops.up.refused import ProgramNotInstalled, ServerFailed, StoreBusy, StoreDamaged, StoreIncomplete
from ops.up.servers import Hosted, hosted
from ops.up.supervisor import Supervisor

KEY = b"k" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder(tmp_path / "data") as folder:
        yield folder


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(print) as supervisor:
        yield supervisor


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program holds."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def start(supervisor: Supervisor, server: Hosted) -> None:
    supervisor.start([server])
    assert supervisor.until(server.is_ready, 30)


def test_a_server_whose_url_is_given_is_not_started(folder):
    given = {"mongo_url": "mongodb://h/", "redis_url": "redis://h:1/0", "kafka_servers": "h:1"}
    names = {key: [server.name for server in hosted(load({}, **{key: url}), folder)] for key, url in given.items()}

    assert names == {
        "mongo_url": ["redis", "kafka"],
        "redis_url": ["mongo", "kafka"],
        "kafka_servers": ["mongo", "redis"],
    }
    assert hosted(load({}, **given), folder) == []


def test_a_missing_server_is_refused_and_says_what_to_do(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(ProgramNotInstalled, match=r"SecantusDB is not installed\. Run `make setup`, or give the URL"):
        hosted(load({}), folder)


@pytest.mark.parametrize("kind", ["mongo", "redis"])
def test_a_server_whose_port_another_was_faster_to_take_starts_on_a_free_one(supervisor, folder, taken, kind):
    ports = iter([taken, taken, free_port()])
    make = {
        "mongo": lambda: Secantus(folder.path / "mongo", next(ports)),
        "redis": lambda: Redis.create(folder.path, next(ports)),
    }
    server = Hosted(make[kind], folder)

    start(supervisor, server)

    assert server.tries == 3
    assert server.server.port != taken  # type: ignore[attr-defined]


def test_a_server_that_finds_no_free_port_is_given_up(supervisor, folder, taken):
    server = Hosted(lambda: Redis.create(folder.path, taken), folder)
    with pytest.raises(ServerFailed, match=r"redis does not start; .*/logs/redis\.log says why"):
        start(supervisor, server)


@pytest.mark.parametrize("file", ["WiredTiger.turtle", "WiredTiger.wt", "secantus_oplog.wt"])
def test_a_damaged_store_is_refused_at_once_and_names_its_log(folder, file):
    store = folder.path / "mongo"
    with Supervisor(print) as supervisor:
        start(supervisor, Hosted(lambda: Secantus(store, free_port()), folder))
    damaged = store / file
    damaged.write_bytes(os.urandom(damaged.stat().st_size))

    server = Hosted(lambda: Secantus(store, free_port()), folder)
    with Supervisor(print) as supervisor, pytest.raises(StoreDamaged, match=f"{store} cannot be opened.*mongo.log"):
        start(supervisor, server)

    assert server.tries == 1
    assert "WiredTigerError" in folder.log("mongo").read_text()


def test_a_store_that_is_open_elsewhere_is_not_called_damaged(folder, supervisor):
    store = folder.path / "mongo"
    start(supervisor, Hosted(lambda: Secantus(store, free_port()), folder))
    with Supervisor(print) as second, pytest.raises(StoreBusy, match=f"Another process has the store in {store} open"):
        start(second, Hosted(lambda: Secantus(store, free_port()), folder))


@pytest.mark.parametrize("file", ["WiredTiger", "WiredTiger.turtle", "WiredTiger.wt"])
def test_a_store_without_a_file_that_names_the_others_is_not_started_on(folder, file):
    store = folder.path / "mongo"
    with Supervisor(print) as supervisor:
        start(supervisor, Hosted(lambda: Secantus(store, free_port()), folder))
    (store / file).unlink()

    with pytest.raises(StoreIncomplete, match=f"The file {file} is missing from the store in {store}"):
        hosted(load({}), folder)


def test_a_store_that_was_never_finished_is_begun_again(folder, supervisor):
    (folder.path / "mongo").mkdir()
    (folder.path / "mongo" / "WiredTiger.lock").touch()
    start(supervisor, Hosted(lambda: Secantus(folder.path / "mongo", free_port()), folder))


def test_a_kafka_that_cannot_write_its_address_is_given_up(supervisor, folder):
    server = Hosted(lambda: Kafka(folder.path / "nowhere" / "address", {"events": 1}), folder)
    with pytest.raises(ServerFailed, match="kafka does not start"):
        start(supervisor, server)


def test_a_store_is_prepared_once_for_each_code_and_database(tmp_path):
    Preparation(load({}), tmp_path, [KEY]).record()

    assert Preparation(load({}), tmp_path, [KEY]).is_done
    assert not Preparation(load({}, mongo_database="other"), tmp_path, [KEY]).is_done
    assert not Preparation(load({}), tmp_path / "another-store", [KEY]).is_done
    assert not Preparation(load({}), tmp_path, [bytes(32)]).is_done


def test_a_store_is_prepared_again_by_changed_code(tmp_path, monkeypatch):
    code = tmp_path / "code"
    module = code / "domain" / "module.py"
    module.parent.mkdir(parents=True)
    module.write_text("one = 1")
    monkeypatch.setattr("ops.up.preparation.SOURCES", code)
    Preparation(load({}), tmp_path, [KEY]).record()

    assert Preparation(load({}), tmp_path, [KEY]).is_done

    module.write_text("one = 10")

    assert not Preparation(load({}), tmp_path, [KEY]).is_done


def test_a_real_mongo_is_prepared_at_each_start(tmp_path):
    settings = load({}, mongo_url="mongodb://h/")
    Preparation(settings, tmp_path, [KEY]).record()

    assert not Preparation(settings, tmp_path, [KEY]).is_done
    assert list(tmp_path.iterdir()) == []
