"""Credentials and sessions: what must be forgotten for good, and so is no event."""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from pymongo.database import Database

from adapters.mongo.connection import Document, durable, reachable
from application.ports.people import Session


class MongoCredentials:
    def __init__(self, database: Database[Document]) -> None:
        self._credentials = durable(database, "credentials")

    def put(self, user: UUID, hash: str) -> None:
        with reachable():
            self._credentials.replace_one({"_id": user}, {"hash": hash}, upsert=True)

    def get(self, user: UUID) -> str | None:
        with reachable():
            found = self._credentials.find_one({"_id": user})
        return found["hash"] if found else None


class MongoSessions:
    """Sessions by the SHA-256 of their token, so that a copy of the database opens none of them."""

    def __init__(self, database: Database[Document]) -> None:
        self._sessions = durable(database, "sessions")

    def open(self, user: UUID, expires_at: datetime) -> str:
        token = secrets.token_urlsafe(32)
        with reachable():
            self._sessions.insert_one({"_id": _digest(token), "user": user, "expires_at": expires_at})
        return token

    def find(self, token: str) -> Session | None:
        with reachable():
            found = self._sessions.find_one({"_id": _digest(token)})
        return Session(found["user"], found["expires_at"]) if found else None

    def revoke(self, token: str) -> None:
        with reachable():
            self._sessions.delete_one({"_id": _digest(token)})

    def revoke_all(self, user: UUID) -> None:
        with reachable():
            self._sessions.delete_many({"user": user})

    def prepare(self) -> None:
        """Ended sessions delete themselves."""
        with reachable():
            self._sessions.create_index("user")
            self._sessions.create_index("expires_at", expireAfterSeconds=0)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
