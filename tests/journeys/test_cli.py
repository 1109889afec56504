"""The command line on a running system."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.embedded.server import free_port
from application.run_requests import LimitWishes
from ops.cli.limits import OPTIONS
from tests.journeys.conftest import execute, result_of
from tests.system import CLI, System, running_on

MUCH, ROOM = 400_000, 100_000
"""Bytes."""


def run_script(system: System, script: str, *options: object, language: str = "python"):
    return system.cli("run", "-", "--language", language, *options, input=script.encode())


@pytest.mark.parametrize(
    ("script", "options", "code", "words"),
    [
        ("raise SystemExit(7)", [], 7, ""),
        ("import os; os.kill(os.getpid(), 11)", [], 139, "signal"),
        ("while True: pass", ["--timeout", "1"], 124, "timed_out"),
        ("x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1", [], 137, "out_of_memory"),
    ],
    ids=["code", "signal", "timeout", "memory"],
)
def test_run_exits_as_the_script_did_and_says_why_when_it_did_not(script, options, code, words, running_system):
    done = run_script(running_system, script, *options)
    assert done.returncode == code
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == (1 if words else 0)


def test_run_that_cannot_be_accepted_exits_with_125(running_system):
    done = run_script(running_system, "print(1)", language="cobol")
    assert done.returncode == 125
    assert b"cannot run here" in done.stderr
    assert running_system.cli("run", "no-such-file.py").returncode == 125
    assert running_system.cli("run", "no-ending").returncode == 2


def test_run_keeps_stdout_and_stderr_apart_to_the_byte(running_system):
    script = "import os; os.write(1, b'to \\xff one\\n'); os.write(2, b'to \\x00 the other')"
    done = run_script(running_system, script)
    assert (done.stdout, done.stderr, done.returncode) == (b"to \xff one\n", b"to \x00 the other", 0)


def test_run_prints_all_of_a_fast_output(running_system):
    done = run_script(running_system, "for i in range(9): print('x' * 1_000_000)")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"x" * 1_000_000 + b"\n") * 9


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused_and_nobody_waits_for_it(running_system, seconds):
    refused = run_script(running_system, "print(1)", f"--timeout={seconds}")
    assert refused.returncode == (125 if seconds == "inf" else 2), "none at all, or more than is allowed here"
    assert refused.stderr.startswith(b"Not run: --timeout")
    assert run_script(running_system, "print(1)").stdout == b"1\n"


def test_run_takes_the_version_and_every_limit_that_the_api_takes(running_system, api):
    given = ["--timeout=7", "--cpus=0.5", "--memory=64M", "--pids=20", "--output=1000", "--disk=1m"]
    (version, *_) = [
        one["version"]
        for one in api.get("/runtimes").json()["runtimes"]
        if one["language"] == "python" and one["is_available"]
    ]
    run = run_script(running_system, "print(1)", "--version", version, *given, "--detach").stdout.decode().strip()
    shown = json.loads(running_system.cli("executions", "show", run, "--json").stdout)
    assert shown["version"] == version
    assert shown["limits"] == {
        "wall_seconds": 7.0,
        "cpus": 0.5,
        "memory_bytes": 64 << 20,
        "pids": 20,
        "output_bytes": 1000,
        "disk_bytes": 1 << 20,
    }
    assert shown["limits"].keys() == OPTIONS.keys() == {*LimitWishes.__struct_fields__}


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("--memory=1M", 2, b"Not run: --memory: Expected `int` >= 16777216 (16 MiB).\n"),
        (
            "--memory=900G",
            125,
            b"Not run: --memory is 966367641600 (900 GiB); at most 1073741824 (1 GiB) is allowed here.\n",
        ),
        ("--memory=lots", 2, b"'lots' is no size"),
        ("--cpus=0", 2, b"Not run: --cpus: Expected `float` >= 0.01.\n"),
        ("--disk=1K", 2, b"Not run: --disk: Expected `int` >= 65536 (64 KiB).\n"),
        ("--version=", 2, b"Not run: --version: Expected `str` of length >= 1.\n"),
        ("--env==1", 2, b"--env =1 gives no name; write it as NAME=VALUE.\n"),
        ("--env=A", 2, b"--env A gives no value; write it as NAME=VALUE.\n"),
        ("--version=1.5", 125, b"'python 1.5' cannot run here: there is no such version. Ask for python 3."),
    ],
)
def test_an_option_that_cannot_be_is_named_with_what_is_wrong(option, code, words, running_system):
    refused = run_script(running_system, "print(1)", option)
    assert refused.returncode == code
    assert words in refused.stderr


def test_a_version_that_is_not_installed_is_refused_with_the_reason_and_what_to_do(running_system, api):
    missing = [one for one in api.get("/runtimes").json()["runtimes"] if not one["is_available"]]
    assert missing, "25 versions are not installed anywhere"
    for one in missing:
        wanted = {"language": one["language"], "version": one["version"]}
        told = api.post("/execute", json={**wanted, "script": "1"}).json()["detail"]
        assert one["reason"] in told
        assert "Install it for all users, or " in told
    refused = run_script(running_system, "1", "--version", one["version"], language=one["language"])
    assert (refused.returncode, refused.stderr.decode()) == (125, f"Not run: {told}\n")


def test_a_folder_cannot_be_run(running_system, tmp_path):
    refused = running_system.cli("run", tmp_path)
    assert refused.returncode == 125
    assert b"is a folder" in refused.stderr


def test_tables_show_whole_ids(running_system, api):
    run = execute(api, "print(1)")
    result_of(api, run)
    assert run in running_system.cli("executions", "list").stdout.decode()


def test_run_shows_each_line_when_it_comes(running_system):
    script = b"import time\nfor i in range(5): print(i); time.sleep(0.3)"
    command = [CLI, "run", "-", "--language", "python"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=running_system.environment
    ) as process:
        process.stdin.write(script)
        process.stdin.close()
        moments = [time.monotonic() for _ in process.stdout]
    assert len(moments) == 5
    assert moments[-1] - moments[0] > 0.8


ENDLESS = b"import time\nprint('up')\nwhile True: time.sleep(0.05); print('more')"
RUN_ID = re.compile(rb"run ([0-9a-f-]{36})")


@contextmanager
def endless_run(system: System, *options: str, **files: Any) -> Iterator[subprocess.Popen[bytes]]:
    """One that has printed its first line."""
    command = [CLI, "run", "-", "--language", "python", *options]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | files
    with subprocess.Popen(command, env=system.environment, **pipes) as process:
        process.stdin.write(ENDLESS)
        process.stdin.close()
        assert process.stdout.readline() == b"up\n"
        yield process


def status_of(api: httpx.Client, said: bytes) -> str:
    return result_of(api, RUN_ID.search(said)[1].decode())["status"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_cancels_the_run_and_the_exit_code_is_128_and_its_number(number, code, running_system, api):
    with endless_run(running_system) as process:
        process.send_signal(number)
        assert process.stdout.read().count(b"more") < 100
        assert process.wait(20) == code
        said = process.stderr.read()
    assert said.startswith(b"runledger: " + number.name.encode())
    assert said.endswith(b"runledger: cancelled: it was cancelled\n")
    assert status_of(api, said) == "cancelled"


@pytest.mark.parametrize("is_stderr_cut_too", [False, True])
def test_a_run_whose_output_is_cut_is_cancelled_and_the_exit_code_says_so(is_stderr_cut_too, running_system, api):
    files = {"stderr": subprocess.STDOUT} if is_stderr_cut_too else {}
    with endless_run(running_system, **files) as process:
        process.stdout.close()
        assert process.wait(20) == 141
        said = b"" if is_stderr_cut_too else process.stderr.read()
    newest = json.loads(running_system.cli("executions", "list", "--limit", "1", "--json").stdout)[0]
    assert newest["status"] == "cancelled"
    assert is_stderr_cut_too or (status_of(api, said), said.count(b"\n")) == ("cancelled", 2)


INTERRUPTED = """
import os, signal, sys
module = sys.argv.pop(1)
class Interrupt:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from ops.cli import main
main()
"""
"""It is interrupted when it loads a module."""


@pytest.mark.parametrize(("module", "code"), [("ops.cli.main", -signal.SIGINT), ("ops.containers.core", 130)])
def test_ctrl_c_ends_a_command_in_silence_also_while_it_loads(module, code, running_system):
    command = [sys.executable, "-c", INTERRUPTED, module, "executions", "list"]
    done = subprocess.run(command, env=running_system.environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_run_whose_output_has_no_room_is_cancelled_and_says_why(running_system, api):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [CLI, "run", "-", "--language", "python"],
            input=ENDLESS,
            env=running_system.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 125
    assert done.stderr.startswith(b"runledger: the output cannot be written: No space left on device: run ")
    assert status_of(api, done.stderr) == "cancelled"


@pytest.mark.parametrize("option", ["--json", "--detach"])
def test_what_has_no_room_after_the_run_was_accepted_is_told_with_125(option, running_system):
    with Path("/dev/full").open("wb") as full:
        command = [CLI, "run", "-", "--language", "python", option]
        pipes = {"stdout": full, "stderr": subprocess.PIPE}
        done = subprocess.run(command, input=b"", env=running_system.environment, timeout=60, check=False, **pipes)
    assert done.returncode == 125
    assert done.stderr.endswith(b"stdout cannot be written: No space left on device.\n")
    assert (b"goes on" in done.stderr) == (option == "--detach")


UNBUFFERED = pytest.mark.parametrize("more", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["usual", "unbuffered"])


@UNBUFFERED
def test_output_for_which_the_room_ends_in_the_middle_is_told(more, running_system, api, tmp_path):
    run = execute(api, f"print('x' * {MUCH})")
    result_of(api, run)
    for arguments, code in ((["executions", "show", run, "--output", "stdout"], 1), (["run", "-"], 125)):
        with (tmp_path / "out").open("wb") as out:
            done = running_system.cli(
                *arguments,
                *(["--language", "python"] if code == 125 else []),
                more=more,
                stdout=out,
                input=f"print('x' * {MUCH})".encode(),
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM)),
            )
        assert (done.returncode, (tmp_path / "out").stat().st_size) == (code, ROOM)
        assert b"File too large" in done.stderr


@UNBUFFERED
def test_a_full_pipe_that_does_not_block_is_waited_for(more, running_system, api):
    run = execute(api, f"print('x' * {MUCH})")
    result_of(api, run)
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    command = [CLI, "executions", "show", run, "--output", "stdout"]
    with subprocess.Popen(command, env=running_system.environment | more, stdout=theirs) as process:
        os.close(theirs)
        time.sleep(1.5)
        with os.fdopen(ours, "rb") as read:
            assert len(read.read()) == MUCH + 1
    assert process.returncode == 0


def test_without_a_stdout_nothing_is_run(running_system):
    before = json.loads(running_system.cli("executions", "list", "--limit", "1", "--json").stdout)
    done = running_system.cli("run", "-", "--language", "python", input=b"", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (125, b"stdout is closed; send it to a file, or to /dev/null.\n")
    assert json.loads(running_system.cli("executions", "list", "--limit", "1", "--json").stdout) == before
    assert running_system.cli("status", preexec_fn=lambda: os.close(1)).returncode == 1


def test_a_signal_that_is_ignored_ends_nothing(running_system):
    with endless_run(running_system, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGHUP)
        assert [process.stdout.readline() for _ in range(20)] == [b"more\n"] * 20
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143


def test_a_signal_is_heard_while_nobody_reads_the_output(running_system, api):
    script = b"print('up')\nwhile True: print('x' * 10_000)"
    command = [CLI, "run", "-", "--language", "python", "--timeout", "20"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=running_system.environment, **pipes) as process:
        process.stdin.write(script)
        process.stdin.close()
        assert process.stdout.readline() == b"up\n"
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.readline()
        assert status_of(api, said) in {"cancelled", "output_limit"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 143


def test_a_run_that_cannot_be_followed_any_more_is_named_and_goes_on(tmp_path):
    with running_on(tmp_path / "data") as system:
        command = [CLI, "run", "-", "--language", "python"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with subprocess.Popen(command, env=system.environment, **pipes) as process:
            process.stdin.write(b"import time\nprint('up', flush=True)\ntime.sleep(8)\nexit(7)")
            process.stdin.close()
            assert process.stdout.readline() == b"up\n"
            system.stop()
            said = process.stderr.read().decode()
            assert process.wait(30) == 125
        run = re.search(r"Run (\S+) goes on, but nothing can be heard of it: .*executions show", said)[1]
        system.start()
        with closing(system.log_in()) as client:
            assert result_of(client, run)["exit_code"] == 7


def test_run_with_json_prints_one_object(running_system):
    done = run_script(running_system, "print('hello')", "--json")
    result = json.loads(done.stdout)
    assert (result["status"], result["stdout"], result["exit_code"]) == ("succeeded", "hello\n", 0)


def test_detach_prints_the_id_of_a_run_that_goes_on(running_system, api):
    done = run_script(running_system, "print('hello')", "--detach")
    assert result_of(api, done.stdout.decode().strip())["status"] == "succeeded"


def test_executions_are_listed_shown_and_cancelled(running_system, api):
    run = execute(api, "import time; time.sleep(60)")
    listed = json.loads(running_system.cli("executions", "list", "--json").stdout)
    assert run in [row["id"] for row in listed]
    assert running_system.cli("executions", "cancel", run).returncode == 0
    result_of(api, run)
    shown = json.loads(running_system.cli("executions", "show", run, "--json").stdout)
    assert shown["status"] == "cancelled"
    assert [event["type"] for event in shown["events"]][-2:] == ["cancel_requested", "finished"]
    again = running_system.cli("executions", "cancel", run)
    assert again.returncode == 1
    assert b"ended already, as cancelled" in again.stderr
    assert running_system.cli("executions", "show", "nonsense").returncode == 2


def test_a_past_run_is_shown_with_its_reason_its_times_and_its_limits(running_system, api):
    run = execute(api, "raise SystemExit(3)", limits={"wall_seconds": 7})
    result = result_of(api, run)
    shown = json.loads(running_system.cli("executions", "show", run, "--json").stdout)
    assert {key: shown[key] for key in result} == result
    assert shown["limits"]["wall_seconds"] == 7
    words = running_system.cli("executions", "show", run).stdout.decode()
    for expected in ("it exited with code 3", "limit: wall_seconds", "started_at", "ended_at", "Requested, python"):
        assert expected in words


def test_the_output_of_a_past_run_is_printed_to_the_byte(running_system, api):
    run = execute(api, "import os; os.write(1, b'\\xff one\\r\\n' * 90_000); os.write(2, b'\\x00 the other')")
    result_of(api, run)
    for stream, written in (("stdout", b"\xff one\r\n" * 90_000), ("stderr", b"\x00 the other")):
        done = running_system.cli("executions", "show", run, "--output", stream)
        assert (done.returncode, done.stdout, done.stderr) == (0, written, b"")


def test_output_that_is_not_there_is_told(running_system, api):
    run = execute(api, "import time; time.sleep(60)")
    early = running_system.cli("executions", "show", run, "--output", "stdout")
    assert (early.returncode, early.stdout) == (1, b"")
    assert b"has not ended yet" in early.stderr
    running_system.cli("executions", "cancel", run)
    result_of(api, run)
    assert running_system.cli("executions", "show", run, "--output", "stdout").stdout == b""
    assert running_system.cli("executions", "show", run, "--output", "stdlog").returncode == 2
    assert running_system.cli("executions", "show", run, "--output", "stdout", "--json").returncode == 2


def test_events_are_listed_in_order_with_private_content_sealed(running_system, api):
    result_of(api, execute(api, "print('a very private script')"))
    done = running_system.cli("events", "list", "--limit", "10000", "--json")
    events = json.loads(done.stdout)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert b"very private" not in done.stdout
    assert {"id", "stream", "version", "type", "actor", "correlation", "lane", "at"} <= set(events[0])


def test_events_are_tailed_as_they_come(running_system, api):
    command = [CLI, "events", "tail", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=running_system.environment) as process:
        time.sleep(3)
        run = execute(api, "print(1)")
        while json.loads(process.stdout.readline())["stream"] != run:
            pass
        process.terminate()


def test_status_and_doctor_find_nothing_wrong(running_system):
    status = json.loads(running_system.cli("status", "--json").stdout)
    assert status["events"] > 0
    doctor = running_system.cli("doctor", "--json")
    assert doctor.returncode == 0
    assert [finding for finding in json.loads(doctor.stdout) if finding["problem"]] == []


def test_commands_say_when_nothing_runs(running_system, tmp_path):
    done = running_system.cli("status", "--data", tmp_path)
    assert done.returncode == 1
    assert b"runledger up" in done.stderr


def test_config_show_tells_values_sources_and_no_secrets(running_system):
    settings = {line["key"]: line for line in json.loads(running_system.cli("config", "show", "--json").stdout)}
    assert settings["data"]["source"] == "RUNLEDGER_DATA"
    assert settings["port"]["source"] == "default"
    assert settings["master_key"]["value"] in {"", "********"}


def test_topics_of_the_embedded_kafka_cannot_be_made_and_the_command_says_why(running_system):
    done = running_system.cli("topics", "create")
    assert done.returncode == 1
    assert b"The embedded Kafka makes its own topics" in done.stderr
    assert b"RUNLEDGER_KAFKA_SERVERS" in done.stderr


def test_topics_of_a_kafka_that_is_not_there_are_refused_with_its_address(running_system):
    nowhere = f"127.0.0.1:{free_port()}"
    done = running_system.cli("topics", "create", more={"RUNLEDGER_KAFKA_SERVERS": nowhere})
    assert done.returncode == 1
    assert f"No Kafka broker can be reached at {nowhere}" in done.stderr.decode()
