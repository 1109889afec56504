"""One data key per person, wrapped by the master key. Erasing it makes everything sealed with it unreadable."""

import os
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from adapters.mongo.connection import durable
from adapters.mongo.sealing import seal, unseal
from application.ports import Erased

KEY_BYTES = 32
CACHE_SECONDS = 5.0
"""How long an opened key may be used; after that a key erased by another process is forgotten here too."""
CACHED_KEYS = 1_000

Document = dict[str, Any]


class WrongMasterKey(Exception):
    """The data keys were wrapped with another master key; check the setting."""


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
        return _binding(self.id, self.person)


class DataKeys:
    """The collection `keys`. Of an erased person a document without key remains, so that no new one is made."""

    def __init__(self, database: Database[Document], master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"the master key has {KEY_BYTES} bytes, not {len(master_key)}")
        self._keys = durable(database, "keys")
        self._keys.create_index("person", unique=True)
        self._master_key = master_key
        self._opened: dict[UUID, tuple[float, DataKey]] = {}
        """Opened keys, by their own id and by the person's, and until when they may be used."""

    def of_person(self, person: UUID) -> DataKey:
        """The person's key, made when there is none. Raises PersonErased."""
        return self._cached(person) or self._open(self._find({"person": person}) or self._make(person))

    def with_id(self, key: UUID) -> DataKey:
        """Raises PersonErased."""
        return self._cached(key) or self._open(self._find({"_id": key}) or {"_id": key})

    def erase(self, person: UUID) -> None:
        """Destroy the person's key. Other processes may use it for CACHE_SECONDS more."""
        erasing = {"$unset": {"wrapped": ""}, "$setOnInsert": {"_id": uuid4()}}
        try:
            self._keys.update_one({"person": person}, erasing, upsert=True)
        except DuplicateKeyError:  # the key was made at this very moment
            self._keys.update_one({"person": person}, erasing)
        self._opened.clear()

    def _find(self, query: Document) -> Document | None:
        return self._keys.find_one(query)

    def _make(self, person: UUID) -> Document:
        id, secret = uuid4(), os.urandom(KEY_BYTES)
        made = {"_id": id, "person": person, "wrapped": seal(self._master_key, secret, _binding(id, person))}
        try:
            self._keys.insert_one(made)
        except DuplicateKeyError:  # somebody else was faster: theirs is the one
            return self._find({"person": person}) or made
        return made

    def _open(self, found: Document) -> DataKey:
        if "wrapped" not in found:
            raise PersonErased(found["_id"])
        key = DataKey(found["_id"], found["person"], self._unwrap(found))
        self._keep(key)
        return key

    def _unwrap(self, found: Document) -> bytes:
        try:
            return unseal(self._master_key, found["wrapped"], _binding(found["_id"], found["person"]))
        except InvalidTag as error:
            raise WrongMasterKey(WrongMasterKey.__doc__) from error

    def _cached(self, id: UUID) -> DataKey | None:
        until, key = self._opened.get(id, (0.0, None))
        return key if until > monotonic() else None

    def _keep(self, key: DataKey) -> None:
        if len(self._opened) >= CACHED_KEYS:
            self._opened.clear()
        self._opened[key.id] = self._opened[key.person] = monotonic() + CACHE_SECONDS, key


def _binding(key: UUID, person: UUID) -> bytes:
    return key.bytes + person.bytes
