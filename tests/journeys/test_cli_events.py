"""The event log on the command line."""

import json
import os
import signal
import subprocess
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import container_of
from tests.journeys.conftest import execute, result_of
from tests.system import CLI, System

SCRIPT = "print(input())"


@pytest.fixture(scope="module")
def run(running_system: System) -> str:
    """A run that has ended."""
    client = running_system.log_in()
    id = execute(client, SCRIPT, stdin="for my eyes alone\n")
    assert result_of(client, id)["status"] == "succeeded"
    client.close()
    return id


def events(system: System, *arguments: object) -> Any:
    done = system.cli("events", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of_run(system: System, run: str) -> list[dict]:
    return events(system, "list", "--stream", run)


def test_list_finds_events_by_stream_type_position_and_time(running_system, run):
    mine = of_run(running_system, run)
    assert [event["version"] for event in mine] == [1, 2, 3, 4]
    assert {event["stream"] for event in mine} == {run}
    (started,) = [event for event in mine if event["type"] == "Execution.Started"]
    by_type = events(running_system, "list", "--type", "Execution.Started", "--limit", 10_000)
    assert started in by_type
    assert {event["type"] for event in by_type} == {"Execution.Started"}
    assert events(running_system, "list", "--after", mine[0]["position"] - 1, "--limit", 1) == mine[:1]
    next = datetime.fromisoformat(started["at"]) + timedelta(microseconds=1)
    around = ["--since", started["at"], "--until", next.isoformat()]
    assert events(running_system, "list", *around) == [started]
    assert events(running_system, "list", "--until", "2020-01-01") == []
    assert events(running_system, "list", "--since", "9999-12-31T23:59:59.999999") == []
    always = ["--since", "0001-01-01", "--until", "9999-12-31T23:59:59.999999"]
    assert len(events(running_system, "list", *always, "--limit", 3)) == 3
    assert b"There are no such events." in running_system.cli("events", "list", "--until", "2020-01-01").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "--stream", "mine"], 2, "'mine' is no id"),
        (["list", "--since", "yesterday"], 2, "write it as 2026-01-31"),
        (["list", "--type", "Nope.Nope"], 2, "There is no event type 'Nope.Nope'; there are DeadLetter.Discarded,"),
        (["list", "--type", ""], 2, "There is no event type ''; there are DeadLetter.Discarded,"),
        (["list", "--since", "2026-02-01", "--until", "2026-01-01"], 2, "Nothing lies between 2026-02"),
        (["list", "--stream", "\x1b[31m"], 2, r"'\x1b[31m' is no id"),
        (["list", "--data", ""], 2, "it is empty; name a folder."),
        (["export", "--to", ""], 2, "--to is empty; name a new file, or - for stdout."),
        (["show", "0"], 2, "The log begins at position 1; there is none at 0."),
        (["trace", "0"], 2, "The log begins at position 1; there is none at 0."),
        (["show", "٣"], 2, "neither a position nor an id"),
        (["show", "999999999"], 1, "There is no event 999999999; the log ends at position"),
        (["show", str(uuid.uuid4())], 1, "There is no event"),
        (["show", "nonsense"], 2, "neither a position nor an id"),
        (["trace", str(uuid.uuid4())], 1, "No event belongs to the request"),
        (["trace", "nonsense"], 2, "neither a position nor an id"),
        (["mirror", "--from", "0"], 2, "should be greater than or equal to 1"),
        (["mirror", "--from", "999999999"], 1, "There is no position 999999999 yet; the log ends at"),
        (["list", "--after", str(2**63)], 1, "There is no position 9223372036854775808 yet"),
        (["show", str(2**63 - 1)], 1, "There is no event 9223372036854775807; the log ends at position"),
        (["list", "--since", "0001-01-01T00:00:00+14:00"], 2, "is no time"),
        (["list", "--until", "9999-12-31T23:59:59-14:00"], 2, "is no time"),
        (["show", "9" * 5000], 1, "the log ends at position"),
        (["trace", str(2**70)], 1, "There is no event 1180591620717411303424; the log ends at position"),
        (["tail", "--after", "999999999"], 1, "There is no position 999999999 yet; the log ends at"),
        (["export", "--to", "-", "--after", "999999999"], 1, "There is no position 999999999 yet; the log ends at"),
        (["export", "--to", "-", "--json"], 2, "leave out --json"),
        (["export", "--to", "/nowhere/events"], 1, "/nowhere/events cannot be written: No such file or directory."),
    ],
)
def test_what_cannot_be_done_is_told_in_words(running_system, arguments, code, words):
    done = running_system.cli("events", *arguments)
    assert done.returncode == code
    assert words in " ".join(done.stderr.decode().replace("│", " ").split())
    assert done.stdout == b""


