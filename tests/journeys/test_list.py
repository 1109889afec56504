"""The list of somebody's runs, where each is told from the others."""

import uuid

import pytest

from tests.journeys.conftest import execute, result_of
from tests.system import System


@pytest.mark.parametrize(
    ("script", "title"),
    [
        ("print('Zoë')", "print('Zoë')"),
        (
            "#!/usr/bin/env python3\nimport os\nfrom sys import argv\n\n# Count  words\nprint(1)",
            "# Count words print(1)",
        ),
        ("set -eu\nls", "ls"),
        ("import this", "import this"),
        ("", ""),
        ("x = 1 # " + "y" * 100, "x = 1 # " + "y" * 71 + "…"),
    ],
)
def test_a_run_is_titled_by_the_first_words_that_tell_it_from_others(script, title, api):
    run = execute(api, script)
    position = result_of(api, run)["position"]
    listed = api.get("/executions", params={"limit": 1, "min_position": position}).json()["items"]
    assert [(item["id"], item["title"]) for item in listed] == [(run, title)]


def test_a_title_is_shown_to_nobody_else(running_system: System, api):
    with running_system.client() as owner, running_system.client() as stranger:
        for client in (owner, stranger):
            client.post("/auth/register", json={"username": uuid.uuid4().hex, "password": "a long password"})
        secret = uuid.uuid4().hex
        result_of(owner, execute(owner, f"x = '{secret}'"))
        assert secret in owner.get("/executions").text
        for client in (stranger, api):
            assert secret not in client.get("/executions", params={"limit": 100}).text
    for command in (["executions", "list", "--json"], ["events", "list", "--limit", "10000", "--json"]):
        assert secret.encode() not in running_system.cli(*command).stdout
