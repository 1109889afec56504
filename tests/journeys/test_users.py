"""Whoever runs the machine looks after the accounts on it."""

import json
import re
import uuid
from typing import NamedTuple

import httpx
import pytest

from tests.journeys.test_accounts import PASSWORD
from tests.system import System


class Person(NamedTuple):
    username: str
    client: httpx.Client


@pytest.fixture
def ada(running_system: System):
    """Somebody who is logged in."""
    username = f"Ada-{uuid.uuid4().hex}"
    with running_system.client() as client:
        assert client.post("/auth/register", json={"username": username, "password": PASSWORD}).status_code == 201
        yield Person(username, client)


def log_in(person: Person, password: str) -> int:
    credentials = {"username": person.username, "password": password}
    return person.client.post("/auth/login", json=credentials).status_code


def last_event(system: System, user: str) -> tuple[str, str]:
    *_, last = json.loads(system.cli("events", "list", "--stream", user, "--json").stdout)
    return last["type"], last["actor"]


def in_words(system: System) -> str:
    """The accounts, a line each."""
    return system.cli("users", "list").stdout.decode()


def lock(person: Person) -> None:
    assert [log_in(person, "no no no no") for _ in range(5)] == [401] * 5
    assert log_in(person, PASSWORD) == 429


def test_a_lost_password_is_set_anew_which_ends_all_sessions_and_opens_the_lock(running_system, ada):
    lock(ada)
    done = running_system.cli("users", "reset-password", ada.username.upper(), "--json")
    reset = json.loads(done.stdout)
    assert reset["username"] == ada.username
    assert ada.client.get("/auth/me").json()["id"] is None
    assert log_in(ada, PASSWORD) == 401
    assert log_in(ada, reset["password"]) == 200
    assert ada.client.get("/auth/me").json()["id"] == reset["id"]
    types = [
        event["type"]
        for event in json.loads(running_system.cli("events", "list", "--stream", reset["id"], "--json").stdout)
    ]
    assert types[-3:] == ["User.PasswordReset", "User.LoginFailed", "User.LoggedIn"]
    shown = json.loads(running_system.cli("events", "show", reset["position"], "--json").stdout)
    assert (shown["type"], shown["actor"]) == ("User.PasswordReset", "operator")
    assert reset["password"] not in json.dumps(shown)


def test_the_new_password_is_shown_once_in_words(running_system, ada):
    said = running_system.cli("users", "reset-password", ada.username).stdout.decode()
    found = re.fullmatch(rf"The password of `{ada.username}` is now (\S+) \(shown this once\)\.\n", said)
    assert log_in(ada, found[1]) == 200


def test_an_account_is_unlocked_and_an_open_one_is_left_alone(running_system, ada):
    lock(ada)
    (member,) = (
        m for m in json.loads(running_system.cli("users", "list", "--json").stdout) if m["username"] == ada.username
    )
    assert member["locked_until"]
    assert re.search(rf"{ada.username}.* {member['locked_until'][11:19]}", in_words(running_system))
    assert running_system.cli("users", "unlock", ada.username).stdout.decode() == f"`{ada.username}` is open.\n"
    assert last_event(running_system, member["id"]) == ("User.Unlocked", "operator")
    before = json.loads(running_system.cli("users", "unlock", ada.username, "--json").stdout)["position"]
    assert json.loads(running_system.cli("users", "unlock", ada.username, "--json").stdout)["position"] == before
    assert log_in(ada, PASSWORD) == 200


def test_accounts_are_listed_with_their_roles(running_system, ada):
    listed = json.loads(running_system.cli("users", "list", "--json").stdout)
    members = {member["username"]: member for member in listed}
    assert [*members][:: len(members) - 1] == ["admin", ada.username], "in the order they were made"
    assert (members["admin"]["role"], members[ada.username]["role"]) == ("admin", "user")
    assert members[ada.username]["locked_until"] is None
    assert re.search(rf"{members[ada.username]['id']} +{ada.username} +user ", in_words(running_system))


@pytest.mark.parametrize("command", ["reset-password", "unlock"])
def test_an_unknown_name_is_refused(command, running_system):
    refused = running_system.cli("users", command, "nobody-of-this-name")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.decode() == "There is no user 'nobody-of-this-name'; `runledger users list` shows them all.\n"
