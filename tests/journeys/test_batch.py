"""Many runs by one request, and a request that waits for its result."""

import time
import uuid

import httpx
import pytest

from application.executions import BATCH_RUNS
from ops.cli.access import core
from ops.loading import load
from tests.journeys.conftest import result_of

HELLO = {"language": "python", "script": "print('hello')"}


def batch(api: httpx.Client, *items: dict, key: str = "") -> list[dict]:
    answer = api.post("/execute/batch", json={"items": items}, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 202, answer.text
    return answer.json()["items"]


def numbered(count: int) -> list[dict]:
    return [{"language": "bash", "script": f"echo {number}"} for number in range(count)]


def requests(api: httpx.Client) -> int:
    return api.get("/admin/events/stats").json()["by_type"].get("Execution.Requested", {"events": 0})["events"]


def test_all_are_one_commit_and_each_has_its_position_and_its_result(api, running_system):
    answers = batch(api, *numbered(7))
    first = answers[0]["position"]
    assert [one["position"] for one in answers] == list(range(first, first + 7))
    events = [api.get(f"/admin/events/{one['position']}").json() for one in answers]
    assert [event["stream"] for event in events] == [one["execution_id"] for one in answers]
    commits = core(load({"RUNLEDGER_DATA": str(running_system.data)})).database().commits
    assert commits.count_documents({"_id": {"$lte": first}, "z": {"$gte": first + 6}}) == 1
    for number, one in enumerate(answers):
        result_of(api, one["execution_id"])
        assert api.get(f"/executions/{one['execution_id']}/output/stdout").text == f"{number}\n"


def test_an_item_that_is_not_utf8_is_answered_in_its_place(api):
    content = b'{"items": [{"language":"python","script":"\xff"}, {"language":"bash","script":"true"}]}'
    answer = api.post("/execute/batch", content=content, headers={"Content-Type": "application/json"})
    wrong, right = answer.json()["items"]
    assert wrong["problem"]["status"] == 422
    assert result_of(api, right["execution_id"])["status"] == "succeeded"


def test_a_wrong_item_is_answered_in_its_place_and_spoils_no_other(api):
    wrong = [
        {**HELLO, "language": "cobol"},
        {**HELLO, "version": "1.5"},
        {**HELLO, "limits": {"wall_seconds": 1e6}},
        {**HELLO, "limits": {"pids": "many"}},
        {**HELLO, "script": "x" * 50_001},
        {"language": "python"},
        "no object",
        None,
    ]
    answers = batch(api, HELLO, *wrong, HELLO)
    assert [one["problem"]["status"] for one in answers[1:-1]] == [422] * len(wrong)
    assert "cannot run here" in answers[1]["problem"]["detail"]
    assert answers[4]["problem"]["errors"][0]["field"] == "limits.pids"
    assert answers[6]["problem"]["errors"][0]["field"] == "script"
    assert answers[-1]["position"] == answers[0]["position"] + 1
    assert all(one.keys() == {"problem"} for one in answers[1:-1])
    for one in (answers[0], answers[-1]):
        assert result_of(api, one["execution_id"])["status"] == "succeeded"


def test_a_batch_of_wrong_items_alone_changes_nothing(api):
    before = requests(api)
    (only,) = batch(api, {**HELLO, "language": "cobol"})
    assert only["problem"]["status"] == 422
    assert requests(api) == before


@pytest.mark.parametrize("count", [0, BATCH_RUNS + 1])
def test_none_and_too_many_are_refused(count, api):
    refused = api.post("/execute/batch", json={"items": [HELLO] * count})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "items"


def test_the_largest_batch_fits_into_one_commit(api):
    nothing = {"language": "bash", "script": "#" * 32_000, "stdin": "x" * 32_000}
    answers = batch(api, *[nothing] * BATCH_RUNS)
    assert answers[-1]["position"] - answers[0]["position"] == BATCH_RUNS - 1


def test_the_same_key_means_the_same_runs_and_an_item_that_changed_is_refused(api):
    key = uuid.uuid4().hex
    first = batch(api, HELLO, {**HELLO, "language": "cobol"}, HELLO, key=key)
    again = batch(api, HELLO, HELLO, {**HELLO, "script": "print('other')"}, key=key)
    assert again[0] == first[0]
    assert again[1].keys() == {"execution_id", "position"}, "what was refused does not poison its key"
    assert again[2]["problem"]["status"] == 409


# ?wait= --------------------------------------------------------------------------------------------------------


def test_whoever_waits_gets_the_result_with_what_was_written(api):
    script = "import sys; print('out ž'); print('err', file=sys.stderr); sys.stdout.buffer.write(b'\\xff'); exit(3)"
    answer = api.post("/execute", params={"wait": 20}, json={"language": "python", "script": script})
    assert answer.status_code == 200
    result = answer.json()["result"]
    assert answer.json()["execution_id"] == result["id"]
    assert (result["status"], result["exit_code"]) == ("failed", 3)
    assert (result["stdout"], result["stderr"], result["cut"]) == ("out ž\n\ufffd", "err\n", {})
    assert api.get(f"/executions/{result['id']}").json()["status"] == "failed"


def test_a_result_says_which_output_is_cut_and_where_all_of_it_is(api, running_system):
    script = "import sys; print('x' * 1_200_000, end=''); print('y' * 1_000_000, end='', file=sys.stderr)"
    result = api.post("/execute", params={"wait": 30}, json={"language": "python", "script": script}).json()["result"]
    assert (len(result["stdout"]), len(result["stderr"])) == (1_000_000, 1_000_000)
    assert list(result["cut"]) == ["stdout"], "stderr has just as much as is shown"
    assert result["cut"]["stdout"] == f"/api/v1/executions/{result['id']}/output/stdout"
    assert api.get(f"{running_system.url}{result['cut']['stdout']}").content == b"x" * 1_200_000


def test_whoever_has_waited_long_enough_hears_that_it_goes_on(api):
    before = time.monotonic()
    answer = api.post("/execute", params={"wait": 1}, json={"language": "bash", "script": "sleep 60"})
    assert answer.status_code == 202
    assert 1 <= time.monotonic() - before < 10
    run = answer.json()["execution_id"]
    assert api.get(f"/executions/{run}").json()["status"] in {"queued", "starting", "running"}
    api.post(f"/executions/{run}/cancel")


def test_of_a_long_output_the_result_has_the_beginning(api):
    body = {"language": "python", "script": "print('x' * 3_000_000)"}
    result = api.post("/execute", params={"wait": 30}, json=body).json()["result"]
    assert (len(result["stdout"]), result["stdout_bytes"]) == (1_000_000, 3_000_001)


def test_the_same_key_waits_for_the_same_run_also_when_it_has_ended(api):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [api.post("/execute", params={"wait": 20}, json=HELLO, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("wait", ["-1", "61", "long", "nan"])
def test_a_wait_that_is_none_is_refused(wait, api):
    assert api.post("/execute", params={"wait": wait}, json=HELLO).status_code == 422
