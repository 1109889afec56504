"""Events are replayed into a file, a topic and a read model beside, from the command line and over HTTP."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest

from projections.registry import BY_NAME
from tests.faults.brokers import records_at
from tests.faults.checker import container_of
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_read_models import asked
from tests.system import System, running_on

HISTORY = "execution_history"
MOCK_PARTITIONS = 4
TELL_OF_REPLAYS = {"replays", "admin_feed", "event_stats"}
"""Read models that the events of a replay itself belong to."""
STARTED = "Execution.Started"
SLOW = ("--speed", "2")
"""So that it can be paused in the middle."""


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    with running_on(tmp_path_factory.mktemp("replays") / "data") as started:
        admin = started.log_in()
        for number in range(5):
            result_of(admin, execute(admin, f"print({number})"))
        admin.close()
        started.events()
        yield started


@pytest.fixture
def admin(system) -> Iterator[httpx.Client]:
    client = system.log_in()
    yield client
    client.close()


def head(system: System) -> int:
    return container_of(system).ledger().head()


def replayed(system: System, *arguments: str) -> dict:
    """A replay that was started and waited for."""
    return asked(system, "replay", "start", *arguments)


def shown(system: System, replay: str) -> dict:
    """As `show` has it, without starting a process each time."""
    return msgspec.to_builtins(container_of(system).replays().view(UUID(replay)))


def file_of(system: System, name: str) -> Path:
    return system.data / "replays" / name


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def refused(system: System, *arguments: str, code: int = 1) -> str:
    """What is said, when nothing was changed."""
    before = head(system)
    answer = system.cli("replay", *arguments)
    assert answer.returncode == code, answer.stderr.decode()
    assert head(system) == before
    return answer.stderr.decode()


# A file -------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_shows_the_first_ones_and_changes_nothing(system):
    before = head(system)
    preview = asked(system, "replay", "start", "--into", "file:never.jsonl", "--type", STARTED, "--dry-run")
    assert (preview["events"], preview["by_type"]) == (5, {STARTED: 5})
    assert [sample["type"] for sample in preview["samples"]] == [STARTED] * 3
    assert head(system) == before
    assert not file_of(system, "never.jsonl").exists()
    assert asked(system, "replay", "list") == []


def test_the_whole_log_in_a_file_is_what_its_export_is(system, tmp_path):
    upto = head(system)
    done = replayed(system, "--into", "file:all.jsonl", "--upto", str(upto))
    assert (done["status"], done["events"], done["total"]) == ("completed", upto, upto)
    asked(system, "events", "export", "--to", str(tmp_path / "export.jsonl"))
    exported = (tmp_path / "export.jsonl").read_text().splitlines(keepends=True)
    assert file_of(system, "all.jsonl").read_text() == "".join(exported[:upto])


def test_one_that_is_slow_is_paused_within_a_second_and_goes_on_where_it_was(system):
    upto = head(system)
    begun = asked(system, "replay", "start", "--into", "file:slow.jsonl", "--upto", str(upto), *SLOW, "--detach")
    replay = begun["id"]
    wait_until(lambda: shown(system, replay)["events"] > 2, "some events")
    asked(system, "replay", "pause", replay)
    time.sleep(1)
    paused = asked(system, "replay", "show", replay)
    assert paused["status"] == "paused"
    assert 0 < paused["events"] < upto
    time.sleep(0.5)
    assert shown(system, replay)["events"] == paused["events"]
    assert not file_of(system, "slow.jsonl").exists()
    asked(system, "replay", "resume", replay)
    wait_until(lambda: shown(system, replay)["status"] == "completed", "the end")
    assert shown(system, replay)["events"] == upto
    positions = [line["position"] for line in lines_of(file_of(system, "slow.jsonl"))]
    assert positions == list(range(1, upto + 1))


def test_what_is_cancelled_leaves_nothing_and_cannot_be_started_again(system):
    begun = asked(system, "replay", "start", "--into", "file:cancelled.jsonl", *SLOW, "--detach")
    replay = begun["id"]
    wait_until(lambda: shown(system, replay)["events"] > 2, "some events")
    asked(system, "replay", "cancel", replay)
    wait_until(lambda: shown(system, replay)["is_discarded"], "the end")
    assert 0 < shown(system, replay)["events"] < begun["total"]
    assert not [path for path in file_of(system, "x").parent.iterdir() if replay in path.name]
    assert "is cancelled; to start one, it has to be prepared" in refused(system, "start", replay)


def test_a_file_is_made_once_and_dropped_when_it_is_wanted_no_more(system):
    done = replayed(system, "--into", "file:once.jsonl", "--type", STARTED)
    assert "exists already" in refused(system, "start", "--into", "file:once.jsonl")
    assert "completed" in refused(system, "cancel", done["id"])
    asked(system, "replay", "drop", done["id"])
    assert asked(system, "replay", "show", done["id"])["made"] == ""
    wait_until(lambda: not file_of(system, "once.jsonl").exists(), "the file gone")
    assert asked(system, "replay", "list")[0]["status"] == "dropped"


def test_what_cannot_be_replayed_is_said_and_nothing_is_changed(system):
    assert "cannot be a file's name" in refused(system, "start", "--into", "file:../out.jsonl", code=2)
    assert "no event type 'Execution.Startex'; there are DeadLetter." in refused(
        system, "start", "--into", "file", "--type", "Execution.Startex", code=2
    )


def test_a_dry_run_is_refused_what_the_replay_would_be(system):
    assert "cannot be a file's name" in refused(system, "start", "--into", "file:../x", "--dry-run", code=2)
    assert "No event is selected" in refused(system, "start", "--since", "2100-01-01", "--dry-run")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--into", "nowhere"),
        ("0f4b1d8e-6f57-4c51-9d2f-0a3f0f5f8c11", "--dry-run"),
        ("--into", "projection"),
        ("--into", "file", "--speed", "1e-300"),
        ("--dry-run", "--from", "0"),
        ("--dry-run", "--upto", "-5"),
    ],
)
def test_a_command_that_makes_no_sense_ends_with_2(system, arguments):
    refused(system, "start", *arguments, code=2)


def test_what_there_is_not_cannot_be_asked_for(system):
    for what in ("show", "start", "cancel"):
        assert "There is no replay" in refused(system, what, "0f4b1d8e-6f57-4c51-9d2f-0a3f0f5f8c11")


# What is selected ---------------------------------------------------------------------------------------------


def test_events_are_selected_by_stream_user_type_position_and_time(system, admin):
    run = execute(admin, "print('selected')")
    result_of(admin, run)
    events = asked(system, "events", "list", "--limit", "10000")
    me = admin.get("/auth/me").json()["id"]
    start = next(one for one in events if one["stream"] == run)
    chosen = [
        (("--stream", run), [one for one in events if one["stream"] == run]),
        (("--user", me), [one for one in events if one["actor"] == f"user:{me}"]),
        (
            ("--type", STARTED, "--stream", run),
            [one for one in events if (one["stream"], one["type"]) == (run, STARTED)],
        ),
        (("--from", "3", "--upto", "7"), events[2:7]),
        (("--since", start["at"], "--stream", run), [one for one in events if one["stream"] == run]),
    ]
    for number, (arguments, wanted) in enumerate(chosen):
        assert replayed(system, "--into", f"file:chosen{number}.jsonl", *arguments)["total"] == len(wanted) > 0
        positions = [line["position"] for line in lines_of(file_of(system, f"chosen{number}.jsonl"))]
        assert positions == [one["position"] for one in wanted]
        assert all(before < after for before, after in pairwise(positions))


# Over HTTP ----------------------------------------------------------------------------------------------------


def test_an_admin_replays_over_http(system, admin):
    wanted = {"target": {"kind": "file", "name": "http.jsonl"}, "selection": {"types": [STARTED]}, "speed": 2.0}
    before = head(system)
    preview = admin.post("/admin/replays", json=wanted | {"is_dry_run": True})
    always = {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59.999999-14:00"}
    of_all_time = wanted | {"is_dry_run": True, "selection": {"types": [STARTED], **always}}
    assert admin.post("/admin/replays", json=of_all_time).json()["events"] == preview.json()["events"]
    assert (preview.status_code, preview.json()["by_type"].keys()) == (200, {STARTED})
    assert head(system) == before
    prepared = admin.post("/admin/replays", json=wanted)
    assert (prepared.status_code, prepared.json()["status"]) == (201, "prepared")
    assert prepared.json()["total"] == preview.json()["events"]
    path = f"/admin/replays/{prepared.json()['id']}"
    for what, status in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        asked_for = admin.post(f"{path}/{what}")
        assert asked_for.status_code == 202
        assert admin.get(path).json()["status"] == status
        listed = admin.get("/admin/replays", params={"min_position": asked_for.json()["position"]}).json()["items"]
        assert (listed[0]["id"], listed[0]["status"]) == (prepared.json()["id"], status)
    assert admin.post(f"{path}/start").status_code == 409
    wait_until(lambda: admin.get(path).json()["is_discarded"], "what it had made gone")


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"target": {"kind": "file", "name": "../x"}}, 422),
        ({"target": {"kind": "projection"}}, 422),
        ({"target": {"kind": "nothing", "name": "x"}}, 422),
        ({"target": {"kind": "file"}, "selection": {"last": 10**9}}, 422),
        ({"target": {"kind": "file"}, "selection": {"types": ["No.Such"]}}, 422),
        ({"target": {"kind": "file"}, "selection": {"since": "2026-01-01T00:00:00"}}, 422),
        ({"target": {"kind": "file"}, "speed": -1}, 422),
        ({"target": {"kind": "file"}, "speed": 1e-300}, 422),
        ({}, 422),
    ],
)
def test_what_cannot_be_replayed_is_refused_over_http(admin, wanted, status):
    answer = admin.post("/admin/replays", json=wanted)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


@pytest.mark.parametrize("what", ["start", "pause", "resume", "cancel", "drop"])
def test_only_admins_replay(system, what):
    path = f"/admin/replays/0f4b1d8e-6f57-4c51-9d2f-0a3f0f5f8c11/{what}"
    with system.client() as user:
        assert user.post(path).status_code == 401
        user.post("/auth/register", json={"username": f"{what}@example.org", "password": "a long pass phrase"})
        assert user.post(path).status_code == 403
        assert user.get("/admin/replays").status_code == 403
        assert user.post("/admin/replays", json={"target": {"kind": "file"}}).status_code == 403


# A topic, and a read model beside -----------------------------------------------------------------------------


def test_a_replay_of_everything_causes_nothing_wherever_it_goes(system, admin):
    """Executors, monitors and projections work all the time, and nothing comes to them."""
    container = container_of(system)
    upto = head(system)
    before = {name: verified(system, name) for name in BY_NAME if name not in TELL_OF_REPLAYS}
    done = [replayed(system, "--upto", str(upto), "--into", into) for into in ("topic", f"projection:{HISTORY}")]
    assert [one["events"] for one in done] == [upto, upto]
    time.sleep(2)
    added = container.log().read(upto, 1_000)
    assert {event.type.partition(".")[0] for event in added} == {"Replay"}
    assert container.executor_tasks().pending() == container.open_runs().pending() == []
    assert {name: verified(system, name) for name in before} == before
    topic = done[0]["target"]["name"]
    assert topic == f"runledger.replay.{done[0]['id']}"
    records = records_at(system.running.kafka_servers, topic, MOCK_PARTITIONS)
    assert sorted(record.place.position for record in records) == list(range(1, upto + 1))
    assert "exists already" in refused(system, "start", "--into", f"topic:{topic}")
    assert "exists already" in refused(system, "start", "--into", "topic:runledger.events")


def verified(system: System, name: str) -> tuple[int, str]:
    found = asked(system, "projections", "verify", name, "--full")
    return found["documents"], found["digest"]


def test_a_read_model_of_a_part_is_asked_by_the_replay_and_dropped_on_request(system, admin):
    run = execute(admin, "print('part')")
    result_of(admin, run)
    part = ("--stream", run, "--type", "Execution.Requested", "--type", STARTED)
    done = replayed(system, "--into", f"projection:{HISTORY}", *part)
    query = ("projections", "query", HISTORY, run)
    wait_until(lambda: asked(system, *query)["status"] == "succeeded", "the run in the live one")
    assert asked(system, *query, "--replay", done["id"])["status"] == "running"
    live = next(one for one in asked(system, "projections", "list") if one["name"] == HISTORY)
    assert (live["generation"], live["previous"]) == (1, None)
    asked(system, "replay", "drop", done["id"])
    wait_until(lambda: shown(system, done["id"])["is_discarded"], "that it is gone")
    assert system.cli(*query, "--replay", done["id"]).returncode == 1
    assert "no read model 'nothing'" in refused(system, "start", "--into", "projection:nothing", code=2)
