"""Private content is nowhere in the open, gone when its key is gone, and survives a new master key."""

import base64
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import bson
import httpx
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from adapters.kafka.topics import EVENTS
from adapters.mongo.secrets.keyring import Keyring
from application.ports.seals import WrongMasterKey
from ops.containers.workers import Workers
from tests.faults.checker import check_ledger, container_of
from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.security.spellings import spellings
from tests.system import CLI, System

SECONDS = 30.0
PASSWORD = "a long pass phrase"
SCRIPT = """
import sys
print("{output}")
print(sys.stdin.read(), file=sys.stderr)
print("{output}" * int("{times}"))
# {script}
"""
TIMES = {"small": 1, "large": 20_000}
"""Small content stands in the event itself, large content in chunks."""


def secret(what: str) -> str:
    """Unmistakable."""
    return f"private-{what}-{uuid.uuid4().hex}"


class Person(NamedTuple):
    client: httpx.Client
    id: UUID
    email: str
    runs: dict[str, str]
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def store(running_system: System) -> Workers:
    return container_of(running_system)


@pytest.fixture(scope="module")
def heard(store: Workers) -> Iterator[list[bytes]]:
    """All that was published in Redis while the tests ran."""
    messages: list[bytes] = []
    pubsub = store.redis().pubsub()
    pubsub.psubscribe(**{"*": lambda message: messages.append(message["data"])})
    listening = pubsub.run_in_thread(sleep_time=0.05, daemon=True)
    yield messages
    listening.stop()
    listening.join()


@pytest.fixture(scope="module")
def person(running_system: System, heard: list[bytes]) -> Iterator[Person]:
    """Somebody who has done everything that private content goes into, well and wrong."""
    client = running_system.client()
    email = f"{secret('name')}@example.org"
    secrets = {"e-mail": email} | {
        what: secret(what) for what in ("script", "stdin", "env", "output", "refused", "password")
    }
    me = client.post("/auth/register", json={"username": email, "password": PASSWORD}).json()
    runs = {}
    for size, times in TIMES.items():
        script = SCRIPT.format(times=times, script=secrets["script"] * times, output=secrets["output"])[:49_000]
        stdin = secrets["stdin"] * (times if times == 1 else 5_000)
        runs[size] = execute(client, script, stdin=stdin, env={"GIVEN": secrets["env"]})
        assert result_of(client, runs[size])["status"] == "succeeded"
    do_it_wrong(client, running_system, secrets)
    yield Person(client, UUID(me["id"]), email, runs, secrets)
    client.close()


def do_it_wrong(client: httpx.Client, system: System, secrets: dict[str, str]) -> None:
    """Requests that are refused must not be told to a log either."""
    refused = secrets["refused"]
    assert client.post("/execute", json={"language": refused, "script": refused}).status_code == 422
    assert client.post("/execute", json={"language": "python", "script": refused * 2_000}).status_code == 422
    assert client.post("/execute", json={"language": "python", refused: refused}).status_code == 422
    wrong_name = {"language": "python", "script": "", "env": {f"1{refused}": refused}}
    assert client.post("/execute", json=wrong_name).status_code == 422
    assert client.post("/execute", content=f'{{"{refused}', headers={"Content-Type": "application/json"}).is_error
    assert client.get(f"/executions/{refused}").status_code == 404
    with system.client() as stranger:
        wrong = {"username": secrets["e-mail"], "password": secrets["password"]}
        assert stranger.post("/auth/login", json=wrong).status_code == 401
        assert stranger.post("/auth/register", json=wrong).status_code == 409
    assert system.cli("run", "-", "--language", refused, input=refused.encode()).returncode == 125


# Where it could lie -------------------------------------------------------------------------------------------


def files(system: System) -> Iterator[tuple[str, bytes]]:
    """Of Mongo, of Redis, of the sandboxes, every log and trace, and what `up` has printed."""
    for file in [system.said, *system.data.rglob("*")]:
        if file.is_file() and not file.is_symlink():
            yield str(file), file.read_bytes()


def documents(store: Workers) -> Iterator[tuple[str, bytes]]:
    """Every document of every collection: the files may be compressed, these are not."""
    for name in store.database().list_collection_names():
        for document in store.database()[name].find():
            yield f"collection {name}", bson.encode(document, codec_options=store.database().codec_options)


