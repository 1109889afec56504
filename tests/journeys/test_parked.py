"""Workers with a mistake in their code, beside those of `up`: what cannot be folded waits, and nothing else does."""

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.processes import program, wait_until
from tests.journeys.conftest import execute, result_of
from tests.journeys.test_read_models import asked, row
from tests.system import CLI, System, running_on

HISTORY, STATUS = "execution_history", "execution_status"
EVENTS_OF_A_RUN = 4


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    """One of its own, whose workers can be held one by one."""
    with running_on(tmp_path_factory.mktemp("parked") / "data", "--split") as started:
        yield started


@pytest.fixture
def api(system) -> Iterator[httpx.Client]:
    client = system.log_in()
    yield client
    client.close()


def listed(api: httpx.Client) -> dict[str, str]:
    return {item["id"]: item["status"] for item in api.get("/executions").json()["items"]}


def retries(system: System) -> list[str]:
    """Who asked for one."""
    return [event["actor"] for event in asked(system, "events", "list", "--type", "DeadLetter.RetryRequested")]


def check_mended(system: System, api: httpx.Client, run: str) -> None:
    """All of the run's events are folded, in order: a later one changes what an earlier one has written."""
    wait_until(lambda: asked(system, "dlq", "list") == [], "no letters")
    assert listed(api)[run] == "succeeded"
    verified = asked(system, "projections", "verify", HISTORY, "--full")
    assert verified["findings"] == []
    assert row(system, HISTORY)["parked"] == 0
    rebuilt = asked(system, "projections", "rebuild", HISTORY, "--verify", "full")
    assert rebuilt["digest"] == verified["digest"]


def test_only_the_stream_of_a_poison_event_waits_and_a_retry_folds_it_in_order_once_the_code_is_mended(system, api):
    with system.without("projections", "deadletters"), program("poisoned", system.data):
        poisoned, other = execute(api, "echo 1", "bash"), execute(api, "print(1)")
        assert result_of(api, poisoned)["status"] == result_of(api, other)["status"] == "succeeded"
        wait_until(lambda: len(asked(system, "dlq", "list")) == EVENTS_OF_A_RUN, "the whole run parked")
        letters = asked(system, "dlq", "list")
        assert {(letter["projection"], letter["stream"]) for letter in letters} == {(HISTORY, poisoned)}
        assert [letter["version"] for letter in letters] == [1, 2, 3, 4]
        assert letters[0]["trouble"]["error"] == "MistakeError"
        wait_until(lambda: listed(api).get(other) == "succeeded", "the other run in the list")
        assert poisoned not in listed(api)
        assert row(system, HISTORY)["parked"] == EVENTS_OF_A_RUN
        said = f"{EVENTS_OF_A_RUN} events could not be folded or wait behind such; `runledger dlq list` shows them."
        assert said in system.cli("status").stdout.decode()
        asked(system, "dlq", "retry", "--all")
        wait_until(lambda: row(system, HISTORY)["lag"] == 0, "the retry folded")
        assert [letter["version"] for letter in asked(system, "dlq", "list")] == [1, 2, 3, 4]
    with system.without("deadletters"):
        asked(system, "dlq", "retry", letters[0]["id"])
        check_mended(system, api, poisoned)
        assert retries(system) == ["operator", "operator"]


def test_what_could_be_folded_by_now_is_retried_without_anybody_asking(system, api):
    before = len(retries(system))
    with system.without("projections", "deadletters"), program("poisoned", system.data):
        poisoned = execute(api, "echo 2", "bash")
        result_of(api, poisoned)
        wait_until(lambda: len(asked(system, "dlq", "list")) == EVENTS_OF_A_RUN, "the whole run parked")
    check_mended(system, api, poisoned)
    assert set(retries(system)[before:]) == {"worker:deadletters"}


# Some read models alone ---------------------------------------------------------------------------------------


def test_a_worker_for_one_read_model_folds_no_other_and_whoever_waits_for_it_is_told(system, api):
    with system.without("projections"):
        before = row(system, HISTORY)["position"]
        command = [CLI, "worker", "projections", "--only", STATUS]
        alone = subprocess.Popen(command, env=system.environment, stderr=subprocess.DEVNULL)
        run = execute(api, "print(1)")
        result = result_of(api, run)
        position = {"min_position": result["position"]}
        assert api.get(f"/executions/{run}", params=position).json()["status"] == "succeeded"
        late = api.get("/executions", params=position)
        assert (late.status_code, row(system, HISTORY)["position"]) == (504, before)
        alone.terminate()
        assert alone.wait(20) == 0
    wait_until(lambda: listed(api).get(run) == "succeeded", "the run in the list")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["projections", "--only", "nope"], "There is no read model 'nope'; there are admin_feed,"),
        (["projections", "--only", f"{STATUS},"], "There is no read model ''; there are"),
        (["relay", "--only", STATUS], "--only is for the worker projections"),
        (["nope"], "There is no worker 'nope'; there are deadletters,"),
    ],
)
def test_workers_and_read_models_that_there_are_not_are_refused(system, arguments, words):
    refused = system.cli("worker", *arguments)
    assert (refused.returncode, words in refused.stderr.decode()) == (2, True)


def test_letters_of_a_projection_that_there_is_not_are_refused(system):
    refused = system.cli("dlq", "list", "--projection", "nope", "--json")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"There is no projection 'nope'; there are admin_feed," in refused.stderr
    assert json.loads(system.cli("dlq", "list", "--projection", HISTORY, "--json").stdout) == []
