"""What this is and what can be run here, as the API and the command line tell it."""

import json

import httpx
import pytest

from tests.journeys.conftest import execute


def test_the_command_line_has_the_version_of_the_api(running_system):
    done = running_system.cli("--version")
    document = httpx.get(f"{running_system.url}/openapi.json").json()
    assert (done.stdout.decode(), done.returncode) == (f"runledger {document['info']['version']}\n", 0)


@pytest.fixture
def runtimes(api) -> list[dict]:
    return api.get("/runtimes").json()["runtimes"]


def test_the_command_line_says_the_same_as_the_api(runtimes, running_system):
    assert json.loads(running_system.cli("runtimes", "list", "--json").stdout) == runtimes
    _, *lines = running_system.cli("runtimes", "list").stdout.decode().splitlines()
    for line, runtime in zip(lines, runtimes, strict=True):
        here = runtime["reason"] or "can run"
        assert " ".join(line.split()) == f"{runtime['language']} {runtime['version']} {here}"


def test_it_needs_no_running_system(tmp_path, runtimes, running_system):
    done = running_system.cli("runtimes", "list", "--data", tmp_path, "--json")
    assert json.loads(done.stdout) == runtimes


def test_the_newest_version_that_can_run_is_meant_where_none_is_named(api, runtimes):
    *_, newest = [one["version"] for one in runtimes if one["language"] == "go" and one["is_available"]] or [None]
    if newest is None:
        pytest.skip("go is not installed here")
    run = execute(api, "package main\n\nfunc main() {}", "go")
    assert api.get(f"/executions/{run}").json()["version"] == newest


def test_every_version_that_cannot_run_is_refused(api, runtimes):
    for one in runtimes:
        if not one["is_available"]:
            asked = {"language": one["language"], "version": one["version"], "script": ""}
            refused = api.post("/execute", json=asked)
            assert refused.status_code == 422
            assert f"'{one['language']} {one['version']}' cannot run here" in refused.json()["detail"]
