"""`run --stdin -`: what is typed or piped reaches the script while it runs, to the byte."""

import hashlib
import json
import os
import pty
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import wait_until
from tests.journeys.test_standard_input import ASKS, SUM
from tests.system import CLI, System

ASKS_NAME = """
name = input("Your name? ")
print("Hello", name, flush=True)
while True:
    try:
        print(name, "says", input("> "))
    except EOFError:
        raise SystemExit(4)
"""


@contextmanager
def run_of(system: System, script: Path, *options: str, **files: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [CLI, "run", script, "--stdin", "-", *options]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | files
    with subprocess.Popen(command, env=system.environment, **pipes) as process:
        yield process
        process.kill()


@pytest.fixture
def script(tmp_path: Path):
    """Makes a file of a script."""

    def made(content: str) -> Path:
        file = tmp_path / "script.py"
        file.write_text(content)
        return file

    return made


def newest(system: System) -> dict[str, Any]:
    (run,) = json.loads(system.cli("executions", "list", "--limit", "1", "--json").stdout)
    return json.loads(system.cli("executions", "show", run["id"], "--json").stdout)


def types_of(run: dict[str, Any]) -> list[str]:
    return [event["type"] for event in run["events"]]


def read_until(terminal: int, words: str) -> str:
    """What a terminal shows, up to these words."""
    shown, until = "", time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < until, f"never saw {words!r}, but {shown!r}"
        shown += os.read(terminal, 4096).decode()
    return shown


def test_a_script_asks_at_the_terminal_and_is_answered(running_system, script):
    terminal, theirs = pty.openpty()
    with run_of(running_system, script(ASKS_NAME), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        read_until(terminal, "Your name? ")
        os.write(terminal, b"Zdena\n")
        assert "Hello Zdena" in read_until(terminal, "> ")
        os.write(terminal, b"good morning\n")
        read_until(terminal, "Zdena says good morning")
        os.write(terminal, b"\x04")  # Ctrl-D
        assert process.wait(20) == 4
    os.close(terminal)
    assert types_of(newest(running_system)).count("input_given") == 3


def test_ctrl_c_cancels_a_run_that_waits_for_an_answer(running_system, script):
    terminal, theirs = pty.openpty()
    with run_of(running_system, script(ASKS_NAME), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        read_until(terminal, "Your name? ")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    os.close(terminal)
    assert newest(running_system)["status"] == "cancelled"


def test_each_line_of_a_pipe_is_passed_on_when_it_comes(running_system, script):
    with run_of(running_system, script(ASKS)) as process:
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"you said " + word + b"\n"
        process.stdin.close()
        assert process.stdout.read() == b"and no more\n"
        assert process.wait(20) == 0


@pytest.mark.parametrize("pause", [0, 1], ids=["at once", "later"])
def test_any_bytes_arrive_as_they_are(pause, running_system, script):
    content = random.Random(pause).randbytes(700_000)
    with run_of(running_system, script(SUM)) as process:
        time.sleep(pause)
        process.stdin.write(content)
        process.stdin.close()
        read = process.stdout.read().decode()
        assert process.wait(20) == 0
    assert read == f"700000 {hashlib.sha256(content).hexdigest()}\n"


def test_lines_that_come_fast_go_together(running_system, script):
    lines = "".join(f"line {number}\n" for number in range(3000)).encode()
    with run_of(running_system, script("import sys; print(len(sys.stdin.readlines()))")) as process:
        for start in range(0, len(lines), 100):
            process.stdin.write(lines[start : start + 100])
            process.stdin.flush()
        process.stdin.close()
        assert process.stdout.read() == b"3000\n"
    assert types_of(newest(running_system)).count("input_given") < 60


def test_a_pipe_that_is_at_its_end_goes_with_the_request(running_system, script):
    done = running_system.cli("run", script(ASKS), "--stdin", "-", input=b"hi\n")
    assert (done.stdout, done.returncode) == (b"you said hi\nand no more\n", 0)
    assert "input_given" not in types_of(newest(running_system))


def test_a_file_and_nothing_at_all_are_read_to_their_end(running_system, script, tmp_path):
    (tmp_path / "input").write_bytes(b"\xff\n" * 3)
    for source, said in ((tmp_path / "input", b"6"), (Path("/dev/null"), b"0")):
        with source.open("rb") as stdin:
            done = running_system.cli("run", script(SUM), "--stdin", "-", stdin=stdin)
        assert (done.stdout.split()[0], done.returncode, done.stderr) == (said, 0, b"")
    command = f"{CLI} run {script(SUM)} --stdin - <&-"
    closed = subprocess.run(command, shell=True, env=running_system.environment, capture_output=True, check=False)
    assert (closed.stdout.split()[0], closed.returncode) == (b"0", 0)


def test_a_script_that_ends_keeps_nobody_waiting_for_the_rest(running_system, script):
    with run_of(running_system, script("print(input())")) as process:
        process.stdin.write(b"first\nsecond\n")
        process.stdin.flush()
        assert process.stdout.read() == b"first\n"
        assert process.wait(20) == 0


def test_too_much_is_refused_before_it_runs_or_ends_the_run_in_words(running_system, script, tmp_path):
    (tmp_path / "input").write_bytes(b"x" * 1_000_001)
    with (tmp_path / "input").open("rb") as stdin:
        done = running_system.cli("run", script(SUM), "--stdin", "-", stdin=stdin)
    assert done.returncode == 125
    assert done.stderr == b"Not run: stdin has more than the 1,000,000 bytes that are allowed.\n"
    with run_of(running_system, script(SUM)) as process:
        time.sleep(2)
        process.stdin.write(b"x" * 1_000_001)
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait(20) == 137
    assert b"the input cannot be passed on, so the run is asked to end: This run has " in said
    assert newest(running_system)["status"] == "cancelled"


def test_each_line_arrives_once_though_the_process_that_writes_the_log_is_killed(running_system, script):
    lines = [b"line %d" % number for number in range(60)]
    with run_of(running_system, script(ASKS), "--timeout", "60") as process:
        for number, line in enumerate(lines):
            if number in {10, 30}:
                os.kill(running_system.running.processes["api"], signal.SIGKILL)
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            time.sleep(0.05)
        process.stdin.close()
        assert process.stdout.read() == b"".join(b"you said " + line + b"\n" for line in lines) + b"and no more\n"
    wait_until(lambda: running_system.is_ready, "an API for whoever comes next")
