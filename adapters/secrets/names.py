"""Stream ids of unique names."""

import hashlib
import hmac
import unicodedata
from uuid import UUID


class HmacNames:
    """HMAC-SHA-256 under a secret that never changes, cut to a UUID (version 8, RFC 9562)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def id_of(self, name: str) -> UUID:
        digest = bytearray(hmac.digest(self._secret, canonical(name).encode(), hashlib.sha256)[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return UUID(bytes=bytes(digest))


def canonical(name: str) -> str:
    """Names that look the same are the same: NFKC, case folded, no blanks around."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
