"""Accounts on a real store, through the days."""

from datetime import UTC, datetime
from uuid import uuid4

import freezegun.api
import pytest
from freezegun import freeze_time

from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.people import MongoCredentials, MongoSessions
from adapters.mongo.secrets.seals import MongoSeals
from adapters.secrets.names import HmacNames
from adapters.secrets.passwords import Argon2Passwords
from application.accounts import Accounts, NotLoggedIn, WeakPassword, WrongLogin
from application.ports.log import Context
from domain.name import NameTaken
from domain.user import Locked, Role
from ops.containers.core import RandomIds, SystemClock

KEY = b"k" * 32
PASSWORD = "correct horse battery"


@pytest.fixture
def accounts(database, journal) -> Accounts:
    keyring = Keyring(database, lambda: [KEY])
    return Accounts(
        MongoEventLog(journal),
        MongoSeals(DataKeys(database, keyring), Chunks(database)),
        RandomIds(),
        HmacNames(keyring.names_secret()),
        Argon2Passwords(),
        MongoCredentials(database),
        MongoSessions(database),
    )


def context() -> Context:
    """Now, in a type that msgspec knows."""
    return Context(
        "anonymous", freezegun.api.real_datetime.fromtimestamp(SystemClock().now().timestamp(), UTC), uuid4()
    )


def test_a_session_ends_after_a_week(accounts):
    with freeze_time("2026-01-01 12:00:00") as clock:
        accounts.register(context(), "ada", PASSWORD)
        account, token = accounts.log_in(context(), "ada", PASSWORD)
        clock.move_to("2026-01-08 11:59:59")
        assert accounts.who(context(), token) == account
        clock.move_to("2026-01-08 12:00:01")
        with pytest.raises(NotLoggedIn):
            accounts.who(context(), token)


def test_the_lock_after_five_wrong_passwords_opens_after_a_quarter_of_an_hour(accounts):
    with freeze_time("2026-01-01 12:00:00") as clock:
        accounts.register(context(), "ada", PASSWORD)
        for _ in range(5):
            with pytest.raises(WrongLogin):
                accounts.log_in(context(), "ada", "wrong password")
        with pytest.raises(Locked):
            accounts.log_in(context(), "ada", PASSWORD)
        clock.move_to("2026-01-01 12:15:01")
        assert accounts.log_in(context(), "ada", PASSWORD)[0].username == "ada"


def test_a_revoked_session_is_nobodys(accounts):
    accounts.register(context(), "ada", PASSWORD)
    _, token = accounts.log_in(context(), "ada", PASSWORD)
    accounts.log_out(context(), token)
    accounts.log_out(context(), token)
    with pytest.raises(NotLoggedIn):
        accounts.who(context(), token)


def test_names_that_look_the_same_are_the_same(accounts):
    account, _ = accounts.register(context(), "Zoë", PASSWORD, Role.ADMIN)
    assert accounts.find(" ZOE\u0308 ") == account
    with pytest.raises(NameTaken):
        accounts.register(context(), "zoë", PASSWORD)


def test_a_refused_registration_leaves_no_event(accounts, journal):
    with pytest.raises(WeakPassword):
        accounts.register(context(), "ada", "too short")
    assert MongoEventLog(journal).head() == 0


def test_neither_names_nor_passwords_nor_tokens_lie_in_the_store_in_the_open(accounts, database):
    accounts.register(context(), "ada-lovelace", PASSWORD)
    _, token = accounts.log_in(context(), "ada-lovelace", PASSWORD)
    stored = repr([list(database[name].find()) for name in database.list_collection_names()])
    assert "ada-lovelace" not in stored
    assert PASSWORD not in stored
    assert token not in stored


def test_a_clock_tells_utc():
    with freeze_time("2026-01-01 12:00:00"):
        assert SystemClock().now() == datetime(2026, 1, 1, 12, tzinfo=UTC)
