"""Master keys come and go; what they wrapped stays readable, and everybody is found under the same name."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.secrets.keyring import Keyring, KeyringMissing, MasterKey
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.sealing import seal
from adapters.mongo.secrets.seals import MongoSeals
from adapters.secrets.master_keys import key_id
from adapters.secrets.names import HmacNames
from application.ports.seals import Erased, WrongMasterKey
from domain.sealed import Sealed
from ops import rotation
from ops.loading import load
from ops.master_key import KeyFile, RotationRuns, master_keys
from ops.rotation import NothingToRotateTo

OLD, NEW = b"o" * 32, b"n" * 32


class Process:
    """What one process has of a store, by the settings it was given."""

    def __init__(self, database, settings):
        self.settings = settings
        self.keyring = Keyring(database, lambda: master_keys(settings))
        self.keys = DataKeys(database, self.keyring)
        self.seals = MongoSeals(self.keys, Chunks(database))

    @property
    def names(self):
        return HmacNames(self.keyring.names_secret())

    def rotate(self, tell=lambda *_: None):
        return rotation.rotate(self.settings, self.keyring, self.keys, tell)


@pytest.fixture
def data(tmp_path):
    """A data folder with the old master key in its file."""
    (tmp_path / "master.key").write_bytes(OLD)
    return tmp_path


@pytest.fixture
def start(database, data):
    """Starts a process on the data folder; with keys, one that has them from the settings."""

    def start(*keys):
        newest, *previous = [key.hex() for key in keys] or [""]
        return Process(database, load({}, data=data, master_key=newest, previous_master_keys=",".join(previous)))

    return start


def wrapped_by(database):
    """The ids of the master keys that wrap something."""
    return {found.get("master") for found in database.keys.find({"wrapped": {"$exists": True}})}


def sealed_for_many(process, number=5):
    return [process.seals.seal(uuid4(), b"content") for _ in range(number)]


# A rotation ---------------------------------------------------------------------------------------------------


def test_a_rotation_wraps_every_key_by_a_new_master_key_and_changes_nothing_else(start, data, database, monkeypatch):
    monkeypatch.setattr(rotation, "KEYS_AT_ONCE", 2)
    running, told = start(), []
    sealed, name = sealed_for_many(running), running.names.id_of("ada")

    rotated = start().rotate(lambda *step: told.append(step))

    (new,) = KeyFile(data).read()
    assert new != OLD
    assert rotated == rotation.Rotated(key_id(new), 5)
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert wrapped_by(database) == {key_id(new)}
    for process in (running, start(), start(new)):
        assert {process.seals.open(one) for one in sealed} == {b"content"}
        assert process.names.id_of("ada") == name
        assert process.seals.open(process.seals.seal(uuid4(), b"later")) == b"later"
    with pytest.raises(WrongMasterKey):
        start(OLD).seals.open(sealed[0])


def test_those_who_make_keys_during_rotations_never_wrap_with_a_forgotten_one(start, database):
    running, is_over = [start() for _ in range(4)], Event()

    def write(process):
        sealed = []
        while not is_over.is_set():
            sealed += sealed_for_many(process, 3)
        return sealed

    with ThreadPoolExecutor(4) as threads:
        writing = [threads.submit(write, process) for process in running]
        for _ in range(3):
            last = start().rotate()
        is_over.set()
        sealed = [one for done in writing for one in done.result()]

    fresh = start()
    assert wrapped_by(database) == {last.master_key}
    assert len(sealed) > 12
    assert {fresh.seals.open(one) for one in sealed} == {b"content"}


@pytest.mark.parametrize("step", ["insert_one", "find_one_and_update"])
def test_a_key_that_is_just_being_made_is_not_missed_by_a_rotation(start, database, monkeypatch, step):
    """Its maker stops before it is stored, or before it is used, until the old master key is forgotten."""
    slow = start()
    slow.keyring.names_secret()
    stop_before(step, slow, monkeypatch, start().rotate)
    sealed = slow.seals.seal(uuid4(), b"content")
    assert wrapped_by(database) == {start().keyring.master}
    assert start().seals.open(sealed) == b"content"


def stop_before(step, process, monkeypatch, meanwhile):
    """Let something else happen before this process does the step for the first time."""
    monkeypatch.setattr(process.keys, "_keys", Slow(process.keys._keys, step, meanwhile))


class Slow:
    """A collection, one step on which takes long."""

    def __init__(self, collection, step, meanwhile):
        self._collection, self._step, self._meanwhile = collection, step, meanwhile

    def __getattr__(self, name):
        if name == self._step:
            self._step = ""
            self._meanwhile()
        return getattr(self._collection, name)


def test_a_key_whose_maker_was_killed_blocks_neither_a_rotation_nor_its_person(start, database, monkeypatch):
    maker, one, other = start(), uuid4(), uuid4()
    maker.keyring.names_secret()
    start().rotate()
    monkeypatch.setattr(maker.keyring, "in_charge", lambda: MasterKey(key_id(OLD), OLD))  # as it read it before
    monkeypatch.setattr(maker.keys, "_settle", lambda _: 1 / 0)
    for person in (one, other):
        with pytest.raises(ZeroDivisionError):
            maker.seals.seal(person, b"never stored")
    assert key_id(OLD) in wrapped_by(database)

    assert start().seals.open(start().seals.seal(one, b"content")) == b"content"
    last = start().rotate()
    assert wrapped_by(database) == {last.master_key}
    assert start().seals.open(start().seals.seal(other, b"content")) == b"content"


def test_whoever_finds_a_key_that_is_just_being_made_uses_the_same_one(start, monkeypatch):
    maker, person, found = start(), uuid4(), []
    maker.keyring.names_secret()
    stop_before("find_one_and_update", maker, monkeypatch, lambda: found.append(start().seals.seal(person, b"found")))
    made = maker.seals.seal(person, b"made")
    assert [start().seals.open(one) for one in (made, *found)] == [b"made", b"found"]


def test_a_key_that_is_erased_while_it_is_made_stays_erased(start, database, monkeypatch):
    maker, person = start(), uuid4()
    maker.keyring.names_secret()
    stop_before("find_one_and_update", maker, monkeypatch, lambda: start().seals.erase(person))
    with pytest.raises(Erased):
        start().seals.open(maker.seals.seal(person, b"x"))
    assert set(database.keys.find_one({"person": person})) == {"_id", "person"}


@pytest.mark.parametrize("broken_at", ["made", "switched", "half", "rewrapped"])
def test_a_rotation_that_was_killed_goes_on_where_it_stopped(start, data, database, monkeypatch, broken_at):
    monkeypatch.setattr(rotation, "KEYS_AT_ONCE", 2)
    running = start()
    sealed = sealed_for_many(running)
    with monkeypatch.context() as broken:
        break_at(broken_at, broken)
        with pytest.raises(KeyboardInterrupt):
            start().rotate()

    between = KeyFile(data).read()
    assert between[1:] == [OLD]
    for process in (running, start()):
        assert {process.seals.open(one) for one in sealed} == {b"content"}
        sealed.append(process.seals.seal(uuid4(), b"content"))

    assert start().rotate().master_key == key_id(between[0])
    assert KeyFile(data).read() == between[:1]
    assert wrapped_by(database) == {key_id(between[0])}
    assert {start().seals.open(one) for one in sealed} == {b"content"}


def break_at(step, patch):
    """End the rotation there as a signal would."""

    def die(*_):
        raise KeyboardInterrupt

    match step:
        case "made":
            patch.setattr(Keyring, "switch", die)
        case "switched":
            patch.setattr(DataKeys, "stale", die)
        case "half":
            rewrap, done = DataKeys.rewrap, []
            patch.setattr(DataKeys, "rewrap", lambda *some: die() if done else done.append(rewrap(*some)))
        case "rewrapped":
            replace = KeyFile.replace
            patch.setattr(KeyFile, "replace", lambda file, keys: die() if len(keys) == 1 else replace(file, keys))


def test_what_is_erased_in_the_middle_of_a_rotation_stays_erased(start, database, monkeypatch):
    process, person = start(), uuid4()
    sealed = process.seals.seal(person, b"x")
    unwrap = DataKeys._unwrap
    other = start()

    def unwrap_while_it_is_erased(keys, found):
        other.seals.erase(person)
        return unwrap(keys, found)

    rotating = start()
    monkeypatch.setattr(rotating.keys, "_unwrap", unwrap_while_it_is_erased.__get__(rotating.keys))
    rotating.rotate()
    assert "wrapped" not in database.keys.find_one({"person": person})
    with pytest.raises(Erased):
        start().seals.open(sealed)


def test_a_key_that_was_read_just_before_the_end_of_a_rotation_is_read_again(start, database, monkeypatch):
    sealed = start().seals.seal(uuid4(), b"x")
    before = database.keys.find_one({"_id": sealed.key})
    start().rotate()
    late = start()
    monkeypatch.setattr(late.keys, "_existing", lambda _: before)
    assert late.seals.open(sealed) == b"x"


def test_only_one_rotation_runs_at_a_time(start, data):
    start().seals.seal(uuid4(), b"x")
    with KeyFile(data).held(), pytest.raises(RotationRuns):
        start().rotate()
    assert KeyFile(data).read() == [OLD]


def test_a_rotation_with_the_wrong_master_key_is_refused_and_changes_nothing(start, data, database):
    start().seals.seal(uuid4(), b"x")
    before = database.keyring.find_one()
    (data / "master.key").write_bytes(NEW)
    with pytest.raises(WrongMasterKey, match=key_id(OLD)):
        start().rotate()
    assert KeyFile(data).read() == [NEW]
    assert database.keyring.find_one() == before


# By the settings ----------------------------------------------------------------------------------------------


def test_a_master_key_from_the_settings_is_rotated_to_once_every_process_has_both(start, database):
    sealed = sealed_for_many(start(OLD))
    with pytest.raises(NothingToRotateTo, match="Put a new one in its place and this one into previous_master_keys"):
        start(OLD).rotate()
    restarted = [start(NEW, OLD), start(OLD, NEW)]
    for process in restarted:
        sealed += sealed_for_many(process)
    assert wrapped_by(database) == {key_id(OLD)}  # nothing changes before the rotation, so the restarts may take days

    assert start(NEW, OLD).rotate() == rotation.Rotated(key_id(NEW), 15)

    for process in (*restarted, start(NEW)):
        sealed += sealed_for_many(process)
        assert {process.seals.open(one) for one in sealed} == {b"content"}
    assert wrapped_by(database) == {key_id(NEW)}
    assert start(NEW).keys.by_master_key() == {key_id(NEW): len(sealed)}


def test_of_two_rotations_to_different_master_keys_one_is_refused(start, monkeypatch):
    third = b"t" * 32
    start(OLD).seals.seal(uuid4(), b"x")
    late = start(NEW, OLD)
    slow = Slow(late.keyring._keyring, "update_one", lambda: start(third, OLD).rotate())
    monkeypatch.setattr(late.keyring, "_keyring", slow)
    with pytest.raises(WrongMasterKey):
        late.rotate()
    assert start(third).keyring.master == key_id(third)


def test_a_process_that_does_not_have_the_new_master_key_yet_stores_nothing_it_could_not_read(start, database):
    late = start(OLD)
    sealed = late.seals.seal(uuid4(), b"content")
    start(NEW, OLD).rotate()
    number = database.keys.count_documents({})
    with pytest.raises(WrongMasterKey, match=rf"by the master key {key_id(NEW)}, but given was {key_id(OLD)}\."):
        late.seals.seal(uuid4(), b"content")
    assert database.keys.count_documents({}) == number
    assert start(NEW).seals.open(sealed) == b"content"


# Stores from before keyrings ----------------------------------------------------------------------------------


@pytest.fixture
def older(database):
    """A person's content in a store as it was written before there was a keyring."""
    id, person, secret = uuid4(), uuid4(), b"s" * 32
    binding = id.bytes + person.bytes
    database.keys.insert_one({"_id": id, "person": person, "wrapped": seal(OLD, secret, binding)})
    return Sealed(key=id, size=7, box=seal(secret, b"content", binding))


