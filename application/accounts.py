"""Registering, logging in and out."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.handler import change
from application.ports.log import Context, EventLog, StreamNotFound, VersionConflict
from application.ports.people import Credentials, Names, Passwords, Sessions
from application.ports.seals import Erased, Seals
from application.ports.surroundings import Ids
from domain.aggregate import DomainError
from domain.name import Name, NameTaken
from domain.user import Role, User

PASSWORD_CHARACTERS = 10
RECENT_SECONDS, RECENT_ACCOUNTS = 1.0, 1_000
SESSION_LIFETIME = timedelta(days=7)


class WeakPassword(DomainError):
    """The password is too short; use at least 10 characters."""


class WrongLogin(DomainError):
    """The user name or the password is wrong."""


class NotLoggedIn(DomainError):
    """Log in first."""


class Account(msgspec.Struct, frozen=True):
    """Who somebody is."""

    id: UUID
    username: str
    role: Role


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An account as those who run the system see it."""

    id: UUID
    username: str | None
    """None when the person's data was erased."""
    role: Role
    locked_until: datetime | None
    created_at: datetime


class Accounts:
    """The commands on people's accounts."""

    def __init__(
        self,
        log: EventLog,
        seals: Seals,
        ids: Ids,
        names: Names,
        passwords: Passwords,
        credentials: Credentials,
        sessions: Sessions,
    ) -> None:
        self._log = log
        self._seals = seals
        self._ids = ids
        self._names = names
        self._passwords = passwords
        self._credentials = credentials
        self._sessions = sessions
        self._recent: dict[UUID, tuple[float, Account]] = {}

    def register(self, context: Context, username: str, password: str, role: Role = Role.USER) -> tuple[Account, int]:
        """Returns the account and its position. Raises NameTaken or WeakPassword; then nothing has changed."""
        _check_password(password)
        user_id = self._ids.new()
        name = Name(id=self._names.id_of(username), holder=user_id, timestamp=context.at)
        if self._log.history(name.id):
            raise NameTaken
        sealed = self._seals.seal(user_id, username.encode())
        user = User(id=user_id, username=sealed, role=role, timestamp=context.at)
        # The hash first: without the events that follow nobody can find it, and they are never without it.
        self._credentials.put(user_id, self._passwords.hash(password))
        try:
            position = self._log.save(context, name, user)
        except VersionConflict:
            raise NameTaken from None
        return Account(user_id, username, role), position

    def find(self, username: str) -> Account | None:
        """Whose name this is."""
        try:
            name = self._log.load(Name, self._names.id_of(username))
        except StreamNotFound:
            return None
        return self.account(name.holder) if name.holder else None

    def account(self, user: UUID) -> Account:
        """Raises StreamNotFound or Erased."""
        loaded = self._log.load(User, user)
        return Account(loaded.id, self._seals.open(loaded.username).decode(), loaded.role)

    def member(self, user: UUID, at: datetime) -> Member:
        """Raises StreamNotFound."""
        loaded = self._log.load(User, user)
        return Member(
            id=loaded.id,
            username=self._name_of(loaded),
            role=loaded.role,
            locked_until=loaded.locked_until(at),
            created_at=loaded.created_on,
        )

    def _name_of(self, user: User) -> str | None:
        try:
            return self._seals.open(user.username).decode()
        except Erased:
            return None

    def reset_password(self, context: Context, user: UUID, password: str) -> int:
        """Set a new password, open the account and end all its sessions. Returns the position. Raises WeakPassword.

        The event first: a password that was not set after all can be set again, and no change is without its event.
        """
        _check_password(password)
        _, position = change(self._log, context, User, user, lambda loaded: loaded.reset_password(context.at))
        self._credentials.put(user, self._passwords.hash(password))
        self._sessions.revoke_all(user)
        return position

    def unlock(self, context: Context, user: UUID) -> int:
        """Open a locked account. Returns the position of its last event."""
        _, position = change(self._log, context, User, user, lambda loaded: loaded.unlock(context.at))
        return position

    def log_in(self, context: Context, username: str, password: str) -> tuple[Account, str]:
        """Returns the account and a new session's token. Raises WrongLogin or Locked."""
        account = self.find(username)
        stored = self._credentials.get(account.id) if account else None
        is_right = self._passwords.verify(stored, password)
        if account is None:
            raise WrongLogin
        change(self._log, context, User, account.id, _logged_in(context.at) if is_right else _failed(context.at))
        if not is_right:
            raise WrongLogin
        return account, self._sessions.open(account.id, context.at + SESSION_LIFETIME)

    def log_out(self, context: Context, token: str) -> None:
        """Revoke the session; harmless when it has ended already."""
        session = self._sessions.find(token)
        self._sessions.revoke(token)
        if session:
            change(self._log, context, User, session.user, lambda user: user.log_out(context.at))

    def who(self, context: Context, token: str) -> Account:
        """Whose session it is. Raises NotLoggedIn."""
        session = self._sessions.find(token)
        if session is None or session.expires_at <= context.at:
            raise NotLoggedIn
        return self._recent_account(session.user)

    def _recent_account(self, user: UUID) -> Account:
        """As it was a second ago at most."""
        until, account = self._recent.get(user, (0.0, None))
        if account is None or until < time.monotonic():
            account = self.account(user)
            if len(self._recent) >= RECENT_ACCOUNTS:
                self._recent.clear()
            self._recent[user] = time.monotonic() + RECENT_SECONDS, account
        return account


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_CHARACTERS:
        raise WeakPassword


def _logged_in(at: datetime) -> Callable[[User], None]:
    return lambda user: user.log_in(at)


def _failed(at: datetime) -> Callable[[User], None]:
    return lambda user: user.fail_login(at)