def test_show_keeps_private_content_sealed_until_it_is_asked_to_open_it(running_system, run):
    requested = of_run(running_system, run)[0]
    closed = running_system.cli("events", "show", requested["position"], "--json")
    shown = json.loads(closed.stdout)
    assert {name: shown[name] for name in shown if name != "data"} == {
        name: requested[name] for name in requested if name != "data"
    }
    assert shown["data"]["script"]["state"] == shown["data"]["stdin"]["state"] == "sealed"
    assert shown["data"]["script"]["size"] == len(SCRIPT)
    opened = events(running_system, "show", requested["id"], "--open")
    assert opened["data"]["script"]["text"] == SCRIPT
    assert opened["data"]["stdin"]["text"] == "for my eyes alone\n"
    in_words = running_system.cli("events", "show", requested["position"], "--open").stdout.decode()
    assert SCRIPT in in_words
    assert "for my eyes alone" in in_words
    assert "for my eyes alone" not in running_system.cli("events", "show", requested["position"]).stdout.decode()


def test_a_document_is_shown_with_private_content_sealed(running_system, run):
    shown = running_system.cli("projections", "query", "execution_status", run).stdout.decode()
    assert f"script        sealed ({len(SCRIPT)} bytes)" in shown
    assert "box" not in shown


@pytest.mark.parametrize(
    "command",
    [["users", "unlock"], ["dlq", "show"], ["executions", "show"], ["events", "list", "--since"]],
    ids=" ".join,
)
def test_no_argument_reaches_the_terminal_as_an_escape(command, running_system):
    refused = running_system.cli(*command, "\x1b[31mred")
    assert rb"\x1b[31mred" in refused.stderr
    assert b"\x1b" not in refused.stderr


def test_show_says_what_was_erased(running_system):
    with running_system.client() as client:
        name = f"{uuid.uuid4().hex}@example.org"
        person = client.post("/auth/register", json={"username": name, "password": "a long pass phrase"}).json()
    forget(running_system, person["id"])
    for options in ([], ["--open"]):
        shown = events(running_system, "show", person["position"], *options)
        assert shown["data"]["username"]["state"] == "erased"
        assert "text" not in shown["data"]["username"]
    assert b"erased" in running_system.cli("events", "show", person["position"]).stdout


def forget(system: System, person: str) -> None:
    container_of(system).seals().erase(uuid.UUID(person))


def test_trace_shows_what_led_to_what(running_system, run):
    mine = of_run(running_system, run)
    by_position = events(running_system, "trace", mine[2]["position"])
    assert by_position == events(running_system, "trace", mine[0]["correlation"])
    (requested,) = by_position["events"]
    begun, created = requested["caused"]
    assert begun["type"] == "Saga.Begun"
    assert [created["type"], *[event["type"] for event in created["caused"]]] == [
        "Execution.SandboxCreated",
        "Execution.Started",
        "Execution.Finished",
    ]
    assert requested["seconds"] == 0
    assert created["caused"][1]["seconds"] > created["seconds"] > 0
    in_words = running_system.cli("events", "trace", mine[0]["position"]).stdout.decode()
    lines = [line for line in in_words.splitlines() if "Execution." in line]
    assert [line.index("+") for line in lines] == sorted(line.index("+") for line in lines)
    assert "worker:results" in lines[-1]


def test_stats_add_up(running_system, run):
    found = events(running_system, "stats")
    assert found["total"]["events"] >= 4
    for by in ("by_type", "by_day", "by_lane"):
        for figure in ("events", "streams", "bytes"):
            assert sum(tally[figure] for tally in found[by].values()) == found["total"][figure]
    in_words = running_system.cli("events", "stats").stdout.decode()
    assert f"{found['total']['streams']:,} streams" in in_words
    assert "Execution.Requested" in in_words


