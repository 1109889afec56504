"""The log as it stands: found, counted, exported and checked, page by page."""

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.commits import walk
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.log.ledger import MongoLedger
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.seals import MongoSeals
from application.ledger import Finding, Flaw, Selection
from application.ports.log import Context, UnreadableEvent
from domain.user import Role, User
from tests.contracts.event_log import NOON, OPERATOR, new_user


class Store:
    """A log with what its events refer to."""

    def __init__(self, database, journal):
        self.database = database
        self.log = MongoEventLog(journal)
        keys = DataKeys(database, Keyring(database, lambda: [b"k" * 32]))
        self.seals = MongoSeals(keys, Chunks(database))
        self.ledger = MongoLedger(journal, keys, Chunks(database))

    def register(self, name=b"ada", at=NOON, logins=0, context=OPERATOR):
        """Registered and logged in so many times, in one commit."""
        user = uuid4()
        made = User(id=user, username=self.seals.seal(user, name), role=Role.USER, timestamp=at)
        for _ in range(logins):
            made.log_in(at)
        self.log.save(context, made)
        return made

    def flaws(self):
        return [(finding.position, finding.flaw) for finding in self.ledger.verify()]

    def change(self, position, **fields):
        """Write other fields into the envelope of a commit's first event."""
        commit = self.database.commits.find_one({"_id": position})
        data = msgspec.json.encode(msgspec.json.decode(commit["e"][0]["d"]) | fields)
        self.database.commits.update_one({"_id": position}, {"$set": {"e.0.d": data}})


@pytest.fixture(params=[500, 3], ids=["one-page", "small-pages"])
def store(request, database, journal, monkeypatch):
    monkeypatch.setattr(walk, "PAGE", request.param)
    monkeypatch.setattr(walk, "WIDE_PAGE", request.param)
    return Store(database, journal)


@pytest.fixture
def filled(store):
    """Thirty events: ten users in commits of one to five."""
    for logins in (0, 4, 1, 3, 2) * 2:
        store.register(logins=logins)
    return store


def positions(entries):
    return [entry.position for entry in entries]


# Entries ------------------------------------------------------------------------------------------------------


def test_every_entry_is_what_the_log_tells_of_the_event(filled):
    events = filled.log.read(0, 100)
    entries = list(filled.ledger.entries(Selection()))
    assert positions(entries) == list(range(1, 31))
    common = [name for name in entries[0].__struct_fields__ if name not in {"schema", "data"}]
    for entry, event in zip(entries, events, strict=True):
        assert [getattr(entry, name) for name in common] == [getattr(event, name) for name in common]
    assert entries[0].schema == 1
    assert entries[0].data["role"] == "user"


def test_entries_are_found_from_any_position_on(filled):
    for after in range(32):
        assert positions(filled.ledger.entries(Selection(), after)) == list(range(after + 1, 31))
    assert filled.ledger.find(7).position == 7
    assert filled.ledger.find(31) is None
    assert filled.ledger.find(0) is None


def test_entries_are_selected_by_stream_type_id_and_request(filled):
    request = Context("operator", NOON, uuid4())
    user = filled.register(logins=2, context=request)
    filled.register(logins=2)
    entries = filled.ledger.entries
    assert positions(entries(Selection(stream=user.id))) == [31, 32, 33]
    assert positions(entries(Selection(stream=user.id, type="User.LoggedIn"))) == [32, 33]
    assert positions(entries(Selection(stream=user.id), after=32)) == [33]
    assert positions(entries(Selection(correlation=request.correlation))) == [31, 32, 33]
    assert positions(entries(Selection(type="User.Registered"), after=29)) == [31, 34]
    (third,) = entries(Selection(id=filled.ledger.find(3).id))
    assert third.position == 3
    assert positions(entries(Selection(type="User.Vanished"))) == []


def test_an_id_inside_an_events_data_does_not_select_it(filled):
    user = filled.register()
    key = filled.ledger.find(31).data["username"]["key"]
    assert positions(filled.ledger.entries(Selection(correlation=key))) == []
    assert user.id


@pytest.mark.parametrize("seconds", [40, -40])
def test_entries_are_selected_by_their_own_time_whatever_that_of_the_commit(store, seconds):
    stored = [store.register(at=NOON + timedelta(minutes=number)) for number in range(10)]
    for number, commit in enumerate(store.database.commits.find()):
        at = NOON + timedelta(minutes=number, seconds=seconds)
        store.database.commits.update_one({"_id": commit["_id"]}, {"$set": {"at": at}})

    def between(first, last):
        wanted = Selection(since=NOON + timedelta(minutes=first), until=NOON + timedelta(minutes=last))
        return positions(store.ledger.entries(wanted))

    assert len(stored) == 10
    assert between(3, 6) == [4, 5, 6]
    assert between(0, 1) == [1]
    assert between(-5, 99) == list(range(1, 11))
    assert between(11, 12) == []
    assert positions(store.ledger.entries(Selection(until=NOON + timedelta(seconds=1)))) == [1]


def test_what_is_of_an_unknown_type_is_shown_all_the_same(filled):
    filled.change(1, type="User.Vanished", schema=7)
    entry = filled.ledger.find(1)
    assert (entry.type, entry.schema, entry.data["role"]) == ("User.Vanished", 7, "user")


