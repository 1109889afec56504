"""Admins look at everybody's runs, at people and at the log; nobody else does."""

from uuid import UUID, uuid4

import httpx
import pytest

from tests.journeys.conftest import execute, result_of
from tests.system import System

PASSWORD = "a long pass phrase"
PLACES = ("executions", "queue", "users", f"users/{UUID(int=1)}", f"users/{UUID(int=1)}/overview", "events")
OF_EVENTS = ("events/export", "events/stats", "events/1", "events/1/trace")


@pytest.fixture
def person(running_system: System):
    """Somebody who has just registered, and their account."""
    with running_system.client() as client:
        account = client.post("/auth/register", json={"username": f"{uuid4().hex}@example.org", "password": PASSWORD})
        yield client, account.json()


def all_of(api: httpx.Client, place: str, **wanted: object) -> list[dict]:
    """Every page of a list."""
    items, cursor = [], None
    while True:
        answer = api.get(f"/admin/{place}", params={**wanted, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        if (cursor := answer.json()["next"]) is None:
            return items


@pytest.mark.parametrize("place", [*PLACES, *OF_EVENTS])
def test_only_admins_may_look(person, place):
    client, _ = person
    assert client.get(f"/admin/{place}").status_code == 403


@pytest.mark.parametrize(
    "question",
    [
        *("executions?status=nope", "executions?owner=nope", "executions?limit=0", "executions?cursor=x"),
        *("queue?status=queued", "users?cursor=-1", "events?since=yesterday", "events?since=2026-01-01T00:00:00"),
        *("events?stream=1", "events?to_position=0", "events?nope=1", "events/stats?days=0"),
        *("events?type=Nope", "events?from_position=999999999", "events?from_position=3&to_position=2"),
        "events?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
        *("executions?min_position=999999999", "events/export?after=999999999", "dead-letters?projection=nope"),
    ],
)
def test_what_cannot_be_asked_is_said(api, question):
    refused = api.get(f"/admin/{question}")
    assert refused.status_code == 422
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_everybodys_runs_are_listed_by_owner_and_status_and_page_by_page(api, person):
    client, account = person
    runs = [execute(client, script) for script in ("print(1)", "print(2)", "exit(3)")]
    position = max(result_of(client, run)["position"] for run in runs)
    mine = all_of(api, "executions", owner=account["id"], limit=2, min_position=position)
    assert [run["id"] for run in mine] == runs[::-1]
    assert {run["owner"] for run in mine} == {account["id"]}
    failed = all_of(api, "executions", owner=account["id"], status="failed")
    assert [run["id"] for run in failed] == runs[2:]
    assert not {"script", "title"} & set(mine[0])
    assert not set(runs) & {run["id"] for run in all_of(api, "queue")}


def test_an_account_is_found_with_its_name_its_runs_and_its_days(api, person):
    client, account = person
    runs = [execute(client, f"print({number}); sum(range(10**6))") for number in (1, 23)]
    results = [result_of(client, run) for run in runs]
    position = max(result["position"] for result in results)
    listed = all_of(api, "users", limit=1, min_position=account["position"])
    assert account["username"] in {user["username"] for user in listed}
    overview = api.get(f"/admin/users/{account['id']}/overview", params={"min_position": position}).json()
    assert overview["user"]["username"] == account["username"]
    assert (overview["user"]["role"], overview["user"]["locked_until"]) == ("user", None)
    assert [run["id"] for run in overview["runs"]] == runs[::-1]
    days = overview["usage"]  # two of them at midnight
    assert sum(day["number"] for day in days) == 2
    assert sum(day["stdout_bytes"] for day in days) == 5
    for what in ("wall_seconds", "cpu_seconds"):
        assert sum(day[what] for day in days) == pytest.approx(sum(result[what] for result in results))
    assert days[-1]["day"] == results[0]["requested_at"][:10]
    assert [event["type"] for event in overview["events"]] == ["User.LoggedIn", "User.Registered"]
    assert api.get(f"/admin/users/{runs[0]}").status_code == 404


def test_a_locked_account_is_shown_as_such(running_system, api, person):
    _, account = person
    with running_system.client() as stranger:
        for _ in range(5):
            stranger.post("/auth/login", json={"username": account["username"], "password": "wrong pass phrase"})
    shown = api.get(f"/admin/users/{account['id']}", params={"min_position": account["position"]}).json()
    assert shown["locked_until"] is not None


def test_the_log_is_looked_through_by_stream_type_actor_time_and_position(api, person):
    client, account = person
    run = execute(client, "print('private')")
    result_of(client, run)
    events = all_of(api, "events", stream=run, limit=2)
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    requested = events[0]
    (same,) = all_of(api, "events", actor=f"user:{account['id']}", type="Execution.Requested")
    assert same == requested
    first, last = requested["position"], events[-1]["position"]
    between = all_of(api, "events", from_position=first, to_position=last, limit=100)
    assert [event["position"] for event in between] == list(range(first, last + 1))
    assert all_of(api, "events", stream=run, until=requested["at"]) == []
    assert all_of(api, "events", stream=run, since=requested["at"]) == events


def test_one_event_is_shown_with_private_content_sealed_and_with_what_it_led_to(api, person):
    client, _ = person
    run = execute(client, "print('private')")
    result_of(client, run)
    (requested, *others) = all_of(api, "events", stream=run)
    shown = api.get(f"/admin/events/{requested['position']}")
    assert shown.json()["data"]["script"]["state"] == "sealed"
    assert set(shown.json()["data"]["script"]) == {"state", "key", "size"}
    trace = api.get(f"/admin/events/{others[-1]['position']}/trace").json()
    assert trace["correlation"] == requested["correlation"]
    assert trace["events"][0]["event"] == requested
    assert api.get("/admin/events/999999999").status_code == 404
    assert api.get("/admin/events/0").status_code == 404
    assert api.get(f"/admin/events/{10**30}").status_code == 404


def test_the_figures_of_the_log_are_those_of_the_log(running_system, api, person):
    client, _ = person
    finished = result_of(client, execute(client, "print(1)"))["position"]
    stats = api.get("/admin/events/stats", params={"min_position": finished}).json()
    assert stats["total"]["events"] == sum(one["events"] for one in stats["by_type"].values())
    assert stats["total"]["events"] >= finished
    assert stats["by_type"]["Execution.Requested"]["events"] == stats["by_type"]["Execution.Requested"]["streams"]


@pytest.mark.parametrize("name", ["user_directory", "event_stats"])
def test_each_equals_a_fold_of_the_log_also_after_a_rebuild(running_system, api, name):
    execute(api, "print(1)")
    for arguments in (("verify", name, "--full"), ("rebuild", name, "--verify", "full"), ("verify", name, "--full")):
        done = running_system.cli("projections", *arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()


def test_the_log_is_exported_as_the_command_line_does_it(running_system, api):
    lines = api.get("/admin/events/export").content.splitlines(keepends=True)
    there = running_system.cli("events", "export", "--to", "-").stdout.splitlines(keepends=True)
    assert 3 < len(lines) <= len(there)
    assert lines == there[: len(lines)]
    assert api.get("/admin/events/export", params={"after": 2}).content.splitlines(keepends=True)[0] == lines[2]
