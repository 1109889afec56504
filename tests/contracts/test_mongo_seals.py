"""MongoSeals keeps the port's promises, and says so when the store has lost something."""

from time import monotonic
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.commits.chunks import Chunks, ContentDamaged, ContentMissing
from adapters.mongo.secrets import keys
from adapters.mongo.secrets.keyring import Keyring, SecretDamaged
from adapters.mongo.secrets.keys import DataKeys, KeyMissing
from adapters.mongo.secrets.seals import MongoSeals
from adapters.secrets.master_keys import key_id
from application.ports.seals import Erased, WrongMasterKey
from tests.contracts.seals import SealsContract

MASTER_KEY = bytes(range(32))


class TestMongoSeals(SealsContract):
    @pytest.fixture(autouse=True)
    def _open(self, database):
        self.database = database

    def seals(self, master_key=MASTER_KEY):
        return MongoSeals(self.keys(master_key), Chunks(self.database))

    def keys(self, master_key=MASTER_KEY):
        return DataKeys(self.database, Keyring(self.database, lambda: [master_key]))

    def test_erasing_forgets_what_was_sealed_before_and_after(self):
        seals, person, other = self.seals(), uuid4(), uuid4()
        before, bystander = seals.seal(person, b"before"), seals.seal(other, b"bystander")
        seals.erase(person)
        after = seals.seal(person, b"after")
        for sealed in (before, after):
            with pytest.raises(Erased):
                seals.open(sealed)
        with pytest.raises(Erased):
            seals.fingerprint(person, b"x")
        assert seals.open(bystander) == b"bystander"

    def test_erasing_somebody_unknown_makes_no_key_later(self):
        seals, person = self.seals(), uuid4()
        seals.erase(person)
        with pytest.raises(Erased):
            seals.open(seals.seal(person, b"late"))

    def test_another_process_forgets_an_erased_key_within_five_seconds(self, monkeypatch):
        here, there, person = self.seals(), self.seals(), uuid4()
        sealed = here.seal(person, b"x")
        there.open(sealed)
        here.erase(person)
        now = monotonic()
        monkeypatch.setattr(keys, "monotonic", lambda: now + 5.1)
        with pytest.raises(Erased):
            there.open(sealed)

    def test_content_opens_for_its_own_person_alone(self):
        seals = self.seals()
        mine, yours = seals.seal(uuid4(), b"mine"), seals.seal(uuid4(), b"yours")
        with pytest.raises(ContentDamaged):
            seals.open(msgspec.structs.replace(mine, key=yours.key))

    def test_a_wrapped_key_cannot_be_given_to_another_person(self):
        seals, person = self.seals(), uuid4()
        sealed = seals.seal(person, b"x")
        self.database.keys.update_one({"person": person}, {"$set": {"person": uuid4()}})
        with pytest.raises(SecretDamaged):
            self.seals().open(sealed)

    def test_another_master_key_is_told_by_name_and_changes_nothing(self):
        person = uuid4()
        sealed = self.seals().seal(person, b"x")
        before = everything(self.database)
        stranger = self.seals(master_key=bytes(32))
        for attempt in (
            lambda: stranger.open(sealed),
            lambda: stranger.seal(person, b"x"),
            lambda: stranger.seal(uuid4(), b"x"),
            lambda: stranger.erase(person),
        ):
            with pytest.raises(WrongMasterKey, match=f"by the master key {key_id(MASTER_KEY)}, but given was"):
                attempt()
        assert everything(self.database) == before

    def test_a_key_that_is_lost_is_not_taken_for_an_erased_one(self):
        seals, person, other = self.seals(), uuid4(), uuid4()
        lost, erased = seals.seal(person, b"lost"), seals.seal(other, b"erased")
        self.database.keys.delete_one({"person": person})
        seals.erase(other)
        with pytest.raises(KeyMissing, match=f"data key {lost.key}: .* restore the store from a backup"):
            self.seals().open(lost)
        with pytest.raises(Erased):
            self.seals().open(erased)

    def test_a_missing_chunk_is_told_by_name(self):
        sealed = self.seals().seal(uuid4(), bytes(40_000))
        self.database.chunks.delete_one({"_id": sealed.chunks[0]})
        with pytest.raises(ContentMissing, match=sealed.chunks[0]):
            self.seals().open(sealed)

    def test_a_damaged_chunk_is_told_by_name(self):
        sealed = self.seals().seal(uuid4(), bytes(40_000))
        self.database.chunks.update_one({"_id": sealed.chunks[0]}, {"$set": {"sealed": b"something else"}})
        with pytest.raises(ContentDamaged, match=sealed.chunks[0]):
            self.seals().open(sealed)

    def test_chunks_cannot_change_places(self):
        sealed = self.seals().seal(uuid4(), bytes(2 * 1024 * 1024))
        with pytest.raises(ContentDamaged):
            self.seals().open(msgspec.structs.replace(sealed, chunks=sealed.chunks[::-1]))

    def test_a_changed_box_is_damaged(self):
        sealed = self.seals().seal(uuid4(), b"content")
        with pytest.raises(ContentDamaged):
            self.seals().open(msgspec.structs.replace(sealed, box=sealed.box[:-1] + bytes([sealed.box[-1] ^ 1])))

    def test_keys_are_wrapped_where_they_are_stored(self):
        seals, person = self.seals(), uuid4()
        seals.seal(person, b"x")
        stored = self.database.keys.find_one({"person": person})
        assert self.keys().of_person(person).secret not in bytes(stored["wrapped"])
        assert stored["master"] == key_id(MASTER_KEY)
        assert MASTER_KEY not in repr(everything(self.database)).encode()


def everything(database):
    return {name: sorted(database[name].find(), key=repr) for name in database.list_collection_names()}
