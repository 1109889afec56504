"""What is wrong with a selection of events, before it is looked for."""

from collections.abc import Collection, Iterable
from datetime import datetime

from domain.aggregate import DomainError


class SelectionRefused(DomainError):
    """These events cannot be selected."""


def check_types(wanted: Iterable[str], known: Collection[str]) -> None:
    """Raises SelectionRefused where there is no such event type."""
    if unknown := sorted(set(wanted) - set(known)):
        there_are = ", ".join(sorted(known))
        raise SelectionRefused(f"There is no event type {' or '.join(map(repr, unknown))}; there are {there_are}.")


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raises SelectionRefused where no time is between the two."""
    if since and until and since >= until:
        raise SelectionRefused(f"Nothing lies between {since.isoformat()} and {until.isoformat()}.")
