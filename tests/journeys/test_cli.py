"""The command line on a running system."""

import json
import signal
import subprocess
import time

import pytest

from adapters.embedded.server import free_port
from tests.journeys.conftest import execute, result_of
from tests.system import CLI, System


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
    assert refused.returncode == 125
    assert b"wall_seconds" in refused.stderr
    assert run_script(running_system, "print(1)").stdout == b"1\n"


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


def test_ctrl_c_cancels_the_run(running_system):
    command = [CLI, "run", "-", "--language", "python"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=running_system.environment
    ) as process:
        process.stdin.write(b"import time\nprint('up')\ntime.sleep(60)")
        process.stdin.close()
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 137
        assert b"cancelled" in process.stderr.read()


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
    assert b"ended already" in again.stderr
    assert running_system.cli("executions", "show", "nonsense").returncode == 2


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
