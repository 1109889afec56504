"""An aggregate from its events, beside the library's own way in memory."""

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate as LibraryAggregate
from eventsourcing.domain import event

from adapters.mongo.log.log import MongoEventLog
from domain.user import Role, User
from tests.benchmarks.event_log.rounds import in_turns, ratio
from tests.benchmarks.event_log.servers import servers
from tests.benchmarks.report import Row
from tests.contracts.event_log import NOON, OPERATOR, new_user

EVENTS = 100
FOLDS = 30
LIBRARY, LOG, MEMORY = "library", "event log", "memory"


class Plain(LibraryAggregate):
    """What a user is to the log, for the library: one event that makes it, then changes of one field."""

    def __init__(self, username: str, role: str) -> None:
        self.username = username
        self.role = role

    @event("RoleChanged")
    def change_role(self, role: str) -> None:
        self.role = role


def table() -> list[Row]:
    with servers() as running:
        writing, reading = (MongoEventLog(running.journal()) for _ in range(2))
        user = saved_user(writing)
        application, plain = library()
        ways = {
            LIBRARY: lambda: milliseconds(lambda: application.repository.get(plain)),
            LOG: lambda: milliseconds(lambda: reading.load(User, user)),
            MEMORY: lambda: milliseconds(lambda: writing.recall(User, user)),
        }
        times = in_turns(ways)
    beside = f"library's JSON and POPO recorder: {median(times[LIBRARY]):.2f} ms"
    names = {LOG: "from the store", MEMORY: "from what the process remembers"}
    return [
        Row(f"fold {EVENTS} events {where}", f"{median(times[name]):.2f} ms", beside, ratio(times, name, LIBRARY))
        for name, where in names.items()
    ]


def roles() -> list[Role]:
    """Another one each time: a change to the same role would be no event."""
    return [Role.ADMIN if number % 2 else Role.USER for number in range(1, EVENTS)]


def saved_user(log: MongoEventLog) -> UUID:
    """Each event in a commit of its own."""
    user = new_user()
    log.save(OPERATOR, user)
    for number, role in enumerate(roles()):
        user.change_role(role, NOON + timedelta(seconds=number))
        log.save(OPERATOR, user)
    return user.id


def library() -> tuple[Application, UUID]:
    """The library's application without settings: JSON, and its recorder in memory, Plain Old Python Objects."""
    application = Application()
    plain = Plain("x" * 40, "user")
    for role in roles():
        plain.change_role(str(role))
    application.save(plain)
    return application, plain.id


def milliseconds(fold: Callable[[], User | Plain]) -> float:
    begun = time.perf_counter()
    for _ in range(FOLDS):
        assert fold().version == EVENTS
    return (time.perf_counter() - begun) * 1_000 / FOLDS
