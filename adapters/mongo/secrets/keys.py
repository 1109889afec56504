"""One data key per person, wrapped by a master key. Erasing it makes everything sealed with it unreadable."""

import os
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import msgspec
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from adapters.mongo.connection import durable, on_primary, reachable
from adapters.mongo.secrets.keyring import Keyring, MasterKey, binding_of
from adapters.secrets.master_keys import BYTES
from application.ports.log import LogUnavailable
from application.ports.seals import ContentUnreadable, Erased, WrongMasterKey

CACHE_SECONDS = 5.0
"""How long an opened key may be used; after that a key erased by another process is forgotten here too."""
CACHED_KEYS = 1_000
SETTLE_SECONDS = 5.0
"""How long a key that another process has just made is waited for."""

NEW = "is_new"

Document = dict[str, Any]


class KeyMissing(ContentUnreadable):
    """The data key of this content is not in the store, and it was not erased; restore the store from a backup."""


class PersonErased(Erased):
    """There will be no key for this person any more."""

    def __init__(self, key: UUID) -> None:
        super().__init__("this content belonged to a person whose data was erased")
        self.key = key


class DataKey(msgspec.Struct, frozen=True):
    """A person's key, opened. It is neither stored nor logged like this."""

    id: UUID
    person: UUID
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    @property
    def binding(self) -> bytes:
        """What everything sealed with it is bound to."""
        return binding_of(self.id, self.person)