def test_bytes_that_are_no_envelope_are_told_by_their_position(filled):
    filled.database.commits.update_one({"_id": 2}, {"$set": {"e.0.d": b"{"}})
    for read in (filled.ledger.find, lambda position: list(filled.ledger.lines(position - 1))):
        with pytest.raises(UnreadableEvent, match="The event at position 2 cannot be read"):
            read(2)


def test_lines_are_the_very_bytes_that_were_written(filled):
    stored = [event["d"] for commit in filled.database.commits.find().sort("_id") for event in commit["e"]]
    assert list(filled.ledger.lines(0)) == list(enumerate(stored, 1))
    assert list(filled.ledger.lines(17)) == list(enumerate(stored[17:], 18))


def test_how_far_it_has_come_is_told_up_to_the_end(filled):
    for read in (
        lambda tell: list(filled.ledger.entries(Selection(), tell=tell)),
        lambda tell: list(filled.ledger.lines(0, tell)),
        lambda tell: list(filled.ledger.verify(tell)),
        filled.ledger.statistics,
    ):
        told = []
        read(lambda done, total: told.append((done, total)))  # noqa: B023 - called at once
        assert told == sorted(told)
        assert told[-1] == (30, 30)


# Figures ------------------------------------------------------------------------------------------------------


def test_statistics_count_what_is_there(filled):
    found = filled.ledger.statistics()
    entries = list(filled.ledger.entries(Selection()))
    sizes = Counter()
    for commit in filled.database.commits.find():
        sizes.update({event["t"]: len(event["d"]) for event in commit["e"][:1]})
        sizes.update({"User.LoggedIn": sum(len(event["d"]) for event in commit["e"][1:])})
    assert found.total.events == 30
    assert found.total.streams == 10
    assert found.total.bytes == sum(sizes.values())
    assert {name: tally.events for name, tally in found.by_type.items()} == Counter(entry.type for entry in entries)
    assert {name: tally.bytes for name, tally in found.by_type.items()} == dict(sizes)
    assert {name: tally.events for name, tally in found.by_lane.items()} == Counter(entry.lane for entry in entries)
    assert sum(tally.events for tally in found.by_day.values()) == 30


def test_days_are_those_of_the_commits_in_utc(store):
    store.register()
    store.register()
    for position, at in ((1, NOON), (2, NOON + timedelta(hours=12))):
        store.database.commits.update_one({"_id": position}, {"$set": {"at": at}})
    assert {day: tally.events for day, tally in store.ledger.statistics().by_day.items()} == {
        "2026-01-01": 1,
        "2026-01-02": 1,
    }


def test_an_empty_log_has_nothing_in_it(store):
    assert store.ledger.statistics().total.events == 0
    assert list(store.ledger.entries(Selection())) == []
    assert list(store.ledger.lines(0)) == []
    assert store.flaws() == []


# The check ----------------------------------------------------------------------------------------------------


def test_a_sound_log_is_found_sound_also_after_an_erasure(filled):
    large = filled.register(name=bytes(40_000))
    assert filled.flaws() == []
    filled.seals.erase(large.id)
    assert filled.flaws() == []


def test_what_sealed_content_needs_is_missed(filled):
    user = filled.register(name=bytes(2_000_000))
    first, second = user.username.chunks
    filled.database.chunks.delete_one({"_id": first})
    filled.database.chunks.update_one({"_id": second}, {"$set": {"sealed": b"something else"}})
    lost = filled.register()
    filled.database.keys.delete_one({"person": lost.id})
    missing, damaged, key = filled.ledger.verify()
    assert (missing.position, missing.flaw) == (damaged.position, damaged.flaw) == (31, Flaw.CHUNK)
    assert first in missing.detail
    assert second in damaged.detail
    assert key == Finding(32, Flaw.DATA_KEY, f"the data key {lost.username.key} is missing")


def test_a_hole_and_what_stands_outside_are_found(filled):
    commits = filled.database.commits
    lost = commits.find_one({"_id": 7})
    commits.delete_one({"_id": 7})
    commits.insert_one(lost | {"_id": 10_000, "z": 10_000 + lost["n"] - 1})
    assert filled.flaws() == [(7, Flaw.POSITION), (0, Flaw.POSITION)]


def test_a_last_commit_that_is_none_is_found(filled):
    filled.database.commits.update_one({"_id": 28}, {"$unset": {"c": ""}})
    assert filled.flaws() == [(28, Flaw.SHAPE), (28, Flaw.POSITION)]


def test_an_event_of_a_newer_program_is_found(filled):
    filled.change(1, schema=2)
    filled.change(2, type="User.Vanished")
    assert filled.flaws() == [(1, Flaw.NEWER_SCHEMA), (2, Flaw.ENVELOPE), (2, Flaw.UNKNOWN_TYPE)]


def test_a_missing_unique_index_is_found(filled):
    filled.database.commits.drop_index("k_1")
    filled.database.commits.create_index("k")
    assert filled.flaws() == [(0, Flaw.INDEX)]


def test_what_is_stored_while_the_log_is_checked_is_no_finding(filled):
    filled.database.commits.create_index("z")
    found = filled.ledger.verify(lambda *_: filled.register())
    assert list(found) == []


def test_a_log_of_one_large_commit_is_read_in_any_part(store):
    user = new_user()
    for _ in range(600):
        user.log_in(NOON)
    store.log.save(OPERATOR, user)
    assert positions(store.ledger.entries(Selection(), 598)) == [599, 600, 601]
    assert store.ledger.statistics().total.events == 601
    assert [flaw for _, flaw in store.flaws()] == [Flaw.DATA_KEY]  # this one's name was sealed by nobody
