"""Going through the whole log, however long it is: page by page, each a closed range of positions."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pymongo.collection import Collection

from adapters.mongo.commits.commits import MAX_EVENTS, Document
from adapters.mongo.commits.heads import NEAR

PAGE = 500
"""Positions in one page. Events are at most 256 KB, so this bounds the memory that a page may take."""
WIDE_PAGE = 10_000
"""For queries that few commits match."""

NEVER = datetime.max.replace(tzinfo=UTC)


class Walk:
    """Commits in the order of their positions, whatever is wrong with them."""

    def __init__(self, commits: Collection[Document]) -> None:
        self._commits = commits

    def pages(self, after: int, upto: int, matching: Mapping[str, Any] | None = None) -> Iterator[list[Document]]:
        """All commits that end in (after, upto]: the first one may begin before."""
        for ending in ranges(after + 1, upto, WIDE_PAGE if matching else PAGE):
            found = self._commits.find({"z": ending, **(matching or {})}, batch_size=MAX_EVENTS)
            yield list(found.sort([("z", 1)]))

    def sums(self, upto: int, stages: list[Document]) -> Iterator[tuple[int, list[Document]]]:
        """What the server makes of each page of the commits that end there or before; with the page's end."""
        for ending in ranges(1, upto, WIDE_PAGE):
            yield ending["$lte"], list(self._commits.aggregate([{"$match": {"z": ending}}, *stages]))

    def at(self, position: int, fields: Mapping[str, Any] | None = None) -> Document | None:
        """The commit that holds this position; where that is missing, one soon after it."""
        for width in (NEAR, MAX_EVENTS):
            ending = {"$gte": position, "$lte": position + width - 1}
            for found in self._commits.find({"z": ending}, fields).sort([("z", 1)]).limit(1):
                return found
        return None

    def positions_before(self, time: datetime, head: int) -> int:
        """How many events were stored before that time; commit times never fall, so a few looks tell."""
        return bisect_left(range(1, head + 1), time, key=self._time_of)

    def _time_of(self, position: int) -> datetime:
        found = self.at(position, {"at": 1})
        return found["at"] if found else NEVER


def ranges(first: int, last: int, width: int) -> Iterator[dict[str, int]]:
    """Closed ranges, one behind the other, from `first` to `last`."""
    for start in range(first, last + 1, width):
        yield {"$gte": start, "$lte": min(start + width - 1, last)}
