"""Read models are rebuilt, verified, rolled back, paused and asked of the past, and nobody notices."""

import json
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from adapters.mongo.read_models.generations import collection_name
from projections.registry import BY_NAME
from tests.faults.checker import container_of
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, follow, result_of
from tests.system import CLI, System, running_on

HISTORY = "execution_history"
UNKNOWN = b'"type":"Execution.Startex"'
KNOWN = b'"type":"Execution.Started"'


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    """One of its own, for its read models are damaged."""
    with running_on(tmp_path_factory.mktemp("models") / "data") as started:
        yield started


@pytest.fixture
def admin(system) -> Iterator[httpx.Client]:
    client = system.log_in()
    yield client
    client.close()


def asked(system: System, *arguments: str, code: int = 0) -> Any:
    """What a command answers as JSON."""
    answer = system.cli(*arguments, "--json")
    assert answer.returncode == code, answer.stderr.decode()
    return json.loads(answer.stdout) if answer.stdout else {}


def row(system: System, name: str) -> dict:
    return next(one for one in asked(system, "projections", "list") if one["name"] == name)


# Beside those who work ----------------------------------------------------------------------------------------


class Crowd:
    """People who request runs and look at the list all the time; every answer must be right.

    They leave the machine time for the rest: how fast is measured elsewhere.
    """

    def __init__(self, admin: httpx.Client) -> None:
        self.admin = admin
        self.stop = Event()
        self.answers = 0

    def request(self) -> None:
        while not self.stop.wait(0.5):
            execute(self.admin, "print(1)", limits={"wall_seconds": 5})
            self.answers += 1

    def look(self) -> None:
        seen = 0
        while not self.stop.wait(0.1):
            answer = self.admin.get("/executions", params={"limit": 100})
            assert answer.status_code == 200, answer.text
            items = answer.json()["items"]
            assert len(items) >= seen, "runs have vanished from the list"
            seen, self.answers = len(items), self.answers + 1


@pytest.mark.timeout(900)
def test_rebuild_and_rollback_fail_no_request_and_mix_no_answer(system, admin):
    execute(admin, "print(1)")
    admin.post("/admin/replays", json={"target": {"kind": "file"}})  # so that there is something in each of them
    crowd = Crowd(admin)
    with ThreadPoolExecutor(3) as people:
        working = [people.submit(act) for act in (crowd.request, crowd.look, crowd.look)]
        try:
            for name in BY_NAME:
                before = listed(admin, name)["overview"]["generation"]
                rebuilt = asked(system, "projections", "rebuild", name, "--verify", "full")
                first = rebuilt["generation"]
                assert first > before
                assert rebuilt["documents"] > 0
                assert asked(system, "projections", "rollback", name)["generation"] == before
                assert asked(system, "projections", "rebuild", name)["generation"] > first
        finally:
            crowd.stop.set()
        for one in working:
            one.result()
    assert crowd.answers > 50
    wait_until(lambda: all(one["lag"] == 0 for one in asked(system, "projections", "list")), "all folded", 60)
    for name in BY_NAME:
        assert asked(system, "projections", "verify", name, "--full")["findings"] == []


def test_one_changed_byte_is_named_and_a_rebuild_mends_it(system, admin):
    run = execute(admin, "print(1)")
    result_of(admin, run)
    container = container_of(system)
    generation = row(system, HISTORY)["generation"]
    documents = container.database()[collection_name(HISTORY, generation)]
    documents.update_one({"_id": UUID(run)}, {"$set": {"reason": "exited with code 1"}})
    (finding,) = asked(system, "projections", "verify", HISTORY, "--full", code=1)["findings"]
    assert (finding["document"], finding["flaw"], finding["fields"]) == (run, "changed", ["reason"])
    asked(system, "projections", "rebuild", HISTORY, "--drop-old")
    assert asked(system, "projections", "verify", HISTORY, "--full")["findings"] == []
    wait_until(lambda: row(system, HISTORY)["previous"] is None, "the old generation dropped")
    assert f"{HISTORY}_g{generation}" not in container.database().list_collection_names()


