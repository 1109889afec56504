"""How the log is read: only by closed ranges of positions, which are cheap because positions have no holes.

An open range, a sort or a limit makes SecantusDB gather all that matches first; a closed range on a secondary index is
served by the index on every server.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from uuid import UUID

from pymongo.collection import Collection

from adapters.mongo.commits import MAX_EVENTS, Document, Line, Placed, key, lines

LANE_WINDOW = 4_096
"""How many positions one query for a lane spans at first."""
NEWER = 8
"""How many versions behind a known one are looked for at first: mostly there are few."""


class Reading:
    """Events by position, by lane and by stream."""

    def __init__(self, commits: Collection[Document]) -> None:
        self._commits = commits
        self._seen = 0
        """The last end that was read."""

    def after(self, position: int, limit: int) -> Sequence[Placed]:
        """At most `limit` events with positions from `position` + 1 on, without a hole; fewer only at the end."""
        if self._seen - position < MAX_EVENTS:
            # Near the end one wide look finds all there is, for no commit is longer than what it looks beyond.
            return self._page(position + 1, limit + MAX_EVENTS)[:limit]
        found = list(self._page(position + 1, min(limit, MAX_EVENTS)))
        while 0 < len(found) < limit and (commit := self._starting_at(position + len(found) + 1)):
            found += lines(commit)
            found += self._page(position + len(found) + 1, limit - len(found)) if len(found) < limit else ()
        return found[:limit]

    def _page(self, start: int, width: int) -> Sequence[Placed]:
        """The events from `start` on of the commits that end within so many positions, if not of the one around it."""
        commits = self._window(start, width) or (width < MAX_EVENTS and self._window(start, MAX_EVENTS)) or ()
        contiguous = list(_contiguous(commits, start))
        self._seen = max(self._seen, *(commit["z"] for commit in contiguous), 0)
        return [placed for commit in contiguous for placed in lines(commit) if placed[0] >= start]

    def _window(self, start: int, width: int) -> list[Document]:
        """Commits that end within the window. One that covers all of it ends less than MAX_EVENTS behind its start."""
        return self._find({"z": {"$gte": start, "$lte": start + width - 1}})

    def _starting_at(self, position: int) -> Document | None:
        return self._commits.find_one({"_id": position})

    def stored_at(self, position: int) -> datetime | None:
        """When the event at this position was stored; None where there is none."""
        ending = {"$gte": position, "$lte": position + MAX_EVENTS - 1}
        covering = min(self._commits.find({"z": ending}, {"z": 1, "at": 1}), key=itemgetter("z"), default=None)
        return covering["at"] if covering else None

    def of_lane(self, lane: int, after: int, upto: int, limit: int) -> Sequence[Placed]:
        """At most `limit` events of one lane with positions in (after, upto]."""
        found: list[Placed] = []
        start, width = after + 1, LANE_WINDOW
        while len(found) < limit and start < upto + MAX_EVENTS:
            ending = {"$gte": start, "$lte": min(start + width, upto + MAX_EVENTS) - 1}
            for commit in self._find({"l": lane, "z": ending}):
                found += (placed for placed in lines(commit) if placed[1].lane == lane and after < placed[0] <= upto)
            start, width = start + width, width * 2
        return found[:limit]

    def of_stream(self, stream: UUID) -> Sequence[Line]:
        """All events of one stream by version."""
        return [line for _, line in self.history(stream)]

    def newer(self, stream: UUID, version: int) -> Sequence[Line]:
        """The events of one stream behind this version, which its versions follow without a gap.

        They are found by their keys, so that a long stream's end costs no more than a short one's.
        """
        found: list[Line] = []
        width = NEWER
        while versions := self._versions(stream, range(version + len(found) + 1, version + len(found) + 1 + width)):
            found += versions
            if len(versions) < width:
                break
            width = min(width * 4, MAX_EVENTS)
        return found

    def _versions(self, stream: UUID, wanted: range) -> Sequence[Line]:
        """The events of one stream with these versions, up to the first that is missing."""
        commits = self._find({"k": {"$in": [key(stream, version) for version in wanted]}})
        found = {line.version: line for commit in commits for _, line in lines(commit) if line.stream == stream}
        return [found[version] for version in takewhile(found.__contains__, wanted)]

    def history(self, stream: UUID) -> Sequence[Placed]:
        """All events of one stream with their positions, by version."""
        placed = [placed for commit in self._find({"st": stream}) for placed in lines(commit)]
        return sorted((one for one in placed if one[1].stream == stream), key=lambda one: one[1].version)

    def _find(self, query: Document) -> list[Document]:
        """All matches by position, in one answer of the server as far as they fit."""
        return sorted(self._commits.find(query, batch_size=MAX_EVENTS), key=lambda commit: int(commit["_id"]))


def _contiguous(commits: Sequence[Document], start: int) -> Iterator[Document]:
    """Those before the first hole, which a scan beside a write may show: what is behind it is read next time."""
    for commit in commits:
        if commit["_id"] > start:
            return
        yield commit
        start = commit["z"] + 1
