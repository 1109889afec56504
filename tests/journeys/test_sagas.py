"""Sagas over HTTP and on the command line: list, show, cancel."""

from uuid import uuid4

import pytest

from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_read_models import asked

STEPS = ["validate", "reserve", "create", "watch", "collect", "release"]


def saga_of(api, run: str) -> dict:
    """The one of this run, once it is listed."""
    found: list[dict] = []

    def is_listed() -> bool:
        found[:] = api.get("/admin/sagas", params={"execution": run}).json()["items"]
        return bool(found)

    wait_until(is_listed, "the saga of a run")
    return found[0]


def test_a_saga_shows_every_step_that_is_behind_it_and_the_event_that_says_so(running_system, api):
    run = execute(api, "print(1)")
    result_of(api, run)
    id = saga_of(api, run)["id"]
    wait_until(lambda: api.get(f"/admin/sagas/{id}").json()["step"] == "done", "that its place is free")
    shown = api.get(f"/admin/sagas/{id}").json()
    assert [step["step"] for step in shown["steps"]] == STEPS
    assert [step["position"] for step in shown["steps"]] == sorted(step["position"] for step in shown["steps"])
    assert (shown["execution"], shown["status"], shown["compensated"]) == (run, "succeeded", None)
    assert shown == asked(running_system, "sagas", "show", id)
    wait_until(lambda: saga_of(api, run)["step"] == "done", "that in the list")
    assert saga_of(api, run)["released_at"] is not None


def test_sagas_are_listed_page_by_page_and_those_that_hold_a_place_by_themselves(running_system, api):
    ended, running = execute(api, "print(1)"), execute(api, "import time; time.sleep(60)")
    result_of(api, ended)
    wait_until(lambda: saga_of(api, ended)["released_at"] and saga_of(api, running), "both sagas")
    first = api.get("/admin/sagas", params={"limit": 1}).json()
    second = api.get("/admin/sagas", params={"limit": 1, "cursor": first["next"]}).json()
    assert first["items"][0]["begun_at"] >= second["items"][0]["begun_at"]
    with_place = [item["execution"] for item in api.get("/admin/sagas?is_open=true").json()["items"]]
    assert (running in with_place, ended in with_place) == (True, False)
    assert running in [item["execution"] for item in asked(running_system, "sagas", "list", "--open")]
    api.post(f"/executions/{running}/cancel")
    result_of(api, running)


@pytest.mark.parametrize("by", ["HTTP", "the command line"])
def test_cancelling_a_saga_cancels_its_run(running_system, api, by):
    run = execute(api, "import time; time.sleep(60)")
    id = saga_of(api, run)["id"]
    if by == "HTTP":
        assert api.post(f"/admin/sagas/{id}/cancel").status_code == 202
    else:
        asked(running_system, "sagas", "cancel", id)
    assert result_of(api, run)["status"] == "cancelled"
    refused = api.post(f"/admin/sagas/{id}/cancel")
    assert (refused.status_code, "has ended already" in refused.json()["detail"]) == (409, True)
    assert b"cannot be cancelled" in running_system.cli("sagas", "cancel", id).stderr


def test_what_is_no_saga_is_not_found(running_system, api):
    assert api.get(f"/admin/sagas/{uuid4()}").status_code == 404
    assert b"There is no saga" in running_system.cli("sagas", "show", uuid4()).stderr


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_whoever_gives_a_run_for_its_saga_is_told_the_saga(command, running_system, api):
    run = execute(api, "print(1)")
    result_of(api, run)
    told = f"There is no saga {run}. This is a run; its saga is {saga_of(api, run)['id']}."
    assert running_system.cli("sagas", command, run).stderr.decode() == f"{told}\n"
    path = f"/admin/sagas/{run}"
    answer = api.get(path) if command == "show" else api.post(f"{path}/cancel")
    assert (answer.status_code, answer.json()["detail"]) == (404, told)


def test_sagas_are_for_admins(running_system):
    with running_system.client() as stranger:
        for method, path in (("GET", ""), ("GET", f"/{uuid4()}"), ("POST", f"/{uuid4()}/cancel")):
            assert stranger.request(method, f"/admin/sagas{path}").status_code == 401
