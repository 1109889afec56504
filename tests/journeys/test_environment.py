"""Variables of the person's own: the script has them, nobody else, and a repeated run has them again."""

import uuid

from application.environment import BYTES, VARIABLES
from tests.journeys.conftest import execute, follow, output_of, result_of

SHOW = "import os\nfor name in ('GREETING', 'EMPTY', 'LANG', 'HOME'): print(repr(os.environ.get(name)))"


def printed(api, run: str) -> list[str]:
    return output_of(list(follow(api, run))).decode().splitlines()


def test_the_script_has_them_beside_those_that_every_run_has(api):
    env = {"GREETING": "žluťoučký kůň\nin two lines", "EMPTY": "", "LANG": "cs_CZ.UTF-8"}
    run = execute(api, SHOW, env=env)
    assert printed(api, run) == [repr(env["GREETING"]), "''", "'cs_CZ.UTF-8'", "'/work'"]
    assert api.get(f"/executions/{run}").json()["env"] == env


def test_a_run_without_any_has_none_of_another(api):
    result_of(api, execute(api, SHOW, env={"GREETING": "hello"}))
    run = execute(api, SHOW)
    assert printed(api, run)[:2] == ["None", "None"]
    assert api.get(f"/executions/{run}").json()["env"] == {}


def test_a_repeated_run_has_them_again(api):
    old = execute(api, SHOW, env={"GREETING": "again"})
    result_of(api, old)
    new = api.post(f"/executions/{old}/retry").json()["execution_id"]
    assert printed(api, new)[0] == "'again'"


def test_as_many_and_as_large_as_allowed_arrive(api):
    env = {f"A{number}": "x" * 200 for number in range(VARIABLES - 1)}
    env["LAST"] = "y" * (BYTES - sum(len(name) + len(value) for name, value in env.items()) - len("LAST"))
    script = "import os; print(sum(len(n) + len(v) for n, v in os.environ.items() if n[0] == 'A' or n == 'LAST'))"
    assert printed(api, execute(api, script, env=env)) == [str(BYTES)]


def test_wrong_ones_are_refused_by_the_name_of_the_field(api):
    refused = api.post("/execute", json={"language": "python", "script": SHOW, "env": {"1A": "x"}})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["field"], error["detail"]) == ("env", refused.json()["detail"])


def test_a_key_is_bound_to_them_too(api):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"language": "python", "script": SHOW}
    answers = [api.post("/execute", json=body | more, headers=key) for more in ({}, {"env": {}}, {"env": {"A": "1"}})]
    assert [answer.status_code for answer in answers] == [202, 202, 409]


def test_on_the_command_line(running_system):
    options = ["--language", "bash", "--env", "A=1 and 2", "--env", "B=x=y"]
    done = running_system.cli("run", "-", *options, input=b"echo $A; echo $B")
    assert (done.stdout, done.returncode) == (b"1 and 2\nx=y\n", 0)
    for wrong, code in (("A", 2), ("1A=x", 125)):
        assert running_system.cli("run", "-", "--language", "bash", "--env", wrong, input=b"").returncode == code
