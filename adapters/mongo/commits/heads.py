"""Where the log ends, and where each of its lanes does."""

from collections.abc import Mapping
from itertools import count

from pymongo.collection import Collection

from adapters.mongo.commits.commits import MAX_EVENTS, Document

NEAR = 16
"""A first, cheap look: where there are commits at all, there is mostly one that ends this near."""
RECENT = 256
"""How many positions are read for all lanes at once, before one lane is looked for on its own."""


class Head:
    """The last position. It only grows, so what was found once is where the next search starts."""

    def __init__(self, commits: Collection[Document], known: int = 0) -> None:
        self._commits = commits
        self._known = known

    def find(self) -> int:
        """One look where the log grew little; else gallop, then bisect: a few looks however long the log is."""
        near = max(self._known, self._last_end(self._known + 1, 2 * MAX_EVENTS))
        if near >= self._known + MAX_EVENTS:
            return self._find_far(near)
        # A commit behind this one would end within the look as well.
        self._known = near
        return near

    def _find_far(self, reached: int) -> int:
        reached, beyond = self._gallop(reached)
        while beyond - reached > 1:
            middle = (reached + beyond) // 2
            end = self._end_from(middle)
            reached, beyond = (max(end, middle), beyond) if end else (reached, middle)
        self._known = max(self._known, reached)
        return self._known

    def _gallop(self, reached: int) -> tuple[int, int]:
        """A position that is reached and one that is not."""
        for power in count():
            end = self._end_from(reached + 2**power)
            if not end:
                return reached, reached + 2**power
            reached = end
        raise AssertionError

    def _end_from(self, position: int) -> int:
        """The end of some commit at or behind this position; 0 when the log does not reach it."""
        return self._last_end(position, NEAR) or self._last_end(position, MAX_EVENTS)

    def _last_end(self, start: int, width: int) -> int:
        ending = {"$gte": start, "$lte": start + width - 1}
        return max((commit["z"] for commit in self._commits.find({"z": ending}, {"z": 1})), default=0)


class LaneHeads:
    """The last position of every lane, kept from one question to the next."""

    def __init__(self, commits: Collection[Document], head: Head, lanes: int) -> None:
        self._commits = commits
        self._head = head
        self._lanes = frozenset(range(lanes))
        self._known: tuple[int, Mapping[int, int]] = 0, {}

    def find(self) -> Mapping[int, int]:
        """Lanes without events are missing."""
        head = self._head.find()
        seen, known = self._known
        if head == seen:
            return known
        found = self._grown(known, seen, head)
        self._known = head, found
        return found

    def at(self, position: int) -> Mapping[int, int]:
        """Where the lanes ended when the log ended at this position."""
        return self._grown({}, 0, position)

    def _grown(self, known: Mapping[int, int], seen: int, end: int) -> Mapping[int, int]:
        """The last positions up to `end`, of which those up to `seen` are known."""
        recent = max(seen, end - RECENT)
        ending = {"$gte": recent + 1, "$lte": end + MAX_EVENTS - 1}
        found = {**known, **self._last_by_lane({"z": ending}, end)}
        for lane in self._lanes - {lane for lane, last in found.items() if last > seen}:
            found |= self._search(lane, seen, recent)
        return found

    def _search(self, lane: int, low: int, high: int) -> Mapping[int, int]:
        """The last position of one lane in (low, high], looking back in growing steps."""
        width = RECENT
        while high > low:
            start = max(low, high - width)
            last = self._last_by_lane({"l": lane, "z": {"$gte": start + 1, "$lte": high}}, high).get(lane)
            if last is not None:
                return {lane: last}
            high, width = start, width * 2
        return {}

    def _last_by_lane(self, query: Document, end: int) -> dict[int, int]:
        """Commits may overlap the range's start, where what they hold is true as well, and its end, where it is not."""
        last: dict[int, int] = {}
        for commit in self._commits.find(query, {"e.lane": 1}):
            for position, event in enumerate(commit["e"], commit["_id"]):
                if position <= end:
                    last[event["lane"]] = max(position, last.get(event["lane"], 0))
        return last
