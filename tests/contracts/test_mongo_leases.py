"""Who waits for a role need not wait for a holder that was killed, where it can see that it was."""

import signal
import subprocess
import time

import pytest

from adapters.mongo import holder, leases
from adapters.mongo.leases import Lease
from tests.faults.processes import wait_until
from tests.namespaces import IN_ITS_OWN_PIDS

ROLE = "role"
STATE = {"position": 5}
AT_ONCE_SECONDS = 1.0


def killed(process: subprocess.Popen[str]) -> float:
    """When, by the clock that waiters use."""
    process.kill()
    process.wait()
    assert process.stdout.read() == ""  # nobody has it open any more: what it had started has ended as well
    return time.monotonic()


def test_the_role_of_a_process_that_was_killed_here_is_free_at_once(start, database):
    waiting, old = Lease(database, ROLE), start("leasing", ROLE)
    assert waiting.acquire() is None
    since = killed(old)
    assert waiting.acquire() == STATE
    assert time.monotonic() - since < AT_ONCE_SECONDS
    assert database.leases.find_one({"_id": ROLE})["epoch"] == 2


def test_of_many_who_see_that_it_was_killed_one_takes_the_role(start, database):
    killed(start("leasing", ROLE))
    assert [Lease(database, ROLE).acquire() for _ in range(5)] == [STATE, None, None, None, None]


def test_a_process_that_is_stopped_is_there_and_is_fenced_when_its_term_is_over(start, database, monkeypatch):
    monkeypatch.setattr(leases, "TERM_SECONDS", 1.0)
    waiting, old = Lease(database, ROLE), start("leasing", ROLE)
    old.send_signal(signal.SIGSTOP)
    since = time.monotonic()
    assert waiting.acquire() is None
    wait_until(lambda: waiting.acquire() == STATE, "the role", patience=5)
    assert time.monotonic() - since > leases.TERM_SECONDS
    old.send_signal(signal.SIGCONT)
    assert old.wait(10) == 1, "it finds that it has lost the role"


def test_of_another_pid_namespace_nobody_can_tell_so_the_whole_term_is_waited_for(start, database):
    """With the term that it has in the product."""
    waiting, old = Lease(database, ROLE), start("leasing", ROLE, wrapped=IN_ITS_OWN_PIDS)
    since = time.monotonic()
    assert waiting.acquire() is None
    killed(old)
    wait_until(lambda: waiting.acquire() == STATE, "the role", patience=10)
    assert time.monotonic() - since > leases.TERM_SECONDS


@pytest.mark.parametrize("field", ["boot", "namespace"])
def test_of_another_machine_nobody_can_tell_though_the_numbers_are_the_same(start, database, monkeypatch, field):
    monkeypatch.setattr(leases, "TERM_SECONDS", 1.0)
    waiting = Lease(database, ROLE)
    since = killed(start("leasing", ROLE))
    database.leases.update_one({"_id": ROLE}, {"$set": {f"holder.{field}": "another"}})
    wait_until(lambda: waiting.acquire() == STATE, "the role", patience=5)
    assert time.monotonic() - since > leases.TERM_SECONDS


def test_where_proc_does_not_tell_who_one_is_roles_are_held_for_their_term(database, monkeypatch, tmp_path):
    monkeypatch.setattr(holder, "PROC", tmp_path)
    monkeypatch.setattr(leases, "TERM_SECONDS", 0.3)
    holder._process.cache_clear()
    try:
        one, two = Lease(database, ROLE), Lease(database, ROLE)
        assert one.acquire() == {}
        assert two.acquire() is None
        wait_until(lambda: two.acquire() == {}, "the role", patience=5)
    finally:
        holder._process.cache_clear()


def test_what_an_earlier_version_holds_is_waited_for(database, monkeypatch):
    monkeypatch.setattr(leases, "TERM_SECONDS", 0.3)
    database.leases.insert_one({"_id": ROLE, "epoch": 7, "beat": 3, "is_free": False, "state": STATE})
    waiting = Lease(database, ROLE)
    assert waiting.acquire() is None
    wait_until(lambda: waiting.acquire() == STATE, "the role", patience=5)