def test_export_writes_every_event_on_a_line_of_its_own_and_goes_on_where_it_stopped(running_system, run, tmp_path):
    first = events(running_system, "export", "--to", tmp_path / "first")
    assert first["to"] == str(tmp_path / "first")
    lines = [json.loads(line) for line in (tmp_path / "first").read_text().splitlines()]
    assert [line["position"] for line in lines] == list(range(1, first["last"] + 1))
    assert first["events"] == len(lines)
    assert of_run(running_system, run)[0] in lines
    assert b"for my eyes alone" not in (tmp_path / "first").read_bytes()

    rest = events(running_system, "export", "--to", tmp_path / "rest", "--after", first["last"] - 3)
    assert (tmp_path / "rest").read_bytes().splitlines()[:3] == (tmp_path / "first").read_bytes().splitlines()[-3:]
    assert rest["last"] >= first["last"]
    printed = running_system.cli("events", "export", "--to", "-", "--after", first["last"] - 3)
    assert printed.stdout.startswith((tmp_path / "rest").read_bytes())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first", "rest"]


def test_export_writes_over_nothing(running_system, tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = running_system.cli("events", "export", "--to", tmp_path / "mine")
    assert done.returncode == 1
    assert b"exists already; name another file" in done.stderr
    assert (tmp_path / "mine").read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


PRINTING = (
    ["events", "list"],
    ["events", "list", "--json"],
    ["events", "stats"],
    ["events", "export", "--to", "-"],
    ["events", "trace", "1"],
    ["projections", "list"],
    ["users", "list"],
    ["config", "show"],
    ["--version"],
    ["--help"],
    ["keys", "rotate", "--help"],
)


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_output_that_cannot_be_written_is_told_in_a_line(command, running_system, run):
    with Path("/dev/full").open("wb") as full:
        done = running_system.cli(*command, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"stdout cannot be written: No space left on device.\n"


def test_a_table_that_cannot_be_written_is_told_also_where_nothing_is_buffered(running_system, run):
    environment = {**running_system.environment, "PYTHONUNBUFFERED": "1"}
    with Path("/dev/full").open("wb") as full:
        command = [CLI, "users", "list"]
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"stdout cannot be written: No space left on device.\n")


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_output_that_nobody_reads_ends_a_command_as_a_shell_expects(command, running_system, run):
    ends, output = os.pipe()
    os.close(ends)
    done = running_system.cli(*command, stdout=output)
    os.close(output)
    assert (done.returncode, done.stderr) == (141, b"")


def test_help_cuts_no_sentence(running_system):
    for group in ([], ["events"], ["replay"], ["keys"]):
        shown = running_system.cli(*group, "--help").stdout.decode()
        assert "Commands:" in shown
        assert "..." not in shown.replace("ARGS]...", "")


@pytest.mark.parametrize(
    "command",
    [["events", "list", "--type"], ["projections", "query", "execution_status"], ["dlq", "show"], ["users", "unlock"]],
    ids=" ".join,
)
def test_arguments_that_are_no_text_are_refused(command, running_system):
    done = running_system.cli(*command, os.fsdecode(b"\xff\xfe"))
    assert done.returncode == 2
    assert done.stderr == rb"The argument \xff\xfe is no text; write it in UTF-8." b"\n"


def test_whoever_reads_only_the_beginning_gets_no_error(running_system, run):
    command = f"{CLI} events export --to - | head -n 1"
    done = subprocess.run(command, shell=True, env=running_system.environment, capture_output=True, check=False)
    assert json.loads(done.stdout)["position"] == 1
    assert done.stderr == b""


def test_verify_finds_nothing_wrong(running_system, run):
    found = events(running_system, "verify")
    assert found["findings"] == []
    assert found["events"] > 4
    assert b"are as they must be" in running_system.cli("events", "verify").stdout


def test_tail_shows_each_event_at_once(running_system, run):
    """Also where it is a single short one: nothing waits in a buffer."""
    head = events(running_system, "stats")["total"]["events"]
    command = [CLI, "events", "tail", "--after", str(head - 1), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=running_system.environment) as process:
        assert json.loads(process.stdout.readline())["position"] == head
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