class DataKeys:
    """The collection `keys`. Of an erased person a document without key remains, so that no new one is made.

    No rotation of the master key misses a key in use, without a lock that somebody killed could leave behind: a key is
    stored as new, and used only when the master key that wraps it was in charge after that. So whoever looks for keys
    to wrap anew, once another master key is in charge, finds all that are used. What was stored as new by somebody who
    was killed then is nobody's yet, and may be replaced.
    """

    def __init__(self, database: Database[Document], keyring: Keyring) -> None:
        self._keys = on_primary(durable(database, "keys"))
        self._keyring = keyring
        self._is_prepared = False
        self._opened: dict[UUID, tuple[float, DataKey]] = {}
        """Opened keys, by their own id and by the person's, and until when they may be used."""

    def of_person(self, person: UUID) -> DataKey:
        """The person's key, made when there is none. Raises PersonErased, WrongMasterKey."""
        return self._cached(person) or self._open(self._find({"person": person}) or self._make(person))

    def with_id(self, key: UUID) -> DataKey:
        """Raises PersonErased, KeyMissing, WrongMasterKey."""
        return self._cached(key) or self._open(self._existing(key))

    def is_erased(self, key: UUID) -> bool:
        """Raises KeyMissing."""
        return "wrapped" not in self._existing(key)

    def erase(self, person: UUID) -> None:
        """Destroy the person's key. Other processes may use it for CACHE_SECONDS more."""
        erasing = {"$unset": {"wrapped": "", "master": "", NEW: ""}, "$setOnInsert": {"_id": uuid4()}}
        self._prepare()
        try:
            self._keys.update_one({"person": person}, erasing, upsert=True)
        except DuplicateKeyError:  # the key was made at this very moment
            self._keys.update_one({"person": person}, erasing)
        self._opened.clear()

    def missing(self, keys: Collection[UUID]) -> set[UUID]:
        """Those of which the store knows nothing, not even that they were erased."""
        found = self._keys.find({"_id": {"$in": list(keys)}}, {"_id": 1})
        return set(keys) - {key["_id"] for key in found}

    # Rotation -------------------------------------------------------------------------------------------------

    def by_master_key(self) -> Mapping[str, int]:
        """How many keys each master key wraps, by its id; those from before master keys had ids under an empty one."""
        wrapped: list[Document] = [
            {"$match": {"wrapped": {"$exists": True}}},
            {"$group": {"_id": "$master", "number": {"$sum": 1}}},
        ]
        with reachable():
            return {found["_id"] or "": found["number"] for found in self._keys.aggregate(wrapped)}

    def stale(self) -> Sequence[UUID]:
        """The ids of the keys that another master key than the one in charge has wrapped."""
        query = {"wrapped": {"$exists": True}, "master": {"$ne": self._keyring.master}}
        with reachable():
            return [found["_id"] for found in self._keys.find(query, {"_id": 1})]

    def rewrap(self, keys: Sequence[UUID]) -> None:
        """Wrap these by the master key in charge; what is erased stays so. Raises WrongMasterKey."""
        with reachable():
            master = self._keyring.in_charge()
            for found in self._keys.find({"_id": {"$in": list(keys)}, "wrapped": {"$exists": True}}):
                if NEW in found:
                    self._settle(found)
                else:
                    self._replace(found, self._unwrap(found), master)

    # One key --------------------------------------------------------------------------------------------------

    def _find(self, query: Document) -> Document | None:
        return self._keys.find_one(query)

    def _existing(self, key: UUID) -> Document:
        found = self._find({"_id": key})
        if found is None:
            raise KeyMissing(f"data key {key}: {KeyMissing.__doc__}")
        return found

    def _make(self, person: UUID) -> Document:
        self._prepare()
        master, id = self._keyring.in_charge(), uuid4()
        wrapped = master.wrap(os.urandom(BYTES), binding_of(id, person))
        made = {"_id": id, "person": person, "wrapped": wrapped, "master": master.id, NEW: True}
        try:
            self._keys.insert_one(made)
        except DuplicateKeyError:
            return self._of_somebody_faster(person)
        return made

    def _of_somebody_faster(self, person: UUID) -> Document:
        """Theirs is the one, as soon as a majority has it."""
        deadline = monotonic() + SETTLE_SECONDS
        while monotonic() < deadline:
            if found := self._find({"person": person}):
                return found
        raise LogUnavailable(f"the data key of person {person} is not confirmed")

    def _settle(self, found: Document) -> Document:
        """A new key as it may be used. Where it cannot be opened any more, its maker was killed: it is replaced."""
        while NEW in found:
            master = self._keyring.in_charge()
            if found["master"] == master.id:
                settled = self._change(found, {"$unset": {NEW: ""}})
            elif self._keyring.knows(found["master"]):
                settled = self._replace(found, self._unwrap(found), master)
            else:
                settled = self._replace(found, os.urandom(BYTES), master)
            found = settled or self._existing(found["_id"])
        return found

    def _replace(self, found: Document, secret: bytes, master: MasterKey) -> Document | None:
        wrapped = master.wrap(secret, binding_of(found["_id"], found["person"]))
        return self._change(found, {"$set": {"wrapped": wrapped, "master": master.id}, "$unset": {NEW: ""}})

    def _change(self, found: Document, change: Document) -> Document | None:
        """None when it is not what was found any more: erased, or wrapped by somebody else."""
        as_found = {"_id": found["_id"], "wrapped": found["wrapped"]}
        return self._keys.find_one_and_update(as_found, change, return_document=ReturnDocument.AFTER)

    def _prepare(self) -> None:
        """What must be there before the first key is made here: the rule of one key per person, and the keyring."""
        if not self._is_prepared:
            self._keys.create_index("person", unique=True)
            self._keyring.names_secret()  # makes the keyring where it is missing
            self._is_prepared = True

    def _open(self, found: Document) -> DataKey:
        found = self._settle(found)
        if "wrapped" not in found:
            raise PersonErased(found["_id"])
        key = DataKey(found["_id"], found["person"], self._unwrap_latest(found))
        self._keep(key)
        return key

    def _unwrap_latest(self, found: Document) -> bytes:
        """A rotation may have wrapped it anew since it was read, and forgotten the master key of before."""
        try:
            return self._unwrap(found)
        except WrongMasterKey:
            latest = self._find({"_id": found["_id"]}) or found
            if latest == found:
                raise
            return self._open(latest).secret

    def _unwrap(self, found: Document) -> bytes:
        binding = binding_of(found["_id"], found["person"])
        return self._keyring.unwrap(found.get("master", ""), found["wrapped"], binding)

    def _cached(self, id: UUID) -> DataKey | None:
        until, key = self._opened.get(id, (0.0, None))
        return key if until > monotonic() else None

    def _keep(self, key: DataKey) -> None:
        if len(self._opened) >= CACHED_KEYS:
            self._opened.clear()
        self._opened[key.id] = self._opened[key.person] = monotonic() + CACHE_SECONDS, key
