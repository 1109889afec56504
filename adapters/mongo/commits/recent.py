"""The end of the log as this process has written it, in memory: whoever copies it need not read it back."""

from collections import deque
from collections.abc import Sequence
from threading import Lock

from adapters.mongo.commits.commits import MAX_EVENTS, Document, Placed, lines

MAX_COMMITS = 256
MAX_BYTES = 4 * 1024 * 1024


class Recent:
    """The last commits that this process has stored, without a hole, confirmed by a majority."""

    def __init__(self) -> None:
        self._commits: deque[tuple[Document, int]] = deque()
        self._bytes = 0
        self._lock = Lock()

    def add(self, commit: Document) -> None:
        """Where another process has stored something in between, what was before is forgotten."""
        size = sum(len(event["d"]) for event in commit["e"])
        with self._lock:
            if self._commits and self._commits[-1][0]["z"] + 1 != commit["_id"]:
                self._commits.clear()
                self._bytes = 0
            self._commits.append((commit, size))
            self._bytes += size
            while self._commits and (len(self._commits) > MAX_COMMITS or self._bytes > MAX_BYTES):
                self._bytes -= self._commits.popleft()[1]
            if not self._commits:  # an interrupted caller may have left the sum too large
                self._bytes = 0

    def after(self, position: int) -> Sequence[Placed]:
        """At most MAX_EVENTS events from `position` + 1 on; empty when they are not here, whether they exist or not."""
        placed = self.since(position)
        return placed if placed and placed[0][0] == position + 1 else ()

    def since(self, position: int) -> Sequence[Placed]:
        """At most MAX_EVENTS events that are here and lie behind `position`."""
        with self._lock:
            commits = [commit for commit, _ in self._commits if commit["z"] > position]
        placed = [one for commit in commits for one in lines(commit) if one[0] > position]
        return placed[:MAX_EVENTS]
