"""How the log is read: only by closed ranges of positions, which are cheap because positions have no holes.

An open range, a sort or a limit makes SecantusDB gather all that matches first; a closed range on a secondary index is
served by the index on every server.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from typing import Any
from uuid import UUID

from pymongo.collection import Collection

from adapters.mongo.commits import quick
from adapters.mongo.commits.commits import MAX_EVENTS, Document, Line, Placed, key
from application.ports.log import LogDamaged

LANE_WINDOW = 4_096
"""How many positions one query for a lane spans at first."""
Found = list[Placed]
"""The events of one commit."""

PAGE = 500
"""How many positions a page of a scan spans. An event is 256 KB at most, so this bounds the memory it may take."""
AT_ONCE = 2
NEAR = 16
"""How many positions behind a wanted one are looked at first: mostly its commit ends there."""
NEWER = 8
"""How many versions behind a known one are looked for at first: mostly there are few."""


class Reading:
    """Events by position, by lane and by stream."""

    def __init__(self, commits: Collection[Document]) -> None:
        self._commits = commits
        self._is_at_end = True
        """Whether the last page came to the log's end."""

    def after(self, position: int, limit: int) -> Sequence[Placed]:
        """At most `limit` events with positions from `position` + 1 on, without a hole; fewer only at the end."""
        # At the end one wide look finds all there is, for no commit is longer than what it looks beyond.
        wide = limit + MAX_EVENTS
        found = self._page(position + 1, wide) if self._is_at_end else self._filled(position + 1, limit)
        self._is_at_end = len(found) < limit
        return found[:limit]

    def pages(self, after: int, upto: int) -> Iterator[Sequence[Placed]]:
        """All events with positions in (after, upto], in order; the log has to reach `upto`. Raises LogDamaged.

        What is written meanwhile may show a hole for a moment, so nothing is one before it was looked at twice.
        """
        while after < upto:
            begun = after
            for page in self._pages(after, upto):
                yield page
                after = page[-1][0]
            if after == begun:
                raise LogDamaged(after + 1, upto)

    def check_is_end(self, position: int, head: int) -> None:
        """For whoever found nothing behind a position. Raises LogDamaged."""
        if position < head and not self._page(position + 1, MAX_EVENTS):
            raise LogDamaged(position + 1, head)

    def _pages(self, after: int, upto: int) -> Iterator[Sequence[Placed]]:
        """Up to a hole.

        Two pages are on their way at once: to find them takes the server longer than to read them takes us.
        """
        widths = [(start, min(PAGE, upto - start + 1)) for start in range(after + 1, upto + 1, PAGE)]
        with ThreadPoolExecutor(AT_ONCE, "pages") as pool:
            coming = deque(pool.submit(self._window, *place) for place in widths[:AT_ONCE])
            for number in range(len(widths)):
                commits = coming.popleft().result()
                coming.extend(pool.submit(self._window, *place) for place in widths[number + AT_ONCE :][:1])
                page = [placed for commit in _contiguous(commits, after + 1) for placed in commit if placed[0] > after]
                if page:
                    yield page
                    after = page[-1][0]
                elif commits:
                    return
        yield from self._rest(after, upto)

    def _rest(self, after: int, upto: int) -> Iterator[Sequence[Placed]]:
        """The beginning of a commit that ends behind `upto`."""
        rest = [one for one in self.after(after, upto - after) if one[0] <= upto] if after < upto else ()
        if rest:
            yield rest

    def _filled(self, start: int, limit: int) -> Found:
        """Little more than so many events from `start` on, for elsewhere a wide look would read most of them twice."""
        found = self._page(start, min(limit, MAX_EVENTS))
        while 0 < len(found) < limit and (more := self._starting_at(start + len(found))):
            found += more
            found += self._page(start + len(found), limit - len(found)) if len(found) < limit else ()
        return found

    def _page(self, start: int, width: int) -> Found:
        """The events from `start` on of the commits that end within so many positions, if not of the one around it."""
        commits = self._window(start, width) or (width < MAX_EVENTS and self._window(start, MAX_EVENTS)) or ()
        return [placed for commit in _contiguous(commits, start) for placed in commit if placed[0] >= start]

    def _window(self, start: int, width: int) -> list[Found]:
        """Commits that end within the window. One that covers all of it ends less than MAX_EVENTS behind its start."""
        return self._find({"z": {"$gte": start, "$lte": start + width - 1}})

    def _starting_at(self, position: int) -> Found:
        return [placed for commit in self._find({"_id": position}) for placed in commit]

    def at(self, position: int) -> Line | None:
        """The event at this position."""
        return dict(self._page(position, NEAR)).get(position)

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
                found += (placed for placed in commit if placed[1].lane == lane and after < placed[0] <= upto)
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
        found = {line.version: line for commit in commits for _, line in commit if line.stream == stream}
        return [found[version] for version in takewhile(found.__contains__, wanted)]

    def history(self, stream: UUID) -> Sequence[Placed]:
        """All events of one stream with their positions, by version."""
        placed = [one for commit in self._find({"st": stream}) for one in commit if one[1].stream == stream]
        return sorted(placed, key=lambda one: one[1].version)

    def _find(self, query: Document) -> list[Found]:
        """All matches by position, in one answer of the server as far as they fit."""
        batches: Any = self._commits.find_raw_batches(query, batch_size=MAX_EVENTS)  # bytes, whatever its type says
        options = self._commits.codec_options
        found = [commit for batch in batches for commit in quick.commits(batch, options) if commit]
        return sorted(found, key=lambda commit: commit[0][0])


def _contiguous(commits: Sequence[Found], start: int) -> Iterator[Found]:
    """Those before the first hole, which a scan beside a write may show: what is behind it is read next time."""
    for commit in commits:
        if commit[0][0] > start:
            return
        yield commit
        start = commit[-1][0] + 1
