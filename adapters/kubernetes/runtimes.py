"""The catalogue as a cluster can serve it."""

from adapters.languages import ROWS
from application.ports.sandbox import Runtime


class ClusterRuntimes:
    """Implements the port Runtimes with every row: only a node finds out whether it can have an image."""

    rows = tuple((row, None) for row in ROWS)

    def find(self, language: str, version: str | None) -> Runtime | None:
        named = (row for row, _ in reversed(self.rows) if row.language == language)
        return next((row for row in named if version in {None, row.version}), None)

    def versions(self, language: str) -> dict[str, str | None]:
        return {row.version: why_not for row, why_not in self.rows if row.language == language}
