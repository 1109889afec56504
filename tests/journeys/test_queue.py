"""More runs than places: who is next, how much one person may ask for, and what an admin can do about it."""

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.system import System, configured, running_on

SLEEP = {"language": "python", "script": "import time\ntime.sleep(600)", "limits": {"wall_seconds": 300.0}}
"""However busy the machine is, it does not end by itself in the middle of a test."""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Iterator[System]:
    """Two places, five runs for each person."""
    with running_on(configured(tmp_path_factory.mktemp("small") / "data", slots=2, user_queue=5)) as system:
        yield system


@pytest.fixture
def admin(small) -> Iterator[httpx.Client]:
    client = small.log_in()
    yield client
    client.close()


@pytest.fixture
def people(small) -> Iterator[list[httpx.Client]]:
    """Three who have just registered; their runs end with the test."""
    clients = [small.client() for _ in range(3)]
    for client in clients:
        name = f"{uuid4().hex}@example.org"
        assert client.post("/auth/register", json={"username": name, "password": "a long pass phrase"}).is_success
    yield clients
    head = json.loads(small.cli("status", "--json").stdout)["events"]
    for client in clients:
        for run in client.get("/executions", params={"limit": 100, "min_position": head}).json()["items"]:
            if run["ended_at"] is None:
                cancel(client, run["id"])
        client.close()


def cancel(client: httpx.Client, run: str) -> None:
    client.post(f"/executions/{run}/cancel")
    result_of(client, run)


def status(client: httpx.Client, run: str) -> str:
    return client.get(f"/executions/{run}").json()["status"]


def sleeping(client: httpx.Client) -> str:
    return execute(client, **SLEEP)


def fill(client: httpx.Client) -> list[str]:
    """Both places are taken."""
    runs = [sleeping(client) for _ in range(2)]
    wait_until(lambda: {status(client, run) for run in runs} == {"running"}, "two runs under way")
    return runs


def test_a_batch_takes_no_more_than_a_person_may_ask_for(people):
    ann, *_ = people
    items = ann.post("/execute/batch", json={"items": [SLEEP] * 12}).json()["items"]
    assert ["execution_id" in item for item in items] == [True] * 5 + [False] * 7
    assert {item["problem"]["status"] for item in items[5:]} == {429}
    assert ann.post("/execute", json=SLEEP).status_code == 429


def test_more_runs_than_a_person_may_ask_for_are_refused_in_words_until_one_has_ended(people):
    ann, bob, _ = people
    runs = [sleeping(ann) for _ in range(5)]
    refused = ann.post("/execute", json=SLEEP)
    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
    assert "5 runs of yours wait or are under way" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    cancel(bob, sleeping(bob))
    cancel(ann, runs[-1])
    sleeping(ann)


def test_the_same_request_again_is_answered_where_no_more_are_accepted(people):
    ann, *_ = people
    body, key = SLEEP, {"Idempotency-Key": "once"}
    first = ann.post("/execute", json=body, headers=key)
    for _ in range(4):
        sleeping(ann)
    assert ann.post("/execute", json=body).status_code == 429
    assert ann.post("/execute", json=body, headers=key).json() == first.json()


def test_one_run_of_somebody_does_not_wait_for_all_that_another_has_asked_for(people):
    ann, bob, _ = people
    first, second = fill(ann)
    more = [sleeping(ann) for _ in range(3)]
    his = execute(bob, "print(1)")
    cancel(ann, first)
    assert result_of(bob, his)["status"] == "succeeded"
    wait_until(lambda: status(ann, more[0]) == "running", "the next of hers")
    assert [status(ann, run) for run in (second, *more[1:])] == ["running", "queued", "queued"]


def test_an_admin_lets_a_run_come_first(people, admin):
    ann, *_ = people
    first, _ = fill(ann)
    earlier, later = sleeping(ann), sleeping(ann)
    asked = admin.put(f"/admin/queue/{later}/priority", json={"priority": 7})
    assert asked.status_code == 202
    listed = admin.get("/admin/queue", params={"min_position": asked.json()["position"]}).json()["items"]
    assert {run["id"]: run["priority"] for run in listed} == {earlier: 0, later: 7}
    cancel(ann, first)
    wait_until(lambda: status(ann, later) == "running", "the one that comes first")
    assert status(ann, earlier) == "queued"
    assert [event["type"] for event in ann.get(f"/executions/{later}/events").json()["items"]][:3] == [
        "requested",
        "prioritized",
        "sandbox_created",
    ]


def test_only_runs_that_wait_can_be_given_a_priority_and_only_by_admins(people, admin):
    ann, bob, _ = people
    running, _ = fill(ann)
    late = admin.put(f"/admin/queue/{running}/priority", json={"priority": 1})
    assert (late.status_code, "does not wait any more" in late.json()["detail"]) == (409, True)
    waiting = sleeping(bob)
    assert bob.put(f"/admin/queue/{waiting}/priority", json={"priority": 1}).status_code == 403
    assert admin.put(f"/admin/queue/{waiting}/priority", json={"priority": 101}).status_code == 422
    unknown = uuid4()
    nothing = admin.put(f"/admin/queue/{unknown}/priority", json={"priority": 1})
    assert (nothing.status_code, nothing.json()["detail"]) == (404, f"There is no run {unknown}.")
    cancel(bob, waiting)
    over = admin.put(f"/admin/queue/{waiting}/priority", json={"priority": 1})
    assert (over.status_code, "has ended already" in over.json()["detail"]) == (409, True)
