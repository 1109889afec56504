"""The whole of `runledger up` as a program: what it prints, what it keeps running, how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.server import LOOPBACK, free_port

ROOT = Path(__file__).parents[2]


class Up:
    """One `runledger up` with its lines and its run file."""

    def __init__(self, data: Path, *options: str, port: int | None = None, cwd: Path = ROOT, **environ: str) -> None:
        self.data = data
        self.port = port or free_port()
        self.output = data.with_name(f"{data.name}.{self.port}.out")
        command = [sys.executable, "-P", "-m", "ops.cli", "up", "--data", str(data), "--port", str(self.port), *options]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=cwd, env={**unconfigured(), **environ}, stdout=output, stderr=output
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def running(self) -> dict[str, Any]:
        return json.loads((self.data / "run.json").read_text())

    @property
    def pids(self) -> dict[str, int]:
        return self.running["processes"]

    def until(self, condition: Callable[[], bool], seconds: float = 90) -> "Up":
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain; it said: {self.said}"
            time.sleep(0.05)
        return self

    def until_ready(self) -> "Up":
        return self.until(lambda: "is ready" in self.said or self.process.poll() is not None)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def unconfigured() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNLEDGER_")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "my data"


@pytest.fixture(scope="module")
def first(data: Path) -> Iterator[Up]:
    """The first start on an empty folder."""
    up = Up(data).until_ready()
    yield up
    up.end(signal.SIGTERM)


def answers(up: Up) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{up.port}/health/ready", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_prints_the_password_once_and_the_address(first):
    lines = first.said.splitlines()

    assert [bool(re.search("admin.*password", line)) for line in lines] == [True, False]
    assert lines[1] == f"Runledger is ready at http://127.0.0.1:{first.port} (Ctrl-C stops it)"
    assert answers(first)


def test_the_password_is_in_no_file(first):
    password = re.search(r"password (\S+)", first.said)[1].encode()
    files = [file for file in first.data.rglob("*") if file.is_file()]

    assert (first.data / "logs" / "api.log") in files
    assert [file for file in files if password in file.read_bytes()] == []


def test_everything_in_the_folder_is_private(first):
    assert [path for path in [first.data, *first.data.rglob("*")] if path.stat().st_mode & 0o077] == []


def test_a_second_one_on_the_folder_is_refused_with_process_and_address(first):
    second = Up(first.data)

    assert second.process.wait(30) == 1
    assert second.said.startswith(
        f"Runledger already runs on {first.data}, as process {first.process.pid} at http://127.0.0.1:{first.port}."
    )
    assert answers(first)


@pytest.mark.parametrize("name", ["mongo", "redis", "kafka", "worker", "api"])
def test_what_is_killed_comes_back(first, name):
    before = first.running
    os.kill(before["processes"][name], signal.SIGKILL)

    first.until(lambda: first.pids[name] != before["processes"][name] and answers(first))
    if name == "kafka":  # has a new address with each start
        first.until(lambda: first.running["kafka_servers"] != before["kafka_servers"])

    assert f"{name} was ended by SIGKILL; it starts again in" in first.said
    assert {key for key in before["processes"] if first.pids[key] != before["processes"][key]} == {name}
    assert [first.running[key] for key in ("mongo_url", "redis_url")] == [before["mongo_url"], before["redis_url"]]


def test_ctrl_c_ends_all_of_it_in_five_seconds_and_the_next_start_has_the_data(first, data):
    pids = first.pids.values()
    start = time.monotonic()

    code = first.end(signal.SIGINT)

    assert time.monotonic() - start < 5
    assert code == 0
    assert [exists(pid) for pid in pids] == [False] * len(pids)
    assert not (data / "run.json").exists()

    again = Up(data).until_ready()
    assert "password" not in again.said
    assert answers(again)
    again.end()


def test_kill_9_of_the_supervisor_leaves_no_child_and_the_folder_usable(data):
    up = Up(data).until_ready()
    pids = list(up.pids.values())

    up.end(signal.SIGKILL)
    up.until(lambda: not any(exists(pid) for pid in pids), seconds=5)

    again = Up(data).until_ready()
    assert answers(again)
    again.end()


def test_split_gives_each_worker_a_process(data):
    up = Up(data, "--split").until_ready()
    names = up.pids.keys()
    up.end()

    workers = {"relay", "projections", "saga", "executor", "monitor", "results", "replay", "deadletters"}
    assert names == {"mongo", "redis", "kafka", "api", *workers}


def test_a_taken_port_is_refused_and_nothing_is_started(data):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(data, port=port)
        assert up.process.wait(30) == 1

    assert up.said == (
        f"Another program uses the port {port}. Stop it, or choose another port with --port or RUNLEDGER_PORT.\n"
    )


def test_a_missing_bubblewrap_is_refused(tmp_path):
    up = Up(tmp_path / "data", PATH=str(tmp_path))

    assert up.process.wait(30) == 1
    assert up.said == "The program bubblewrap is not installed. Install it: apt-get install bubblewrap.\n"


def test_settings_that_cannot_be_used_are_refused(tmp_path):
    up = Up(tmp_path / "data", RUNLEDGER_SLOT="3")

    assert up.process.wait(30) == 2
    assert "RUNLEDGER_SLOT" in up.said
    assert "RUNLEDGER_SLOTS" in up.said
    assert not (tmp_path / "data").exists()


def test_a_file_for_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    up = Up(tmp_path / "file")

    assert up.process.wait(30) == 1
    assert "cannot be used: File exists. Make it a folder that you may write to" in up.said
    assert up.said.count("\n") == 1


def test_a_damaged_store_is_refused_in_one_line(data):
    catalogue = data / "mongo" / "WiredTiger.wt"
    content = catalogue.read_bytes()
    catalogue.write_bytes(os.urandom(len(content)))

    up = Up(data)
    assert up.process.wait(60) == 1
    catalogue.write_bytes(content)

    log = data / "logs" / "mongo.log"
    assert up.said == (
        f"The store in {data}/mongo cannot be opened; {log} says why. "
        "Restore a backup of the data folder, or move the folder away to begin with an empty one.\n"
    )


def test_a_store_without_its_turtle_is_refused_within_seconds_and_left_as_it_is(data):
    turtle = data / "mongo" / "WiredTiger.turtle"
    content = turtle.read_bytes()
    turtle.unlink()
    before = contents(data / "mongo")

    up = Up(data)
    assert up.process.wait(10) == 1
    after = contents(data / "mongo")
    turtle.write_bytes(content)

    assert after == before
    assert up.said == (
        f"The file WiredTiger.turtle is missing from the store in {data}/mongo, so its content cannot be found. "
        "Nothing was changed. Put the file back, restore a backup of the data folder, or move the folder away to begin "
        "with an empty one.\n"
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_nothing_of_the_folder_it_starts_in_is_run(tmp_path: Path):
    """A folder `api` of the person's own is not ours."""
    (tmp_path / "api").mkdir()
    for name in ("api/__init__.py", "ops.py", "msgspec.py"):
        (tmp_path / name).write_text("raise SystemExit('not ours')")
    started = Up(tmp_path / "data", cwd=tmp_path)
    try:
        assert "is ready" in started.until_ready().said
    finally:
        started.end()
