"""A store with something that cannot be read: whoever wants that is told what to do, and everybody else goes on."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Line
from application.executions import id_of
from application.ports.log import Context
from domain.execution import Execution, Limits
from ops.containers.workers import Workers
from tests.faults.checker import container_of
from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.system import System, running_on

LARGE_SCRIPT = "print('done')\n#" + "x" * 40_000
"""Too large to stand in the event itself, so it lies in a chunk."""
LARGE_OUTPUT = "print('y' * 100_000)"
FORGETTING_SECONDS = 20.0
"""An opened key is used for five seconds; a lane that could not be read is tried again after five."""


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    """One of its own, for it does not stay sound."""
    with running_on(tmp_path_factory.mktemp("damaged") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def store(system) -> Workers:
    return container_of(system)


@pytest.fixture
def admin(system) -> Iterator[httpx.Client]:
    client = system.log_in()
    yield client
    client.close()


class Person:
    """Somebody new."""

    def __init__(self, system: System) -> None:
        self.login = {"username": f"{uuid.uuid4().hex}@example.org", "password": "a long pass phrase"}
        self.client = system.client()
        self.id = UUID(self.client.post("/auth/register", json=self.login).json()["id"])

    def run(self, script: str) -> str:
        """A run that has ended well."""
        id = execute(self.client, script)
        assert result_of(self.client, id)["status"] == "succeeded"
        return id


@pytest.fixture
def person(system) -> Iterator[Person]:
    new = Person(system)
    yield new
    new.client.close()


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["detail"]


def until(look: Callable[[], Any], expected: Any) -> None:
    deadline = time.monotonic() + FORGETTING_SECONDS
    while (found := look()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def key_in_lane(store: Workers, user: UUID, is_wanted: Callable[[int], bool]) -> str:
    """An idempotency key whose run is in such a lane."""
    keys = map(str, range(1000))
    return next(key for key in keys if is_wanted(store.journal().lane_of(id_of(user, key))))


# Events -------------------------------------------------------------------------------------------------------


def append(store: Workers, run: str, **changes: Any) -> int:
    """Store one more event of a run, as a newer version of this program might have written it."""
    last = store.log().history(UUID(run))[-1]
    asked = Execution.CancelRequested(originator_id=last.stream, originator_version=last.version + 1, timestamp=last.at)
    written = envelope.encode(Context("operator", last.at, uuid.uuid4()), asked, last.lane)
    changed = msgspec.json.decode(written) | changes
    data = msgspec.json.encode(changed, order="sorted")
    return store.journal().append([Line(last.stream, last.version + 1, changed["type"], last.lane, data)])


def upgrade(store: Workers, position: int) -> None:
    """As if this program knew the event now: it becomes one that it knows."""
    commits = store.database().commits
    commit = commits.find_one({"_id": position})
    known = {"type": "Execution.CancelRequested", "schema": 1}
    data = msgspec.json.encode(msgspec.json.decode(commit["e"][0]["d"]) | known)
    commits.update_one({"_id": position}, {"$set": {"e.0.t": known["type"], "e.0.d": data}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "Execution.Vanished"}, "Execution.Vanished: This event type is not known here"),
        ({"schema": 7}, "Execution.CancelRequested has schema version 7, and 1 is the newest known here"),
    ],
    ids=["unknown-type", "newer-schema"],
)
def test_an_event_of_a_newer_program_stops_the_readers_of_its_stream_alone(system, store, person, changes, words):
    run = person.run("print(1)")
    position = append(store, run, **changes)

    for method, path in [
        ("GET", f"/executions/{run}"),
        ("GET", f"/executions/{run}/events"),
        ("GET", f"/executions/{run}/output/stdout"),
        ("GET", f"/events/executions/{run}"),
        ("POST", f"/executions/{run}/cancel"),
    ]:
        status, detail = problem_of(person.client.request(method, path, json={} if method == "POST" else None))
        assert status == 500
        assert detail.startswith(f"The event at position {position} cannot be read. {words}")
        assert detail.endswith("upgrade this one.")
    shown = system.cli("executions", "show", run)
    assert (shown.returncode, shown.stderr.count(b"\n")) == (1, 1)
    assert words in shown.stderr.decode()
    assert json.loads(system.cli("events", "show", position, "--json").stdout)["stream"] == run
    verified = system.cli("events", "verify")
    assert verified.returncode == 1
    assert f"position {position}: " in verified.stdout.decode()

    lane = store.journal().lane_of(UUID(run))
    elsewhere = request(person, key_in_lane(store, person.id, lambda other: other != lane))
    assert result_of(person.client, elsewhere)["status"] == "succeeded"

    behind = request(person, key_in_lane(store, person.id, lambda other: other == lane))
    upgrade(store, position)
    assert result_of(person.client, behind)["status"] == "succeeded"
    assert person.client.get(f"/executions/{run}").status_code == 200
    assert json.loads(system.cli("events", "verify", "--json").stdout)["findings"] == []


def request(person: Person, key: str) -> str:
    """Accepted, whatever else cannot be read."""
    body = {"language": "python", "script": "print(2)"}
    answer = person.client.post("/execute", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return answer.json()["execution_id"]


# Content ------------------------------------------------------------------------------------------------------


def test_a_missing_chunk_is_told_to_whoever_wants_it_and_to_nobody_else(store, person):
    run = person.run(LARGE_SCRIPT)
    (chunk,) = store.log().history(UUID(run))[0].data.script.chunks
    store.database().chunks.delete_one({"_id": chunk})

    status, detail = problem_of(person.client.get(f"/executions/{run}"))
    assert status == 500
    assert chunk in detail
    assert detail.endswith("restore it from a backup.")
    assert [item["title"] for item in person.client.get("/executions").json()["items"]] == [None]
    assert person.client.get(f"/executions/{run}/events").status_code == 200
    assert person.client.get(f"/executions/{run}/output/stdout").content == b"done\n"
    person.run(LARGE_SCRIPT)


def test_a_damaged_output_is_told_in_its_stream_which_goes_on_to_the_end(system, store, person):
    run = person.run(LARGE_OUTPUT)
    (chunk,) = store.log().history(UUID(run))[-1].data.output.chunks
    whole = store.database().chunks.find_one({"_id": chunk})["sealed"]
    store.database().chunks.update_one({"_id": chunk}, {"$set": {"sealed": whole[:-1] + bytes([whole[-1] ^ 1])}})
    store.redis().flushall()  # the live output is kept for a minute

    messages = list(follow(person.client, run))
    (problem,) = [message.data for message in messages if message.event == "problem"]
    assert problem["status"] == 500
    assert "is not what was sealed; restore it from a backup." in problem["detail"]
    assert messages[-1].data["status"] == "succeeded"
    assert output_of(messages) == b""
    shown = system.cli("executions", "show", run, "--output", "stdout")
    assert (shown.returncode, shown.stdout, shown.stderr.decode()) == (1, b"", f"{problem['detail']}\n")
    status, detail = problem_of(person.client.get(f"/executions/{run}/output/stdout"))
    assert (status, detail) == (500, problem["detail"])


def test_a_run_whose_script_is_lost_ends_and_says_so(store, admin):
    owner = UUID(admin.get("/auth/me").json()["id"])
    sealed = store.seals().seal(owner, b"print(1)")
    lost = msgspec.structs.replace(sealed, box=b"", chunks=("0" * 64,))
    at = store.clock().now()
    (version,) = {row.version for row, reason in store.runtimes().rows if row.language == "bash" and reason is None}
    run = Execution(
        id=uuid.uuid4(),
        owner=owner,
        language="bash",
        version=version,
        script=lost,
        stdin=None,
        limits=Limits(),
        fingerprint="",
        timestamp=at,
    )
    store.log().save(Context("operator", at, uuid.uuid4()), run)
    result = result_of(admin, str(run.id))
    assert result["status"] == "internal_error"
    assert result["reason"].endswith(
        f"chunk {'0' * 64}: A piece of this content is not in the store; restore it from a backup."
    )


def test_a_lost_data_key_is_told_by_name_and_is_not_taken_for_an_erasure(store, admin, person):
    run = person.run("print(1)")
    key = store.log().history(UUID(run))[0].data.script.key
    store.database().keys.delete_one({"_id": key})

    until(lambda: admin.get(f"/executions/{run}").status_code, 500)
    _, detail = problem_of(admin.get(f"/executions/{run}"))
    assert detail == (
        f"data key {key}: The data key of this content is not in the store, and it was not erased; "
        "restore the store from a backup."
    )
    assert problem_of(person.client.post("/auth/login", json=person.login))[0] == 500
    assert admin.get(f"/executions/{run}/events").status_code == 200
    assert result_of(admin, execute(admin, "print(1)"))["status"] == "succeeded"


def test_what_was_erased_is_gone_and_the_rest_is_shown(system, store, admin, person):
    run = person.run("print(1)")
    store.seals().erase(person.id)
    store.redis().flushall()

    until(lambda: admin.get(f"/executions/{run}").status_code, 410)
    assert "was erased" in problem_of(admin.get(f"/executions/{run}"))[1]
    shown = system.cli("executions", "show", run, "--output", "stdout")
    assert (shown.returncode, shown.stdout, shown.stderr.count(b"\n")) == (1, b"", 1)
    assert b"was erased" in shown.stderr
    messages = list(follow(admin, run))
    assert [message.data["status"] for message in messages if message.event == "problem"] == [410]
    assert messages[-1].data["status"] == "succeeded"
