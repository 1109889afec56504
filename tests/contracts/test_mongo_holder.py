"""Which process holds something, as another one sees it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from adapters.mongo.holder import Holder, is_gone, mine, this_process
from tests.faults.processes import wait_until
from tests.namespaces import IN_ITS_OWN_PIDS, OWN_PIDS

ROOT = Path(__file__).parents[2]
TELL = "import json; from adapters.mongo.holder import mine; print(json.dumps(mine()), flush=True)"
STAY = f"{TELL}; input()"


def told(script: str, *wrapped: str, program: str = sys.executable) -> tuple[subprocess.Popen[bytes], Holder | None]:
    """A process, and who it says it is."""
    command: Sequence[str] = [*wrapped, program, "-c", script]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    return process, msgspec.json.decode(process.stdout.readline(), type=Holder | None)


def ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_whoever_asks_is_there():
    assert not this_process().is_gone
    assert not is_gone(mine())
    assert this_process().pid == os.getpid()


def test_a_child_that_was_forked_is_somebody_else():
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, msgspec.json.encode(this_process()))
        os._exit(0)
    child = msgspec.json.decode(os.read(read, 1_000), type=Holder)
    assert child.pid == pid != this_process().pid
    os.waitpid(pid, 0)
    assert child.is_gone


def test_a_process_is_there_until_it_is_killed():
    process, who = told(STAY)
    assert not who.is_gone
    ended(process)
    assert who.is_gone


def test_a_process_that_has_ended_and_was_not_asked_for_yet_is_gone():
    process, who = told(STAY)
    process.kill()
    wait_until(lambda: who.is_gone, "its end", patience=5)
    process.wait()


def test_whoever_has_got_the_same_id_later_is_somebody_else():
    process, who = told(STAY)
    assert msgspec.structs.replace(who, started=who.started - 1).is_gone
    ended(process)


@pytest.mark.parametrize("other", [{"boot": "another"}, {"namespace": "pid:[1]"}])
def test_of_another_machine_or_namespace_nobody_can_tell(other):
    process, who = told(TELL)
    ended(process)
    assert who.is_gone
    assert not msgspec.structs.replace(who, **other).is_gone


def test_a_container_is_another_namespace():
    process, who = told(TELL, *IN_ITS_OWN_PIDS)
    ended(process)
    assert who.boot == this_process().boot
    assert who.namespace != this_process().namespace
    assert not who.is_gone


def test_where_proc_is_that_of_another_namespace_nobody_says_who_he_is():
    """Its numbers would mean other processes."""
    process, who = told(TELL, *OWN_PIDS)
    ended(process)
    assert who is None
    assert not is_gone(None)


def test_a_program_may_have_any_name(tmp_path):
    odd = tmp_path / ") Z 1 ("
    odd.symlink_to(Path("/bin/sleep"))
    started = subprocess.Popen([odd, "60"])
    try:
        wait_until(lambda: odd.name in Path(f"/proc/{started.pid}/stat").read_text(), "its name", patience=5)
        began = int(Path(f"/proc/{started.pid}/stat").read_text().rpartition(")")[2].split()[19])
        assert not msgspec.structs.replace(this_process(), pid=started.pid, started=began).is_gone
    finally:
        ended(started)
