"""Bad input: a clear sentence, the right status, and nothing changed."""

import uuid
from typing import Any

import pytest

from tests.journeys.conftest import execute, result_of

HELLO = {"language": "python", "script": "print('hello')"}

BAD: dict[str, tuple[int, str, Any]] = {
    "unknown language": (422, "cannot run here", {**HELLO, "language": "cobol"}),
    "unknown version": (422, "cannot run here", {**HELLO, "version": "1.5"}),
    "script too long": (422, "at most 50,000", {**HELLO, "script": "x" * 50_001}),
    "stdin too long": (422, "at most 1,000,000", {**HELLO, "stdin": "ä" * 500_001}),
    "wrong type": (422, "Expected `str`", {**HELLO, "script": 5}),
    "missing field": (422, "missing required field", {"language": "python"}),
    "unknown field": (422, "unknown field", {**HELLO, "colour": "red"}),
    "unknown limit": (422, "unknown field", {**HELLO, "limits": {"colour": 1}}),
    "limit above its ceiling": (422, "at most", {**HELLO, "limits": {"wall_seconds": 1e6}}),
    "limit below zero": (422, "Expected `float` > 0", {**HELLO, "limits": {"wall_seconds": -1}}),
    "limit without sense": (422, "", {**HELLO, "limits": {"memory_bytes": 0}}),
    "variable without a name": (422, "a name is letters", {**HELLO, "env": {"": "x"}}),
    "variable with a bad name": (422, "a name is letters", {**HELLO, "env": {"1 A": "x"}}),
    "variable with a name too long": (422, "at most 128", {**HELLO, "env": {"A" * 129: "x"}}),
    "variable that is no text": (422, "Expected `str`", {**HELLO, "env": {"A": 1}}),
    "variable with a NUL": (422, "NUL", {**HELLO, "env": {"A": "x\0y"}}),
    "variables too many": (422, "at most 100", {**HELLO, "env": {f"A{n}": "" for n in range(101)}}),
    "variables too large": (422, "at most 32,768", {**HELLO, "env": {"A": "ä" * 16_384}}),
    "no object": (422, "Expected `object`", [1, 2]),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_request_is_refused_in_words_and_changes_nothing(what, api, running_system):
    status, words, body = BAD[what]
    before = running_system.events()
    answer = api.post("/execute", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert running_system.events() == before


@pytest.mark.parametrize("content", [b'{"language": ', b'{"language":"python","script":"\xff"}'])
def test_broken_json_is_told_as_such(api, content):
    answer = api.post("/execute", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["detail"]


HALVES = [rb"\ud800", rb"\ud800 abc", rb"\udc00", rb"\ud800\ud800"]


@pytest.mark.parametrize("path", ["/execute", "/execute/batch"])
@pytest.mark.parametrize("half", HALVES)
def test_half_of_a_surrogate_pair_is_told_as_such(api, half, path):
    content = b'{"language":"python","script":"# ' + half + b'"}'
    content = b'{"items":[' + content + b"]}" if path.endswith("batch") else content
    answer = api.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "half of a surrogate pair" in answer.json()["detail"]


def test_what_is_no_json_for_another_reason_is_not_told_as_half_a_pair(api):
    for content in (rb'{"script": "\ud800"', rb'{"script": "\ud800", "env": ' + b"[" * 100_000):
        answer = api.post("/execute", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400
        assert "half of" not in answer.json()["detail"]


def test_another_content_type_is_told_what_to_send(api):
    answer = api.post("/execute", content=b"print(1)", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_body_beyond_all_measure_is_refused(api):
    answer = api.post("/execute", json={**HELLO, "stdin": "x" * 9_000_000})
    assert answer.status_code == 413


def test_a_limit_names_the_field_that_is_wrong(api):
    answer = api.post("/execute", json={**HELLO, "limits": {"pids": "many"}})
    assert answer.json()["errors"] == [{"field": "limits.pids", "detail": "Expected `int | null`, got `str`"}]


def test_a_limit_above_its_ceiling_is_named(api):
    answer = api.post("/execute", json={**HELLO, "limits": {"wall_seconds": 1e6}})
    (error,) = answer.json()["errors"]
    assert error["field"] == "limits.wall_seconds"
    assert "at most" in error["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**HELLO, "colour": "red"}, "colour"),
        ({**HELLO, "limits": {"colour": 1}}, "limits.colour"),
        ({"language": "python"}, "script"),
    ],
)
def test_a_field_that_is_unknown_or_missing_is_named(body, field, api):
    (error,) = api.post("/execute", json=body).json()["errors"]
    assert error["field"] == field


def test_the_same_key_with_the_same_body_is_one_run(api):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (api.post("/execute", json=HELLO, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()


def test_the_same_key_with_another_body_is_a_conflict(api, running_system):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = api.post("/execute", json=HELLO, headers=key).json()
    result_of(api, first["execution_id"])
    before = running_system.events()
    other = api.post("/execute", json={**HELLO, "script": "print('other')"}, headers=key)
    assert other.status_code == 409
    assert "Idempotency-Key" in other.json()["detail"]
    assert running_system.events() == before


def test_a_refused_request_does_not_poison_its_key(api):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    assert api.post("/execute", json={**HELLO, "language": "cobol"}, headers=key).status_code == 422
    assert api.post("/execute", json=HELLO, headers=key).status_code == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/executions/{id}"),
        ("GET", "/executions/{id}/events"),
        ("GET", "/executions/{id}/output/stdout"),
        ("GET", "/events/executions/{id}"),
        ("POST", "/executions/{id}/cancel"),
        ("POST", "/executions/{id}/retry"),
    ],
)
def test_unknown_and_foreign_runs_look_the_same(method, path, api, running_system):
    own = execute(api, "print(1)")
    body = {} if method == "POST" else None
    with running_system.client() as stranger:
        assert stranger.request(method, path.format(id=own), json=body).status_code == 401
        stranger.post("/auth/register", json={"username": uuid.uuid4().hex, "password": "a long password"})
        foreign = stranger.request(method, path.format(id=own), json=body)
        unknown = stranger.request(method, path.format(id=uuid.uuid4()), json=body)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"] == f"There is no run {own}."


def test_a_stream_that_is_no_stream_and_an_output_that_is_not_there_yet(api):
    run = execute(api, "import time; time.sleep(1)")
    assert api.get(f"/executions/{run}/output/stdlog").status_code == 404
    assert api.get(f"/executions/{run}/output/stdout").status_code == 409
    result_of(api, run)
    assert api.get(f"/executions/{run}/output/stdout").content == b""


def test_cancelling_an_ended_run_is_a_conflict(api):
    run = execute(api, "print(1)")
    result_of(api, run)
    answer = api.post(f"/executions/{run}/cancel", json={})
    assert answer.status_code == 409
    assert "ended already" in answer.json()["detail"]


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"headers": {"Content-Type": "application/json"}}])
def test_a_run_is_cancelled_with_an_empty_body_or_none(options, api):
    run = execute(api, "import time; time.sleep(60)")
    assert api.post(f"/executions/{run}/cancel", **options).status_code == 202
    assert result_of(api, run)["status"] == "cancelled"
    (error,) = api.post(f"/executions/{run}/cancel", json={"why": "so"}).json()["errors"]
    assert error["field"] == "why"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_does_not_exist_is_a_problem_too(method, api):
    answer = api.request(method, "/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/executions/x", "/admin/replays/x", "/admin/events/abc", "/admin/events/٣"])
def test_an_id_that_is_none_is_told_in_our_words(path, api):
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("Nothing is at this address. An id in it is a UUID")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/execute", {"POST"}),
        ("DELETE", "/auth/me", {"GET", "HEAD"}),
        ("PUT", "/executions/{id}/cancel", {"POST"}),
        ("POST", "/k8s-limits", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_a_problem_that_tells_the_right_ones(method, path, allowed, api):
    answer = api.request(method, path.format(id=uuid.uuid4()))
    assert answer.status_code == answer.json()["status"] == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.headers["allow"].split(", ")) == allowed | {"OPTIONS"}
