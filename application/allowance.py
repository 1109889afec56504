"""How many runs one person may have asked for that have not ended."""

import time
from collections.abc import Collection
from threading import Lock
from typing import Protocol
from uuid import UUID

from application.ports.log import EventLog
from domain.aggregate import DomainError
from domain.execution import Execution

MOST_PEOPLE = 1_000
LAG_SECONDS = 2.0
"""What was accepted longer ago is in the read model."""


class TooManyRuns(DomainError):
    """So many runs of yours wait or are under way already; send it again when one has ended."""


class OpenRuns(Protocol):
    def of(self, owner: UUID, most: int) -> Collection[UUID]:
        """The runs of this person that have not ended, `most` at most, as the read model knows them: it may lag."""


class Allowance:
    """Looks where somebody may have come to the end; until then it counts what was accepted here.

    Several processes that accept runs allow as much each, until they look.
    """

    def __init__(self, log: EventLog, runs: OpenRuns, most: int) -> None:
        self._log = log
        self._runs = runs
        self._most = most
        self._counts: dict[UUID, int] = {}
        self._recent: dict[UUID, dict[UUID, float]] = {}
        """Of each person, the runs that the read model may not have yet, and when they were accepted."""
        self._lock = Lock()

    def take(self, owner: UUID, execution: UUID) -> None:
        """One more. Raises TooManyRuns, LogUnavailable."""
        with self._lock:
            if self._counts.get(owner, self._most) >= self._most:
                self._counts[owner] = self._count(owner)
            if self._counts[owner] >= self._most:
                raise TooManyRuns(
                    f"{self._most:,} runs of yours wait or are under way; send it again when one has ended."
                )
            self._counts[owner] += 1
            self._recent.setdefault(owner, {})[execution] = time.monotonic()

    def _count(self, owner: UUID) -> int:
        if len(self._counts) >= MOST_PEOPLE:
            self._counts.clear()
            self._recent.clear()
        stored = set(self._runs.of(owner, self._most))
        self._recent[owner] = self._still_recent(owner)
        return len(stored) + sum(not self._has_ended(run) for run in self._recent[owner].keys() - stored)

    def _still_recent(self, owner: UUID) -> dict[UUID, float]:
        since = time.monotonic() - LAG_SECONDS
        return {run: at for run, at in self._recent.get(owner, {}).items() if at > since}

    def _has_ended(self, run: UUID) -> bool:
        """One that is not stored yet has not: others of the same request are being counted."""
        history = self._log.history(run)
        return bool(history) and isinstance(history[-1].data, Execution.Finished)
