"""Private content inside events: readable only while its person's data key exists."""

from typing import Generic, TypeVar
from uuid import UUID

import msgspec

Plain = TypeVar("Plain", str, bytes)


class Sealed(msgspec.Struct, Generic[Plain], frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Content encrypted with a person's data key (AES-256-GCM).

    Small content stands in `box` (nonce, ciphertext, tag); large content is a list of chunks stored beside the
    log, named by the SHA-256 of their sealed bytes. `size` is the length of the plain content in bytes.
    """

    key: UUID
    size: int
    box: bytes = b""
    chunks: tuple[str, ...] = ()
