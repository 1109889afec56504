"""Running an ended run again."""

import json
import uuid

from tests.journeys.conftest import execute, follow, output_of, result_of

ECHO = "print(input()); raise SystemExit(3)"


def test_the_new_run_does_the_same_and_names_the_old_one(api):
    old = execute(api, ECHO, stdin="said", limits={"wall_seconds": 7.0})
    result_of(api, old)
    accepted = api.post(f"/executions/{old}/retry")
    assert accepted.status_code == 202
    new = accepted.json()["execution_id"]
    *messages, end = follow(api, new)
    assert new != old
    assert (output_of(messages), end.data["exit_code"]) == (b"said\n", 3)
    shown, before = api.get(f"/executions/{new}").json(), api.get(f"/executions/{old}").json()
    assert (shown["retry_of"], before["retry_of"]) == (old, None)
    for same in ("language", "version", "script", "stdin", "limits"):
        assert shown[same] == before[same]
    first = api.get(f"/executions/{new}/events").json()["items"][0]
    assert first["words"].endswith(f", again after run {old}")


def test_the_new_run_reads_all_that_the_old_one_was_given(api):
    old = execute(api, "import sys; sys.stdout.write(sys.stdin.read())", stdin="first,", stdin_open=True)
    for text, end in (("second,", False), ("third", True)):
        assert api.post(f"/executions/{old}/stdin", json={"text": text, "end": end}).is_success
    *messages, _ = follow(api, old)
    assert output_of(messages) == b"first,second,third"
    new = api.post(f"/executions/{old}/retry").json()["execution_id"]
    *messages, last = follow(api, new)
    assert (output_of(messages), last.data["status"]) == (b"first,second,third", "succeeded")
    shown = api.get(f"/executions/{new}").json()
    assert (shown["stdin"], shown["stdin_open"]) == ("first,second,third", False)


def test_a_run_that_goes_on_is_not_run_again(api):
    run = execute(api, "import time; time.sleep(60)")
    refused = api.post(f"/executions/{run}/retry")
    assert refused.status_code == 409
    assert "has not ended yet" in refused.json()["detail"]
    api.post(f"/executions/{run}/cancel")


def test_with_one_key_there_is_one_new_run_and_never_one_of_another(api):
    first, second = execute(api, ECHO, stdin="one"), execute(api, ECHO, stdin="two")
    result_of(api, first), result_of(api, second)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    answers = [api.post(f"/executions/{first}/retry", headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert api.post(f"/executions/{second}/retry", headers=key).status_code == 409
    assert api.post("/execute", headers=key, json={"language": "python", "script": ECHO}).status_code == 409


def test_an_admin_runs_it_again_for_its_owner(api, running_system):
    with running_system.client() as person:
        person.post("/auth/register", json={"username": uuid.uuid4().hex, "password": "a long password"})
        theirs = execute(person, ECHO, stdin="theirs")
        result_of(person, theirs)
        new = api.post(f"/executions/{theirs}/retry").json()["execution_id"]
        assert result_of(person, new)["exit_code"] == 3


def test_on_the_command_line(api, running_system):
    old = execute(api, ECHO, stdin="said")
    result_of(api, old)
    new = running_system.cli("executions", "retry", old).stdout.decode().strip()
    assert result_of(api, new)["exit_code"] == 3
    assert json.loads(running_system.cli("executions", "show", new, "--json").stdout)["retry_of"] == old
    again = json.loads(running_system.cli("executions", "retry", new, "--json").stdout)
    assert again.keys() == {"id", "position"}
    for id, says in (
        (uuid.uuid4(), "There is no run"),
        (execute(api, "import time; time.sleep(20)"), "has not ended yet"),
    ):
        refused = running_system.cli("executions", "retry", id)
        assert (refused.returncode, says in refused.stderr.decode()) == (1, True)
