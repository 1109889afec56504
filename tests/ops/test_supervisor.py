"""The supervisor keeps real programs running and leaves none behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.up.process import LOG_BYTES, Process
from ops.up.supervisor import StopAsked, Supervisor

ROOT = Path(__file__).parents[2]


class Enough(Exception):
    """What a test waited for has happened."""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(said.append) as supervisor:
        yield supervisor


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Process]:
    """A child that is a line of shell."""

    def make(script: str, name: str = "program") -> Process:
        return Process(name, ["/bin/sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path / f"{name}.log")

    return make


def watch_until(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds

    def look() -> float:
        assert time.monotonic() < end, "waited in vain"
        if condition():
            raise Enough
        return 0.02

    with pytest.raises(Enough):
        supervisor.watch(look)


def exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_what_crashes_starts_again_with_growing_waits(supervisor, said, program, tmp_path):
    supervisor.start([program(f"date >> {tmp_path}/starts; exit 3")])

    watch_until(supervisor, lambda: len(said) == 4)

    log = tmp_path / "program.log"
    assert said == [
        f"program ended with exit code 3; it starts again in {wait} s. Its log: {log}" for wait in (0.1, 0.2, 0.4, 0.8)
    ]
    assert len((tmp_path / "starts").read_text().splitlines()) == 4


def test_the_wait_never_passes_ten_seconds_and_begins_anew_after_a_steady_run(program):
    process = program("exit 1")
    process.start()

    waits = [process.wait_after_end() for _ in range(9)]
    process.started_at -= 31

    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    assert (process.wait_after_end(), process.age > 30) == (0.1, True)


def test_what_is_killed_starts_again_alone(supervisor, said, program):
    victim, other = program("exec sleep 60", "victim"), program("exec sleep 60", "other")
    supervisor.start([victim, other])
    first, neighbour = victim.pid, other.pid

    os.kill(first, signal.SIGKILL)
    watch_until(supervisor, lambda: victim.runs and victim.pid != first)

    assert [line.partition(";")[0] for line in said] == ["victim was ended by SIGKILL"]
    assert (other.pid, other.runs) == (neighbour, True)


def test_a_program_that_is_gone_is_tried_again(supervisor, said, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nrm -f $0\n")
    program.chmod(0o700)
    supervisor.start([Process("program", [str(program)], {}, tmp_path / "log")])

    watch_until(supervisor, lambda: len(said) == 3)

    assert "ended with exit code 0" in said[0]
    assert "could not be started" in said[1]
    assert "starts again in 0.4 s" in said[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end(supervisor, number):
    signal.pthread_kill(threading.get_ident(), number)  # other threads of this process do not block it
    with pytest.raises(StopAsked):
        supervisor.watch(lambda: 5.0)


def test_the_last_group_ends_first(program, tmp_path):
    ends = tmp_path / "ends"
    script = f"trap 'echo $NAME >> {ends}; exit' TERM; touch {tmp_path}/up-$NAME; while :; do sleep 0.02; done"
    server, worker = program(f"NAME=server; {script}"), program(f"NAME=worker; {script}")
    with Supervisor(print) as supervisor:
        supervisor.start([server])
        supervisor.start([worker])
        supervisor.until(lambda: len(list(tmp_path.glob("up-*"))) == 2, 5)

    assert ends.read_text().split() == ["worker", "server"]


def test_what_does_not_end_when_asked_is_killed_within_five_seconds(program, tmp_path):
    stubborn = "trap '' TERM; touch {}/up-$$; while :; do sleep 0.02; done"
    with Supervisor(print) as supervisor:
        groups = [[program(stubborn.format(tmp_path), f"{group}-{n}") for n in range(2)] for group in range(3)]
        for group in groups:
            supervisor.start(group)
        supervisor.until(lambda: len(list(tmp_path.glob("up-*"))) == 6, 5)
        processes = supervisor.processes
        start = time.monotonic()

    assert time.monotonic() - start < 5
    assert {process.code for process in processes} == {-signal.SIGKILL}


def test_a_run_to_the_end_gives_the_exit_code_and_is_not_started_again(supervisor, program):
    assert supervisor.run(program("exit 4"), seconds=10) == 4
    assert supervisor.run(program("exec sleep 60"), seconds=0.2) == -signal.SIGTERM
    assert supervisor.processes == []


def test_ctrl_c_during_such_a_run_ends_it(program):
    process = program("exec sleep 60")
    with Supervisor(print) as supervisor:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(StopAsked):
            supervisor.run(process, seconds=30)
    assert not process.runs


def test_children_die_with_a_supervisor_that_is_killed(tmp_path):
    code = f"""
        import time
        from pathlib import Path
        from ops.up.process import Process
        from ops.up.supervisor import Supervisor
        with Supervisor(print) as supervisor:
            supervisor.start([Process(str(n), ["sleep", "60"], None, Path({str(tmp_path)!r}, "log")) for n in range(3)])
            print(*[process.pid for process in supervisor.processes], flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert [exists(pid) for pid in children] == [True] * 3
        parent.kill()

    end = time.monotonic() + 5
    while any(exists(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.02)
    assert [exists(pid) for pid in children] == [False] * 3


def test_ctrl_c_in_the_terminal_reaches_the_supervisor_alone(program):
    process = program("exec sleep 60")
    process.start()
    assert os.getpgid(process.pid) == process.pid
    process.signal(signal.SIGKILL)
    process.child.wait()


def test_children_take_no_blocked_signals_along(supervisor, program, tmp_path):
    supervisor.run(program("grep SigBlk /proc/self/status"), seconds=10)
    assert (tmp_path / "program.log").read_text().split() == ["SigBlk:", "0" * 16]


def test_a_large_log_is_put_aside_at_the_next_start(supervisor, program, tmp_path):
    log = tmp_path / "program.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    supervisor.run(program("echo new"), seconds=10)
    supervisor.run(program("echo newer"), seconds=10)

    assert log.read_text() == "new\nnewer\n"
    assert (tmp_path / "program.log.1").stat().st_size == LOG_BYTES + 1
