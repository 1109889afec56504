"""One data key per person, wrapped by a master key. Erasing it makes everything sealed with it unreadable."""

import os
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import msgspec
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from adapters.mongo.connection import durable, reachable
from adapters.mongo.keyring import Keyring, binding_of
from adapters.mongo.transactions import in_transaction
from adapters.secrets.master_keys import BYTES
from application.ports import ContentUnreadable, Erased, WrongMasterKey

CACHE_SECONDS = 5.0
"""How long an opened key may be used; after that a key erased by another process is forgotten here too."""
CACHED_KEYS = 1_000
SETTLE_SECONDS = 5.0
"""How long a key that another process has just made is waited for."""

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
    """The collection `keys`. Of an erased person a document without key remains, so that no new one is made."""

    def __init__(self, database: Database[Document], keyring: Keyring) -> None:
        self._client = database.client
        self._keys = durable(database, "keys")
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
        self._prepare()
        try:
            in_transaction(self._client, lambda session: self._erase(person, session))
        except DuplicateKeyError:  # the key was made at this very moment
            in_transaction(self._client, lambda session: self._erase(person, session))
        self._opened.clear()

    def _erase(self, person: UUID, session: ClientSession) -> None:
        erasing = {"$unset": {"wrapped": "", "master": ""}, "$setOnInsert": {"_id": uuid4()}}
        self._keys.update_one({"person": person}, erasing, upsert=True, session=session)

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
            found = list(self._keys.find({"_id": {"$in": list(keys)}, "wrapped": {"$exists": True}}))
            opened = [(key, self._unwrap(key)) for key in found]
            in_transaction(self._client, lambda session: self._rewrap(opened, session))

    def _rewrap(self, opened: Sequence[tuple[Document, bytes]], session: ClientSession) -> None:
        """Only the very bytes that were read are replaced: an erasure in between is not undone."""
        master = self._keyring.claim(session)
        for key, secret in opened:
            wrapped = master.wrap(secret, binding_of(key["_id"], key["person"]))
            as_read = {"_id": key["_id"], "wrapped": key["wrapped"]}
            self._keys.update_one(as_read, {"$set": {"wrapped": wrapped, "master": master.id}}, session=session)

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
        deadline = monotonic() + SETTLE_SECONDS
        while True:
            try:
                return in_transaction(self._client, lambda session: self._insert(person, session))
            except DuplicateKeyError:  # somebody else was faster: theirs is the one, as soon as a majority has it
                if found := self._find({"person": person}):
                    return found
                if monotonic() > deadline:
                    raise

    def _insert(self, person: UUID, session: ClientSession) -> Document:
        master = self._keyring.claim(session)
        id = uuid4()
        wrapped = master.wrap(os.urandom(BYTES), binding_of(id, person))
        made = {"_id": id, "person": person, "wrapped": wrapped, "master": master.id}
        self._keys.insert_one(made, session=session)
        return made

    def _prepare(self) -> None:
        """What must be there before the first key is made here: the rule of one key per person, and the keyring."""
        if not self._is_prepared:
            self._keys.create_index("person", unique=True)
            self._keyring.names_secret()  # makes the keyring where it is missing
            self._is_prepared = True

    def _open(self, found: Document) -> DataKey:
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
