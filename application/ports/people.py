"""What is known of people outside the log: passwords, sessions, names."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


class Passwords(Protocol):
    def hash(self, password: str) -> str: ...

    def verify(self, hash: str | None, password: str) -> bool:
        """Whether it is the right one. Takes as long for a missing hash as for a wrong password."""


class Credentials(Protocol):
    """Password hashes, by user. They are no events: a hash must be forgotten when it is replaced."""

    def put(self, user: UUID, hash: str) -> None: ...

    def get(self, user: UUID) -> str | None: ...


class Session(msgspec.Struct, frozen=True):
    user: UUID
    expires_at: datetime


class Sessions(Protocol):
    """Server-side sessions. Only a digest of the token is stored."""

    def open(self, user: UUID, expires_at: datetime) -> str:
        """Returns the new session's token, 256 random bits."""

    def find(self, token: str) -> Session | None: ...

    def revoke(self, token: str) -> None: ...

    def revoke_all(self, user: UUID) -> None:
        """All sessions of one person."""


class Names(Protocol):
    def id_of(self, name: str) -> UUID:
        """The id of the stream of a unique name, as a keyed hash: the name cannot be read back from it."""
