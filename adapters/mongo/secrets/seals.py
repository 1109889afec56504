"""Private content: sealed with its person's data key before it goes into an event, opened at the edge."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.mongo.commits.chunks import Chunks, ContentDamaged
from adapters.mongo.connection import reachable
from adapters.mongo.secrets.keys import DataKey, DataKeys, PersonErased
from adapters.mongo.secrets.sealing import seal, unseal
from domain.sealed import Sealed

INLINE_BYTES = 32 * 1024
"""Content up to this size stands in the event itself."""
CHUNK_BYTES = 1024 * 1024


class MongoSeals:
    """Implements the port Seals. LogUnavailable is raised when the server cannot be reached."""

    def __init__(self, keys: DataKeys, chunks: Chunks) -> None:
        self._keys = keys
        self._chunks = chunks

    def seal(self, person: UUID, content: bytes) -> Sealed[Any]:
        """For an erased person: content that is erased already, of size 0."""
        with reachable():
            try:
                key = self._keys.of_person(person)
            except PersonErased as erased:
                return Sealed(key=erased.key, size=0)
            if len(content) <= INLINE_BYTES:
                return Sealed(key=key.id, size=len(content), box=seal(key.secret, content, key.binding))
            return Sealed(key=key.id, size=len(content), chunks=tuple(self._seal_chunks(key, content)))

    def _seal_chunks(self, key: DataKey, content: bytes) -> Iterator[str]:
        for start in range(0, len(content), CHUNK_BYTES):
            piece = content[start : start + CHUNK_BYTES]
            yield self._chunks.put(seal(key.secret, piece, _place(key, start, len(content))))

    def open(self, sealed: Sealed[Any]) -> bytes:
        """Raises Erased; KeyMissing, ContentMissing or ContentDamaged when the store has lost something of it."""
        with reachable():
            key = self._keys.with_id(sealed.key)
            try:
                return self._open(key, sealed)
            except InvalidTag as error:
                raise ContentDamaged(ContentDamaged.__doc__) from error

    def _open(self, key: DataKey, sealed: Sealed[Any]) -> bytes:
        if not sealed.chunks:
            return unseal(key.secret, sealed.box, key.binding)
        pieces = self._chunks.get(sealed.chunks)
        starts = range(0, sealed.size, CHUNK_BYTES)
        if len(starts) != len(pieces):
            raise ContentDamaged(ContentDamaged.__doc__)
        places = (_place(key, start, sealed.size) for start in starts)
        return b"".join(unseal(key.secret, piece, place) for piece, place in zip(pieces, places, strict=True))

    def is_erased(self, sealed: Sealed[Any]) -> bool:
        with reachable():
            return self._keys.is_erased(sealed.key)

    def fingerprint(self, person: UUID, content: bytes) -> str:
        """Raises Erased."""
        with reachable():
            key = self._keys.of_person(person)
        return hmac.new(_subkey(key.secret, b"fingerprint"), content, hashlib.sha256).hexdigest()

    def erase(self, person: UUID) -> None:
        """Forget all that was ever sealed for this person, everywhere; later content is erased from the start."""
        with reachable():
            self._keys.erase(person)


def _place(key: DataKey, start: int, size: int) -> bytes:
    """What a chunk is bound to besides its key: where it stands in how much content, so that none can be moved."""
    return key.binding + start.to_bytes(8, "big") + size.to_bytes(8, "big")


def _subkey(secret: bytes, purpose: bytes) -> bytes:
    """One key for one purpose, by HKDF (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)
