"""The log as it stands, for people, exports and checks."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import msgspec

from adapters.mongo.commits import envelope
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.commits.commits import Line, lines
from adapters.mongo.commits.walk import Walk
from adapters.mongo.connection import durable, reachable
from adapters.mongo.log.integrity import Integrity
from adapters.mongo.log.journal import Journal
from adapters.mongo.secrets.keys import DataKeys
from application.ledger import Entry, Finding, Flaw, Selection, Statistics, Tally
from application.moments import in_calendar
from application.ports.log import UnreadableEvent
from application.ports.seals import ContentUnreadable
from application.progress import Tell, tell_nobody
from domain.sealed import Sealed

CLOCKS_APART = timedelta(minutes=1)
"""By so much the time of an event may differ from that of its commit, which another machine may have given."""

UNIQUE = "k"
BY_KIND: list[dict[str, Any]] = [
    {"$unwind": "$e"},
    {
        "$group": {
            "_id": {"type": "$e.t", "lane": "$e.lane", "day": {"$dateToString": {"format": "%Y-%m-%d", "date": "$at"}}},
            "events": {"$sum": 1},
            "streams": {"$sum": {"$cond": [{"$eq": ["$e.v", 1]}, 1, 0]}},
            "bytes": {"$sum": {"$binarySize": "$e.d"}},
        }
    },
]


class MongoLedger:
    """Implements the port Ledger."""

    def __init__(self, journal: Journal, data_keys: DataKeys, chunks: Chunks) -> None:
        self._journal = journal
        self._commits = durable(journal.database, "commits")
        self._walk = Walk(self._commits)
        self._data_keys = data_keys
        self._chunks = chunks

    def head(self) -> int:
        with reachable():
            return self._journal.head.find()

    # Entries --------------------------------------------------------------------------------------------------

    def position_at(self, time: datetime) -> int:
        with reachable():
            return self._walk.positions_before(_next_millisecond(time), self._journal.head.find())

    def find(self, position: int) -> Entry | None:
        with reachable():
            commit = self._walk.at(position)
        line = dict(lines(commit)).get(position) if commit else None
        return _entry(position, line) if line else None

    def entries(self, wanted: Selection, after: int = 0, tell: Tell = tell_nobody) -> Iterator[Entry]:
        with reachable():
            for position, line in self._candidates(wanted, after, tell):
                if wanted.holds(entry := _entry(position, line)):
                    yield entry

    def _candidates(self, wanted: Selection, after: int, tell: Tell) -> Iterator[tuple[int, Line]]:
        """Those that may be wanted, as far as that can be told without decoding them."""
        if wanted.stream is not None:
            yield from (placed for placed in self._journal.reading.history(wanted.stream) if placed[0] > after)
            return
        head = self._journal.head.find()
        first, last = self._bounds(wanted, after, head)
        matching = {"e.t": wanted.type} if wanted.type else None
        needles = [str(id).encode() for id in (wanted.id, wanted.correlation) if id]
        needles += [msgspec.json.encode(wanted.actor)] if wanted.actor else []
        for position, line in self._placed(first, last, matching, tell):
            if wanted.type in {None, line.type} and all(needle in line.data for needle in needles):
                yield position, line

    def _bounds(self, wanted: Selection, after: int, head: int) -> tuple[int, int]:
        if wanted.since:
            after = max(after, self._walk.positions_before(in_calendar(wanted.since) - CLOCKS_APART, head))
        if wanted.upto is not None:
            head = min(head, wanted.upto)
        if wanted.until:
            head = min(head, self._walk.positions_before(in_calendar(wanted.until) + CLOCKS_APART, head))
        return after, head

    def _placed(
        self, after: int, upto: int, matching: Mapping[str, Any] | None, tell: Tell
    ) -> Iterator[tuple[int, Line]]:
        for page in self._walk.pages(after, upto, matching):
            for commit in page:
                yield from (placed for placed in lines(commit) if placed[0] > after)
                tell(commit["z"] - after, upto - after)

    def lines(self, after: int, tell: Tell = tell_nobody) -> Iterator[tuple[int, bytes]]:
        with reachable():
            for position, line in self._placed(after, self._journal.head.find(), None, tell):
                _unwrapped(position, line)
                if b"\n" in line.data:
                    raise UnreadableEvent(f"The event at position {position} was not written by this program.")
                yield position, line.data

    # The whole log --------------------------------------------------------------------------------------------

    def statistics(self, tell: Tell = tell_nobody) -> Statistics:
        """The server adds up, page by page."""
        found = Statistics(Tally(), {}, {}, {})
        with reachable():
            head = self._journal.head.find()
            for last, sums in self._walk.sums(head, BY_KIND):
                for one in sums:
                    _add(found, one["_id"], Tally(one["events"], one["streams"], one["bytes"]))
                tell(last, head)
        return found

    def verify(self, tell: Tell = tell_nobody) -> Iterator[Finding]:
        with reachable():
            yield from self._check_index()
            number = self._commits.count_documents({})
            head = self._journal.head.find()
            integrity = Integrity(self._journal.lane_of, self._journal.store.lanes)
            for page in self._walk.pages(0, head):
                yield from chain.from_iterable(map(integrity.check, page))
                yield from self._check_content(integrity.take_sealed())
                tell(page[-1]["z"] if page else head, head)
            yield from integrity.end(head)
            if integrity.number < number:
                detail = f"{number - integrity.number} commits stand outside of the positions 1 to {head}"
                yield Finding(0, Flaw.POSITION, detail)

    def _check_index(self) -> Iterator[Finding]:
        """Without it nothing keeps two events of the same stream and version apart."""
        indexes = self._commits.index_information()
        is_there = any(index["key"] == [(UNIQUE, 1)] and index.get("unique") for index in indexes.values())
        if indexes and not is_there:
            yield Finding(0, Flaw.INDEX, f"the unique index over {UNIQUE} is missing; `runledger up` makes it")

    def _check_content(self, sealed: Sequence[tuple[int, Sealed[Any]]]) -> Iterator[Finding]:
        """Whether all is there that sealed content needs, by the position of its event."""
        lost = self._data_keys.missing({one.key for _, one in sealed})
        for position, one in sealed:
            if one.key in lost:
                yield Finding(position, Flaw.DATA_KEY, f"the data key {one.key} is missing")
            for name in one.chunks:
                if problem := self._problem(name):
                    yield Finding(position, Flaw.CHUNK, problem)

    def _problem(self, chunk: str) -> str | None:
        try:
            self._chunks.get([chunk])
        except ContentUnreadable as error:
            return str(error)
        return None


def _next_millisecond(time: datetime) -> datetime:
    """Commit times are kept in milliseconds."""
    time = in_calendar(time)
    return time.replace(microsecond=time.microsecond // 1000 * 1000) + timedelta(milliseconds=1)


def _entry(position: int, line: Line) -> Entry:
    """Raises UnreadableEvent."""
    found = _unwrapped(position, line)
    fields = {name: getattr(found, name) for name in Entry.__struct_fields__ if name not in {"position", "data"}}
    return Entry(position=position, **fields, data=msgspec.json.decode(found.data))


def _unwrapped(position: int, line: Line) -> envelope.Envelope:
    try:
        return envelope.unwrap(line.data)
    except UnreadableEvent as error:
        raise UnreadableEvent(f"The event at position {position} cannot be read: {error}.") from error


def _add(found: Statistics, kind: Mapping[str, Any], tally: Tally) -> None:
    found.total.add(tally)
    for by, name in ((found.by_type, "type"), (found.by_day, "day"), (found.by_lane, "lane")):
        by.setdefault(kind[name], Tally()).add(tally)
