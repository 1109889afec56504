"""A person with an account."""

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError
from domain.sealed import Sealed


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


class Locked(DomainError):
    """Too many wrong passwords; wait and try again."""

    def __init__(self, wait: timedelta) -> None:
        self.seconds = math.ceil(wait.total_seconds())
        """Until the next password is looked at."""
        super().__init__(f"Too many wrong passwords; try again in {math.ceil(self.seconds / 60)} min.")


class User(Aggregate):
    """A person with an account. The password's hash is no event: it stands in the credentials collection."""

    name = "User"

    ATTEMPTS: ClassVar[int] = 5
    WINDOW: ClassVar[timedelta] = timedelta(minutes=15)

    class Registered(Aggregate.Created):
        username: Sealed[str]
        role: Role

    class RoleChanged(Aggregate.Event):
        role: Role

    class LoggedIn(Aggregate.Event):
        pass

    class LoginFailed(Aggregate.Event):
        pass

    class LoggedOut(Aggregate.Event):
        pass

    class PasswordReset(Aggregate.Event):
        pass

    class Unlocked(Aggregate.Event):
        pass

    @event(Registered)
    def __init__(self, id: UUID, username: Sealed[str], role: Role, timestamp: datetime) -> None:
        self.username = username
        self.role = role
        self.failures: tuple[datetime, ...] = ()

    @event(RoleChanged)
    def _role_changed(self, role: Role) -> None:
        self.role = role

    @event(LoggedIn)
    def _logged_in(self) -> None:
        self.failures = ()

    @event(LoginFailed)
    def _login_failed(self, timestamp: datetime) -> None:
        self.failures = (*self.failures[1 - self.ATTEMPTS :], timestamp)

    @event(LoggedOut)
    def _logged_out(self) -> None:
        pass

    @event(PasswordReset)
    def _password_reset(self) -> None:
        self.failures = ()

    @event(Unlocked)
    def _unlocked(self) -> None:
        self.failures = ()

    def change_role(self, role: Role, at: datetime) -> None:
        if role is not self.role:
            self.trigger_event(self.RoleChanged, role=role, timestamp=at)

    def locked_until(self, at: datetime) -> datetime | None:
        """Five wrong passwords within a quarter of an hour lock the account; None when it is open."""
        recent = [failed for failed in self.failures if failed > at - self.WINDOW]
        return recent[0] + self.WINDOW if len(recent) >= self.ATTEMPTS else None

    def check_open(self, at: datetime) -> None:
        """Raises Locked."""
        if until := self.locked_until(at):
            raise Locked(until - at)

    def log_in(self, at: datetime) -> None:
        self.check_open(at)
        self.trigger_event(self.LoggedIn, timestamp=at)

    def fail_login(self, at: datetime) -> None:
        self.check_open(at)
        self.trigger_event(self.LoginFailed, timestamp=at)

    def log_out(self, at: datetime) -> None:
        self.trigger_event(self.LoggedOut, timestamp=at)

    def reset_password(self, at: datetime) -> None:
        """Somebody else has set a new password; with it the account is open."""
        self.trigger_event(self.PasswordReset, timestamp=at)

    def unlock(self, at: datetime) -> None:
        """Forget the wrong passwords; an account that is open stays as it is."""
        if self.locked_until(at):
            self.trigger_event(self.Unlocked, timestamp=at)
