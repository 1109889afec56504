"""Everybody with an account: one light document per person; the name is still sealed."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports.log import Recorded
from domain.sealed import Sealed
from domain.user import Role, User
from projections.projection import ASCENDING, Projection, Put, Query, plain


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Times in UTC."""

    id: UUID
    username: Sealed[str]
    role: Role
    registered_at: datetime
    last_login_at: datetime | None = None
    last_failure_at: datetime | None = None
    registered_position: int
    position: int


def fold(event: Recorded) -> Iterator[Put]:
    match event.data:
        case User.Registered(username=username, role=role):
            yield Put(
                event.stream,
                username=plain(username),
                role=role.value,
                registered_at=event.at,
                registered_position=event.position,
            )
        case User.RoleChanged(role=role):
            yield Put(event.stream, role=role.value)
        case User.LoggedIn():
            yield Put(event.stream, last_login_at=event.at)
        case User.LoginFailed():
            yield Put(event.stream, last_failure_at=event.at)


def page(after: int, limit: int) -> Query:
    """Those who registered after a position, in that order."""
    conditions = {"registered_position": {"$gt": after}}
    return Query("user_directory", conditions, (("registered_position", ASCENDING),), limit)


def one(user: UUID) -> Query:
    return Query("user_directory", {"_id": user}, limit=1)


PROJECTION = Projection("user_directory", 1, fold, indexes=((("registered_position", ASCENDING),),))
