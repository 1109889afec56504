"""The catalogue as this machine can serve it, looked at once per process."""

from functools import cached_property

from adapters.bubblewrap.catalogue import ROWS, missing_because
from application.ports import Runtime


class LocalRuntimes:
    """Implements the port Runtimes with the interpreters that are installed."""

    @cached_property
    def rows(self) -> tuple[tuple[Runtime, str | None], ...]:
        """Every row, and why it cannot run here if it cannot."""
        return tuple((row, missing_because(row)) for row in ROWS)

    def find(self, language: str, version: str | None) -> Runtime | None:
        able = [row for row, reason in self.rows if reason is None and row.language == language]
        return next((row for row in reversed(able) if version in {None, row.version}), None)