def test_a_store_from_before_keyrings_keeps_its_names_and_is_rotated_as_well(start, database, older):
    first = HmacNames(HKDF(SHA256(), 32, salt=None, info=b"runledger unique names").derive(OLD))
    process = start()
    assert process.seals.open(older) == b"content"
    assert process.names.id_of("ada") == first.id_of("ada")
    assert process.keys.by_master_key() == {"": 1}

    process.rotate()

    assert start().seals.open(older) == b"content"
    assert start().names.id_of("ada") == first.id_of("ada")
    assert "" not in start().keys.by_master_key()


def test_a_store_from_before_keyrings_refuses_a_wrong_master_key(start, database, older):
    with pytest.raises(WrongMasterKey, match="by another master key, but given was"):
        start(NEW).keyring.names_secret()
    assert database.keyring.find_one() is None


def test_names_of_a_new_store_do_not_follow_from_its_master_key(start, database):
    derived = HmacNames(HKDF(SHA256(), 32, salt=None, info=b"runledger unique names").derive(OLD))
    assert start().names.id_of("ada") != derived.id_of("ada")
    assert start().names.id_of("ada") == start().names.id_of("ada")


def test_of_many_that_open_a_new_store_at_once_all_have_the_same_names(start):
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda process: process.names.id_of("ada"), [start() for _ in range(8)]))
    assert len(set(ids)) == 1


def test_a_lost_keyring_is_told_and_not_replaced(start, database):
    start().seals.seal(uuid4(), b"x")
    database.keyring.delete_one({})
    with pytest.raises(KeyringMissing, match="restore the store from a backup"):
        start().keyring.names_secret()
    assert database.keyring.find_one() is None
