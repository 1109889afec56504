"""A unique name: a stream whose id is an HMAC of the name, so that only one person can hold it."""

from datetime import datetime
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError


class NameTaken(DomainError):
    """This name is taken; choose another one."""


class Name(Aggregate):
    """Who holds a name. The name itself appears in no event."""

    name = "Name"

    class Claimed(Aggregate.Created):
        holder: UUID

    @event(Claimed)
    def __init__(self, id: UUID, holder: UUID, timestamp: datetime) -> None:
        self.holder: UUID | None = holder
