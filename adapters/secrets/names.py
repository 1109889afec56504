"""Stream ids of unique names."""

import hashlib
import hmac
import unicodedata
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class HmacNames:
    """HMAC-SHA-256 under a key derived from the master key, cut to a UUID (version 8, RFC 9562)."""

    def __init__(self, master_key: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"runledger unique names").derive(master_key)

    def id_of(self, name: str) -> UUID:
        digest = bytearray(hmac.digest(self._key, canonical(name).encode(), hashlib.sha256)[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return UUID(bytes=bytes(digest))


def canonical(name: str) -> str:
    """Names that look the same are the same: NFKC, case folded, no blanks around."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
