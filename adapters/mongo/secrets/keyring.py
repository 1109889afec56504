"""Which master key wraps the secrets of a store, and the one secret that belongs to nobody: that of unique names."""

import os
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from adapters.mongo.connection import durable, on_primary, reachable
from adapters.mongo.secrets.sealing import seal, unseal
from adapters.secrets.master_keys import BYTES, MasterKeys, key_id
from application.ports.seals import ContentUnreadable, WrongMasterKey

Document = dict[str, Any]

THE_ONE = {"_id": "keyring"}
NAMES = b"runledger unique names"
"""What the wrapped secret of names is bound to; in stores from before keyrings, what it was derived for."""


class KeyringMissing(ContentUnreadable):
    """The store has lost its keyring, without which no name can be found; restore the store from a backup."""


class SecretDamaged(ContentUnreadable):
    """A wrapped key is not what was stored; restore the store from a backup."""


class MasterKey(msgspec.Struct, frozen=True):
    """The master key in charge, as it was read a moment ago."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def wrap(self, secret: bytes, binding: bytes) -> bytes:
        return seal(self.secret, secret, binding)


class Keyring:
    """The one document of the collection `keyring`, made by the first who needs it.

    It tells which master key is in charge: the one that wraps what is new, whatever else a process was given. Every
    method may raise WrongMasterKey and LogUnavailable.
    """

    def __init__(self, database: Database[Document], master_keys: MasterKeys) -> None:
        self._keyring = on_primary(durable(database, "keyring"))
        self._keys = on_primary(durable(database, "keys"))
        self._master_keys = master_keys
        self._known: dict[str, bytes] = {}
        """Master keys by id. One that was known stays so, for what was read just before the end of a rotation."""

    def names_secret(self) -> bytes:
        """The secret of unique names, the same for ever. That it can be opened shows that the master key is right."""
        return self._names(self._find())

    @property
    def master(self) -> str:
        """The id of the master key in charge."""
        return str(self._find()["master"])

    def in_charge(self) -> MasterKey:
        id = self.master
        return MasterKey(id, self._secret_of(id))

    def knows(self, master: str) -> bool:
        """Whether what this master key wraps can be opened here."""
        if master not in self._known:
            self._all()
        return master in self._known

    def unwrap(self, master: str, wrapped: bytes, binding: bytes) -> bytes:
        """What the master key of this id has wrapped; any, where the id is empty, as it was before keys had ids.

        Raises SecretDamaged.
        """
        for secret in [self._secret_of(master)] if master else self._all():
            try:
                return unseal(secret, wrapped, binding)
            except InvalidTag:
                continue
        if master:
            raise SecretDamaged(SecretDamaged.__doc__)
        raise self._wrong(master)

    def switch(self, master_key: bytes) -> None:
        """Put another master key in charge; harmless when it is already."""
        while (found := self._find())["master"] != key_id(master_key):
            names = seal(master_key, self._names(found), NAMES)
            change = {"$set": {"master": key_id(master_key), "names": names}}
            with reachable():
                self._keyring.update_one({**THE_ONE, "master": found["master"]}, change)

    def _names(self, found: Document) -> bytes:
        return self.unwrap(found["master"], found["names"], NAMES)

    # Master keys ----------------------------------------------------------------------------------------------

    def _secret_of(self, id: str) -> bytes:
        if not self.knows(id):
            raise self._wrong(id)
        return self._known[id]

    def _all(self) -> list[bytes]:
        self._known |= {key_id(master_key): master_key for master_key in self._master_keys()}
        return list(self._known.values())

    def _wrong(self, wanted: str) -> WrongMasterKey:
        return WrongMasterKey(wanted, sorted(self._known))

    # The document ---------------------------------------------------------------------------------------------

    def _find(self) -> Document:
        with reachable():
            return self._keyring.find_one(THE_ONE) or self._make()

    def _make(self) -> Document:
        try:
            made = self._first()
            self._keyring.insert_one(made)
        except (DuplicateKeyError, KeyringMissing):
            if found := self._keyring.find_one(THE_ONE):  # somebody else was faster: theirs is the one
                return found
            raise
        return made

    def _first(self) -> Document:
        master_key = self._master_keys()[0]
        names = seal(master_key, self._first_secret(master_key), NAMES)
        return {**THE_ONE, "master": key_id(master_key), "names": names}

    def _first_secret(self, master_key: bytes) -> bytes:
        """In a new store it is random; one from before keyrings has its names under a secret from the master key."""
        if self._keys.find_one({"master": {"$exists": True}}):
            raise KeyringMissing(KeyringMissing.__doc__)
        if not (older := self._keys.find_one({"wrapped": {"$exists": True}}) or self._keys.find_one()):
            return os.urandom(BYTES)
        if "wrapped" in older:
            self.unwrap("", older["wrapped"], binding_of(older["_id"], older["person"]))
        return HKDF(SHA256(), BYTES, salt=None, info=NAMES).derive(master_key)


def binding_of(key: UUID, person: UUID) -> bytes:
    """What a person's data key is bound to where it is stored, and all that is sealed with it as well."""
    return key.bytes + person.bytes