def redis_values(store: Workers, heard: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    redis: Any = store.redis()
    for key in redis.scan_iter():
        kind = redis.type(key).decode()
        assert kind in {"stream", "string"}, f"{key} is a {kind}; read it here as well"
        entries = redis.xrange(key) if kind == "stream" else [("", {"": redis.get(key)})]
        for _, entry in entries:
            yield f"Redis key {key}", b"\n".join(entry.values())
    for message in heard:
        yield "Redis message", message


def records(system: System, store: Workers) -> Iterator[tuple[str, bytes]]:
    """All of the topic, from its beginning to its end."""
    consumer = Consumer({"bootstrap.servers": system.running.kafka_servers, "group.id": uuid.uuid4().hex})
    lanes = [TopicPartition(EVENTS, lane, OFFSET_BEGINNING) for lane in range(store.log().lanes)]
    ends = {lane.partition: consumer.get_watermark_offsets(lane, timeout=10)[1] for lane in lanes}
    consumer.assign(lanes)
    while any(ends.values()):
        record: Any = consumer.poll(10)
        assert record is not None, "the topic cannot be read to its end"
        parts = [
            record.key(),
            record.value(),
            *(part for name, value in record.headers() for part in (name.encode(), value)),
        ]
        yield f"Kafka record {record.partition()}/{record.offset()}", b"\n".join(parts)
        if record.offset() + 1 >= ends[record.partition()]:
            ends[record.partition()] = 0
    consumer.close()


def everywhere(system: System, store: Workers, heard: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    yield from files(system)
    yield from documents(store)
    yield from redis_values(store, heard)
    yield from records(system, store)


def found(places: Iterable[tuple[str, bytes]], text: str) -> list[str]:
    needles = spellings(text)
    return sorted({place for place, content in places if any(needle in content for needle in needles)})


# Nowhere in the open ------------------------------------------------------------------------------------------


def test_the_search_finds_what_lies_in_the_open(running_system, store, heard, person):
    """Else the next test could not fail."""
    open_text = secret("control")
    store.database().control.insert_one({"text": open_text})
    store.redis().set("control", base64.b64encode(f"?{open_text}?".encode()))
    store.redis().publish("control", open_text.encode("utf-16-le"))
    (running_system.data / "logs" / "control").write_text(open_text.encode().hex())
    until(lambda: any("control" in message.decode(errors="ignore").replace("\0", "") for message in heard[-5:]))
    places = found(everywhere(running_system, store, heard), open_text)
    store.database().drop_collection("control")
    store.redis().delete("control")
    (running_system.data / "logs" / "control").unlink()

    mongo = str(running_system.data / "mongo")
    assert {place if not place.startswith(mongo) else mongo for place in places} == {
        "collection control",
        mongo,
        "Redis key b'control'",
        "Redis message",
        str(running_system.data / "logs" / "control"),
    }
    its_own_and_those_of_its_place = found(records(running_system, store), person.runs["small"])
    assert len(its_own_and_those_of_its_place) >= 4 + 2


def test_its_owner_reads_what_nobody_else_can(person):
    assert person.client.get("/auth/me").json()["username"] == person.email
    for run in person.runs.values():
        shown = person.client.get(f"/executions/{run}").json()
        assert person.secrets["script"] in shown["script"]
        assert person.secrets["stdin"] in shown["stdin"]
        assert shown["env"] == {"GIVEN": person.secrets["env"]}
        messages = list(follow(person.client, run))
        assert person.secrets["output"].encode() in output_of(messages)
        assert person.secrets["stdin"].encode() in output_of(messages, stream=2)


@pytest.mark.parametrize("what", ["e-mail", "script", "stdin", "env", "output", "refused", "password"])
def test_private_content_is_nowhere_in_the_open(what, running_system, store, heard, person):
    """Neither in Mongo's files nor in its documents, nor in Kafka, Redis, logs, traces or what is left of sandboxes."""
    until(lambda: not store.sandbox().list())
    assert found(everywhere(running_system, store, heard), person.secrets[what]) == []


def until(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


# A new master key ---------------------------------------------------------------------------------------------


def test_the_master_key_is_rotated_with_the_system_running(running_system, store, person):
    """Killed several times in the middle, too: nobody notices."""
    before = (running_system.data / "master.key").read_bytes()
    for _ in range(300):
        store.seals().seal(uuid.uuid4(), b"somebody's")
    with busy(running_system, person) as problems:
        first = running_system.cli("keys", "rotate")
        for tenths in range(4, 14):
            rotating = subprocess.Popen([CLI, "keys", "rotate"], env=running_system.environment)
            time.sleep(tenths / 10)
            rotating.kill()
            rotating.wait()
        done = running_system.cli("keys", "rotate", "--json")
    assert problems == []
    assert first.returncode == 0, first.stderr
    assert done.returncode == 0, done.stderr

    after = (running_system.data / "master.key").read_bytes()
    assert len(after) == 32
    (listed,) = json.loads(running_system.cli("keys", "list", "--json").stdout)
    assert listed["id"] == json.loads(done.stdout)["master_key"]
    assert listed["is_in_charge"]
    assert listed["is_given"]
    assert listed["data_keys"] > 300
    with pytest.raises(WrongMasterKey):
        Keyring(store.database(), lambda: [before]).names_secret()
    check_ledger(store)
    for place, content in everywhere(running_system, store, []):
        assert after not in content or place.endswith("master.key"), place


class busy:  # noqa: N801 - it reads as a statement
    """Somebody logs in, runs scripts and reads old runs meanwhile. Gives the list of what went wrong."""

    def __init__(self, system: System, person: Person) -> None:
        self._system = system
        self._person = person
        self._is_over = threading.Event()
        self._problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(one,)) for one in (self._log_in, self._run, self._read)
        ]

    def __enter__(self) -> list[str]:
        for thread in self._threads:
            thread.start()
        return self._problems

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, act) -> None:
        times = 0
        while not self._is_over.is_set():
            try:
                act()
                times += 1
            except Exception as problem:  # noqa: BLE001 - whatever it is, it is the finding
                self._problems.append(repr(problem))
        if times == 0:
            self._problems.append(f"{act.__name__} was never done")

    def _log_in(self) -> None:
        with self._system.client() as client:
            login = {"username": self._person.email, "password": PASSWORD}
            assert client.post("/auth/login", json=login).json()["id"] == str(self._person.id)
            new = {"username": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
            assert client.post("/auth/register", json=new).status_code == 201
            assert client.get("/auth/me").json()["username"] == new["username"]

    def _run(self) -> None:
        client = self._person.client
        assert result_of(client, execute(client, "print(1)"))["status"] == "succeeded"

    def _read(self) -> None:
        for run in self._person.runs.values():
            assert self._person.secrets["script"] in self._person.client.get(f"/executions/{run}").json()["script"]
        time.sleep(0.05)


# Forgotten ----------------------------------------------------------------------------------------------------


def test_without_its_key_content_is_erased_and_all_else_works(running_system, store, person):
    store.seals().erase(person.id)
    with running_system.client() as admin:
        login = {"username": running_system.username, "password": running_system.password}
        assert admin.post("/auth/login", json=login).status_code == 200
        for run in person.runs.values():
            until(lambda run=run: admin.get(f"/executions/{run}").status_code == 410)
            assert admin.get(f"/executions/{run}/output/stdout").status_code == 410
            assert len(admin.get(f"/executions/{run}/events").json()["items"]) == 4
        for event in json.loads(
            running_system.cli("events", "list", "--stream", person.runs["large"], "--json").stdout
        ):
            shown = running_system.cli("events", "show", event["position"], "--open", "--json")
            assert shown.returncode == 0
            states = {field["state"] for field in json.loads(shown.stdout)["data"].values() if is_content(field)}
            assert states <= {"erased"}
        assert result_of(admin, execute(admin, "print('still here')"))["status"] == "succeeded"
    assert person.client.get("/auth/me").status_code == 410
    check_ledger(store)
    until(lambda: not any(p["lag"] for p in json.loads(running_system.cli("status", "--json").stdout)["projections"]))
    for what in ("script", "stdin", "output", "e-mail"):
        assert found(documents(store), person.secrets[what]) == []


def is_content(field: Any) -> bool:
    return isinstance(field, dict) and "state" in field
