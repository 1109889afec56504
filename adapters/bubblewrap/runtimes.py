"""The catalogue as this machine can serve it."""

from adapters.bubblewrap.catalogue import missing_because
from adapters.languages import ROWS
from application.ports.sandbox import Runtime


class LocalRuntimes:
    """Implements the port Runtimes with the interpreters that are installed."""

    @property
    def rows(self) -> list[tuple[Runtime, str | None]]:
        """Every row, and why it cannot run here if it cannot."""
        return [(row, missing_because(row)) for row in ROWS]

    def find(self, language: str, version: str | None) -> Runtime | None:
        named = (row for row in reversed(ROWS) if row.language == language and version in {None, row.version})
        return next((row for row in named if missing_because(row) is None), None)

    def versions(self, language: str) -> dict[str, str | None]:
        return {row.version: missing_because(row) for row in ROWS if row.language == language}
