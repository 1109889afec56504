"""Master keys: 32 bytes each, from the settings or a file. Whoever holds one can open all that it wraps."""

import hashlib
from collections.abc import Callable, Sequence

BYTES = 32

MasterKeys = Callable[[], Sequence[bytes]]
"""The master keys that are there now, the newest first. Asked again when one is missing: a rotation adds one."""


def key_id(master_key: bytes) -> str:
    """What a master key is called, in 16 hexadecimal digits; tells nothing of the key itself."""
    return hashlib.sha256(b"runledger master key id" + master_key).hexdigest()[:16]
