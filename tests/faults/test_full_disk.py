"""A disk that fills up under the running system: what was acknowledged stays, the rest is refused, and it goes on."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults import checker
from tests.faults.test_kill import result_of_patiently, wait_until_read_models_are_there
from tests.system import System, running_on

DISK = "400m"
"""An `up` wants 200 MB at its start."""
SECONDS = 60.0
HELLO = {"language": "python", "script": "print('hello')"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file: Path) -> None:
    """Until nothing more goes on the disk."""
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1024 * 1024))
        except OSError:
            while True:
                try:
                    filler.write(b"x")
                except OSError:
                    return


def request_until_refused(client: httpx.Client) -> tuple[list[str], httpx.Response]:
    """What was acknowledged on the full disk, and the first refusal."""
    acknowledged, deadline = [], time.monotonic() + SECONDS
    while (answer := client.post("/execute", json=HELLO)).status_code == 202:
        assert time.monotonic() < deadline, "the full disk is not noticed"
        acknowledged.append(answer.json()["execution_id"])
    return acknowledged, answer


def until(condition, words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.1)


def test_a_full_disk_loses_nothing_refuses_in_words_and_is_over_when_there_is_room(disk):
    with running_on(disk) as system:
        client = system.log_in()
        before = client.post("/execute", json=HELLO).json()["execution_id"]
        assert result_of_patiently(client, before)["status"] == "succeeded"

        fill(disk / "filler")
        acknowledged, refusal = request_until_refused(client)
        assert refusal.status_code == 503
        assert "The event store cannot be reached; nothing was changed." in refusal.json()["detail"]
        until(lambda: "is full" in system.said.read_text(), "up does not say that the disk is full")
        assert "nothing more is accepted until you free some space" in system.said.read_text()
        assert_refused_on_the_command_line(system)

        (disk / "filler").unlink()
        until(lambda: system.is_ready, "it does not go on")
        after = client.post("/execute", json=HELLO)
        assert after.status_code == 202, after.text
        assert result_of_patiently(client, after.json()["execution_id"])["status"] == "succeeded"
        for run in acknowledged:
            result_of_patiently(client, run)
        wait_until_read_models_are_there(system)
        container = checker.container_of(system)
        checker.check_ledger(container)
        checker.check_runs(checker.read_all(container.log()), [before, *acknowledged, after.json()["execution_id"]])


def assert_refused_on_the_command_line(system: System) -> None:
    done = system.cli("run", "-", "--language", "python", input=b"print(1)")
    assert done.returncode in {1, 125}
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert json.loads(httpx.get(f"{system.url}/health/ready", timeout=30).content)["checks"]["event store"]
