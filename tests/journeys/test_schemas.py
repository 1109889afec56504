"""Somebody changes an event; somebody runs the system with a schema registry."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import execute, result_of
from tests.real_registry import RealRegistry
from tests.servers import running
from tests.system import CLI, configured, running_on

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "projections", "adapters", "api", "ops")


class Sources:
    """A copy of the program that may be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def schemas(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in (self.folder / "adapters" / "schemas" / "events").iterdir()}

    def change(self, before: str, after: str) -> None:
        file = self.folder / "domain" / "execution.py"
        text = file.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, after))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ops.cli", "schemas", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def sources(tmp_path):
    return Sources(tmp_path)


def test_make_check_runs_the_check():
    planned = subprocess.run(["make", "-n", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "runledger schemas check" in planned.stdout


def test_an_incompatible_change_is_refused_with_words_that_say_what_to_do_until_it_is_done(sources):
    before = sources.schemas
    event, changed = "class SandboxCreated(Aggregate.Event):\n", "        sandbox: str\n        host: str\n"
    sources.change(f"{event}        sandbox: str\n", event + changed)

    for command in ("check", "export"):
        refused = sources.cli(command)
        assert refused.returncode == 1
        assert "Execution.SandboxCreated: the field `host` is new and has no default" in refused.stderr
        assert "`class_version = 2` and a static method `upcast_v1_v2(fields)`" in refused.stderr
    assert sources.schemas == before

    sources.change(event, f"{event}        class_version = 2\n")
    assert "`upcast_v1_v2(fields)`" in sources.cli("check").stderr
    upcast = '        @staticmethod\n        def upcast_v1_v2(fields):\n            fields["host"] = "unknown"\n'
    sources.change(changed, changed + upcast)
    assert "run `runledger schemas export`" in sources.cli("check").stderr
    assert "Execution.SandboxCreated.v2.json" in sources.cli("export").stdout
    assert sources.cli("check").returncode == 0
    assert sources.schemas.keys() - before.keys() == {"Execution.SandboxCreated.v2.json"}


def test_check_and_export_with_json_tell_the_same_to_programs(sources):
    assert json.loads(sources.cli("check", "--json").stdout)["problems"] == []
    sources.change("disk_bytes: int = 64 * 1024 * 1024", "disk_bytes: int = 64 * 1024 * 1024\n    gpus: int = 0")
    (problem,) = json.loads(sources.cli("check", "--json").stdout)["problems"]
    assert (problem["event"], problem["field"]) == ("Execution.Requested", None)
    (written,) = json.loads(sources.cli("export", "--json").stdout)
    assert written.endswith("Execution.Requested.v2.json")
    assert json.loads(sources.cli("export", "--json").stdout) == []


# With a registry ----------------------------------------------------------------------------------------------


def register(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RUNLEDGER_")}
    environment = ours | ({"RUNLEDGER_SCHEMA_REGISTRY_URL": url} if url else {})
    command = [CLI, "schemas", "register", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_register_tells_what_is_new_and_what_is_refused(real_registry):
    subject = f"{real_registry.address}/subjects/User.LoggedOut/versions"
    register(real_registry.address)
    rows = json.loads(register(real_registry.address, "--json").stdout)
    assert {(row["subject"], row["status"]) for row in rows} >= {("User.LoggedOut", "known"), ("Name.Claimed", "known")}

    # What somebody else registers under this name is no schema of ours.
    httpx.delete(subject.removesuffix("/versions")).raise_for_status()
    other = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"a": {}}}
    httpx.post(subject, json={"schemaType": "JSON", "schema": json.dumps(other)}).raise_for_status()
    refused = register(real_registry.address, "--json")
    assert refused.returncode == 1
    assert "refuses User.LoggedOut: " in refused.stderr
    statuses = {row["subject"]: row["status"] for row in json.loads(refused.stdout)}
    assert [subject for subject, status in statuses.items() if status != "known"] == ["User.LoggedOut"]

    httpx.delete(subject.removesuffix("/versions")).raise_for_status()
    rows = json.loads(register(real_registry.address, "--json").stdout)
    assert [row["subject"] for row in rows if row["status"] == "new"] == ["User.LoggedOut"]


def test_register_says_when_there_is_no_registry():
    assert register("").returncode == 2
    assert "set RUNLEDGER_SCHEMA_REGISTRY_URL" in register("").stderr
    down = register("http://127.0.0.1:9")
    assert down.returncode == 1
    assert "Start it, or correct RUNLEDGER_SCHEMA_REGISTRY_URL." in down.stderr


def test_runs_end_while_the_registry_is_down_and_kafka_catches_up_when_it_is_there(tmp_path):
    if not RealRegistry.is_fetched():
        pytest.skip("Apicurio Registry has not been fetched")
    registry = RealRegistry.create(tmp_path)
    data = configured(tmp_path / "data", schema_registry_url=registry.address())
    with running_on(data) as system, closing(system.log_in()) as api:

        def relay():
            return json.loads(system.cli("status", "--json").stdout)["relay"]

        def until(condition):
            deadline = time.monotonic() + 30
            while not condition():
                assert time.monotonic() < deadline, relay()

        assert result_of(api, execute(api, "print(6 * 7)"))["status"] == "succeeded"
        until(lambda: "does not answer as one" in relay()["trouble"])
        assert relay()["lag"] > 0
        assert b"correct RUNLEDGER_SCHEMA_REGISTRY_URL" in system.cli("status").stdout
        with running(registry, tmp_path):
            until(lambda: (relay()["lag"], relay()["trouble"]) == (0, ""))
        assert result_of(api, execute(api, "print(6 * 7)"))["status"] == "succeeded"