def test_a_paused_read_model_stands_still_and_is_asked_and_the_others_go_on(system, admin):
    asked(system, "projections", "pause", HISTORY)
    wait_until(lambda: row(system, HISTORY)["state"] == "paused", "paused")
    time.sleep(1.5)  # until whoever folds it has seen that
    run = execute(admin, "print(1)")
    assert result_of(admin, run)["status"] == "succeeded"
    assert run not in {item["id"] for item in admin.get("/executions").json()["items"]}
    late = admin.get("/executions", params={"min_position": row(system, "execution_status")["position"]})
    assert late.status_code == 504
    assert "It is paused; an admin has to resume it" in late.json()["detail"]
    assert row(system, HISTORY)["lag"] >= 4
    asked(system, "projections", "resume", HISTORY)
    wait_until(lambda: run in {item["id"] for item in admin.get("/executions").json()["items"]}, "the run in the list")


def test_a_run_ends_for_whoever_follows_it_even_where_its_read_model_stands_still(system, admin, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("print('hello')\nraise SystemExit(3)")
    asked(system, "projections", "pause", "execution_status")
    try:
        time.sleep(1.5)  # until whoever folds it has seen that
        ran = system.cli("run", script)
        assert (ran.stdout, ran.returncode) == (b"hello\n", 3)
        run = execute(admin, "print(1)")
        assert list(follow(admin, run))[-1].data["status"] == "succeeded"
        assert admin.get(f"/executions/{run}").json()["status"] == "succeeded"
        state = next(one for one in asked(system, "status")["projections"] if one["name"] == "execution_status")[
            "state"
        ]
        assert state == "paused"
    finally:
        asked(system, "projections", "resume", "execution_status")


def test_a_damaged_document_is_named_to_whoever_asks_for_it(system, admin):
    run = execute(admin, "print(1)")
    result_of(admin, run)
    documents = container_of(system).database()[collection_name(HISTORY, row(system, HISTORY)["generation"])]
    wait_until(lambda: documents.find_one({"_id": UUID(run), "status": "succeeded"}), "its end in the read model")
    documents.update_one({"_id": UUID(run)}, {"$set": {"status": "exploded"}})
    answer = admin.get("/executions")
    assert answer.status_code == 500
    assert run in answer.json()["detail"]
    assert f"projections rebuild {HISTORY}" in answer.json()["detail"]
    listed = system.cli("executions", "list")
    assert (listed.returncode, listed.stderr.count(b"\n")) == (1, 1)
    asked(system, "projections", "rebuild", HISTORY, "--drop-old")
    assert admin.get("/executions").status_code == 200


def test_a_rebuild_shows_on_a_terminal_how_far_it_is(system, admin):
    result_of(admin, execute(admin, "print(1)"))
    assert b"verify" in on_a_terminal(system, "projections", "rebuild", HISTORY)
    assert b"verify" in on_a_terminal(system, "projections", "verify", HISTORY)


def on_a_terminal(system: System, *arguments: str) -> bytes:
    """What a command writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen([CLI, *arguments], env=system.environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    written = b""
    with suppress(OSError):  # how a terminal ends
        while piece := os.read(ours, 65_536):
            written += piece
    os.close(ours)
    assert command.wait(60) == 0, written
    return written


# Over HTTP ----------------------------------------------------------------------------------------------------


def listed(admin: httpx.Client, name: str) -> dict:
    items = admin.get("/admin/projections").json()["items"]
    return next(item for item in items if item["overview"]["name"] == name)


def test_an_admin_steers_read_models_over_http(admin):
    before = listed(admin, HISTORY)["overview"]["generation"]
    assert admin.post(f"/admin/projections/{HISTORY}/rebuild", json={"is_full": True}).status_code == 202
    wait_until(lambda: listed(admin, HISTORY)["overview"]["generation"] > before, "the new generation")
    wait_until(lambda: not listed(admin, HISTORY)["is_under_way"], "the end of the rebuild")
    assert listed(admin, HISTORY)["last_work"]["ending"] == "live"
    assert admin.post(f"/admin/projections/{HISTORY}/verify").status_code == 202
    wait_until(lambda: listed(admin, HISTORY)["last_verification"], "the verification")
    assert listed(admin, HISTORY)["last_verification"]["differences"] == 0
    assert admin.post(f"/admin/projections/{HISTORY}/rollback").status_code == 202
    wait_until(lambda: listed(admin, HISTORY)["overview"]["generation"] == before, "the generation before")


def test_what_cannot_be_done_is_said_and_changes_nothing(system, admin):
    assert admin.post("/admin/projections/nothing/rebuild").status_code == 404
    fresh = "execution_status"
    asked(system, "projections", "rebuild", fresh, "--drop-old")
    wait_until(lambda: row(system, fresh)["previous"] is None, "the old generation dropped")
    refused = admin.post(f"/admin/projections/{fresh}/rollback")
    assert refused.status_code == 409
    assert "No earlier generation" in refused.json()["detail"]
    for act in ("rebuild", "rollback", "pause", "resume", "verify"):
        refused = system.cli("projections", act, "nothing")
        assert (refused.returncode, b", execution_history," in refused.stderr) == (2, True)
        refused = system.cli("projections", act, "executor_tasks")
        assert (refused.returncode, b"what a worker has yet to do" in refused.stderr) == (2, True)
    assert admin.post("/admin/projections/executor_tasks/rebuild").status_code == 404
    assert system.cli("projections", "rollback", fresh).returncode == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "projections"), ("POST", f"projections/{HISTORY}/rebuild"), ("GET", "dead-letters")],
)
def test_only_admins_may(system, method, path):
    with system.client() as user:
        user.post("/auth/register", json={"username": f"{uuid4().hex}@example.org", "password": "a long pass phrase"})
        assert user.request(method, f"/admin/{path}").status_code == 403


# The past -----------------------------------------------------------------------------------------------------


def test_a_run_of_the_past_is_what_was_answered_then(system, admin):
    run = execute(admin, "import time; time.sleep(1.5)")
    answers: dict[int, dict] = {}
    while not answers or list(answers.values())[-1]["status"] != "succeeded":
        answer = admin.get(f"/executions/{run}").json()
        answers[answer["position"]] = answer
        time.sleep(0.05)
    assert len(answers) >= 3
    for position, answer in answers.items():
        assert admin.get(f"/executions/{run}", params={"at_position": position}).json() == answer
    running = next(answer for answer in answers.values() if answer["status"] == "running")
    in_the_middle = datetime.fromisoformat(running["started_at"]) + timedelta(seconds=0.7)
    shown = asked(system, "executions", "at", run, "--time", in_the_middle.isoformat())
    assert (shown["status"], shown["started_at"]) == ("running", running["started_at"])
    document = asked(system, "projections", "query", "execution_status", run, "--at", str(running["position"]))
    assert document["status"] == "running"


def test_moments_that_there_were_not_are_refused(system, admin):
    run = execute(admin, "print(1)")
    result_of(admin, run)
    for moment in (
        {"at_position": 10**9},
        {"at_time": "2001-01-01T00:00:00Z"},
        {"at_position": 1, "at_time": "2030-01-01T00:00:00Z"},
        {"at_position": 10**20},
        {"at_time": "0001-01-01T00:00:00+14:00"},
        {"min_position": 10**9},
        {"min_position": 10**20},
        {"min_position": 1, "at_position": 1},
        {"min_position": 1, "at_time": "2030-01-01T00:00:00Z"},
    ):
        assert admin.get(f"/executions/{run}", params=moment).status_code == 422, moment
    latest = admin.get(f"/executions/{run}", params={"at_time": "9999-12-31T23:59:59.999999-14:00"})
    assert latest.json()["status"] == "succeeded"
    assert admin.get(f"/executions/{run}", params={"at_position": 1}).status_code == 404
    assert system.cli("executions", "at", run, "--position", 10**9).returncode == 1
    assert system.cli("executions", "at", run).returncode == 2
    assert b"nope is no run's id" in system.cli("executions", "at", "nope").stderr
    assert system.cli("projections", "query", HISTORY, run, "--at", 0).returncode == 2
    both = system.cli("projections", "query", HISTORY, run, "--at", 4, "--time", "2026-01-01")
    assert (both.returncode, both.stderr) == (2, b"Name a position or a time, not both.\n")


# Dead letters -------------------------------------------------------------------------------------------------


def spoil(container, run: str, old: bytes, new: bytes) -> None:
    """Change an event in the log, as if another version of this program had written it."""
    commits = container.database().commits
    for commit in commits.find({"st": UUID(run)}):
        events = [{**event, "d": bytes(event["d"]).replace(old, new)} for event in commit["e"]]
        commits.update_one({"_id": commit["_id"]}, {"$set": {"e": events}})


def test_an_event_that_cannot_be_read_waits_with_its_own_run_until_it_can(system, admin):
    container = container_of(system)
    asked(system, "projections", "pause", HISTORY)
    time.sleep(1.5)
    run, other = execute(admin, "print(1)"), execute(admin, "print(2)")
    result_of(admin, run), result_of(admin, other)
    spoil(container, run, KNOWN, UNKNOWN)
    asked(system, "projections", "resume", HISTORY)
    wait_until(lambda: asked(system, "dlq", "list"), "letters")
    letters = asked(system, "dlq", "list")
    assert {letter["stream"] for letter in letters} == {run}
    assert [bool(letter.get("trouble")) for letter in letters] == [True] + [False] * (len(letters) - 1)
    wait_until(
        lambda: admin.get("/executions").json()["items"][0]["status"] == "succeeded", "the other run in the list"
    )
    assert row(system, HISTORY)["parked"] == len(letters)
    shown = asked(system, "dlq", "show", letters[0]["id"])
    assert "newer version of this program" in shown["now"]
    assert admin.get(f"/admin/dead-letters/{letters[0]['id']}").json()["letter"]["id"] == letters[0]["id"]
    spoil(container, run, UNKNOWN, KNOWN)
    assert admin.post(f"/admin/dead-letters/{letters[0]['id']}/retry").status_code == 202
    wait_until(lambda: asked(system, "dlq", "list") == [], "no letters")
    assert asked(system, "projections", "verify", HISTORY, "--full")["findings"] == []


def test_a_discarded_event_is_left_out_for_ever_and_the_reason_is_kept(system, admin):
    container = container_of(system)
    asked(system, "projections", "pause", HISTORY)
    time.sleep(1.5)
    run = execute(admin, "print(1)")
    result_of(admin, run)
    spoil(container, run, KNOWN, UNKNOWN)
    asked(system, "projections", "resume", HISTORY)
    wait_until(lambda: asked(system, "dlq", "list"), "letters")
    first, *others = asked(system, "dlq", "list")
    assert others
    assert system.cli("dlq", "discard", others[0]["id"], "--reason", "no").returncode == 1
    asked(system, "dlq", "discard", first["id"], "--reason", "written by mistake")
    wait_until(lambda: asked(system, "dlq", "list") == [], "no letters")
    spoil(container, run, UNKNOWN, KNOWN)
    assert asked(system, "projections", "verify", HISTORY, "--full")["findings"] == []
    asked(system, "projections", "rebuild", HISTORY, "--verify", "full")
    document = asked(system, "projections", "query", HISTORY, run)
    assert (document["status"], document.get("started_at")) == ("succeeded", None)
    reasons = [event["data"]["reason"] for event in asked(system, "events", "list", "--type", "DeadLetter.Discarded")]
    assert reasons == ["written by mistake"]
