"""What goes over Redis between the process that writes the log and those that hand it commits, encrypted.

The key stands in the writer's lease, new for each term: whoever cannot read the store can neither hand in a commit nor
read one. A letter is bound to its channel, so a question is no answer, and an answer to one is none to another.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.mongo.secrets.sealing import seal, unseal
from adapters.mongo.writing.wire import Handed

T = TypeVar("T")

KEY_BITS = 256


class Unreadable(ValueError):
    """Not closed by a reader of the store for this channel, or not what this version says there."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Some commits of one asker; each of his letters has a higher number than the one before."""

    asker: UUID
    number: int
    commits: Sequence[Handed]


class Address(msgspec.Struct, frozen=True):
    """Of a desk, as it stands in the lease: the channel for questions, and the key of all letters of this term."""

    channel: str
    key: bytes

    @classmethod
    def new(cls) -> "Address":
        return cls(f"writer:{uuid4()}", AESGCM.generate_key(KEY_BITS))

    def answers_to(self, asker: UUID) -> str:
        return f"{self.channel}:{asker}"

    def close(self, channel: str, content: Any) -> bytes:
        return seal(self.key, msgspec.msgpack.encode(content), channel.encode())

    def open(self, channel: str, letter: bytes, kind: type[T]) -> T:
        """Raises Unreadable."""
        try:
            return msgspec.msgpack.decode(unseal(self.key, letter, channel.encode()), type=kind)
        except (InvalidTag, ValueError) as error:
            raise Unreadable(Unreadable.__doc__) from error
