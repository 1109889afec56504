"""A role is held by one process at a time, and goes to another when that one has died."""

import time

from adapters.mongo import leases
from adapters.mongo.holding import Roles
from adapters.mongo.leases import Lease
from tests.faults.processes import wait_until

ROLE = "rebuild people"


def is_got(roles: Roles) -> bool:
    with roles.hold(ROLE) as lost:
        return lost is not None


def test_nobody_else_gets_a_role_while_it_is_held_and_anybody_afterwards(database):
    first, second = Roles(database), Roles(database)
    with first.hold(ROLE) as lost:
        assert lost is not None
        assert not lost.is_set()
        assert not is_got(second)
    assert is_got(second)


def test_whoever_asks_again_and_again_gets_the_role_of_a_process_that_was_killed(database, monkeypatch):
    monkeypatch.setattr(leases, "TERM_SECONDS", 0.3)
    assert Lease(database, ROLE).acquire() is not None  # and is never renewed
    waiting = Roles(database)
    assert not is_got(waiting)
    wait_until(lambda: is_got(waiting), "the role", patience=5)


def test_a_role_that_is_renewed_is_not_taken_however_often_it_is_asked_for(database, monkeypatch):
    monkeypatch.setattr(leases, "TERM_SECONDS", 0.5)
    monkeypatch.setattr("adapters.mongo.holding.RENEWAL_SECONDS", 0.1)
    waiting = Roles(database)
    with Roles(database).hold(ROLE):
        for _ in range(12):
            assert not is_got(waiting)
            time.sleep(0.1)
