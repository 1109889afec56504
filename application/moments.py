"""Moments of the past: a position of the log, or a time, which is a position because commit times never fall."""

from datetime import UTC, datetime
from typing import Protocol

from domain.aggregate import DomainError

EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""Any time before or after these means the same as they do, and can be moved a little without leaving the calendar."""


def in_calendar(time: datetime) -> datetime:
    return min(max(time, EARLIEST), LATEST)


class NoSuchMoment(DomainError):
    """The log has no such moment."""


class Times(Protocol):
    """Both may raise LogUnavailable."""

    def head(self) -> int:
        """The last position."""

    def position_at(self, time: datetime) -> int:
        """The last position that was stored by then; 0 before the first."""


def position_of(log: Times, position: int | None, time: datetime | None) -> int | None:
    """The moment that was named, if one was. Raises NoSuchMoment."""
    if position is not None and time is not None:
        raise NoSuchMoment("Name a position or a time, not both.")
    if position is not None and position > (head := log.head()):
        raise NoSuchMoment(f"The log ends at position {head}; name that or an earlier one.")
    if time is None:
        return position
    found = log.position_at(time)
    if found == 0:
        raise NoSuchMoment(f"Nothing had happened by {time.isoformat()}; name a later time.")
    return found
