"""The lanes of the log as they grow: pushed by Kafka, made complete by the log."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from threading import Lock
from time import monotonic, sleep

from adapters.kafka import headers
from adapters.kafka.framing import unframed
from adapters.kafka.headers import Place, UnreadableHeaders
from adapters.kafka.lane import Lane
from adapters.kafka.membership import Membership, Record
from adapters.mongo.commits import envelope
from adapters.mongo.log.log import MongoEventLog
from application.ports.log import LogDamaged, LogUnavailable, Recorded, UnreadableEvent
from projections.scanning import Page

log = logging.getLogger(__name__)

PAGE = 500
NEAR = 4_000
"""Lanes that are so many positions apart at most are read together."""
PAGES = 8
"""How many pages of the log are read together for them."""
LOOK_SECONDS = 1.0
LOOK_WHEN_SILENT_SECONDS = 0.1
"""While nothing comes by Kafka."""


class LaneHeads:
    """Where the log's lanes end, asked once a second for all subscriptions of this process together."""

    def __init__(self, event_log: MongoEventLog) -> None:
        self._log = event_log
        self._lock = Lock()
        self._asked = float("-inf")
        self._heads: Mapping[int, int] = {}

    def recent(self, seconds: float = LOOK_SECONDS) -> Mapping[int, int]:
        """Not older than that. Raises LogUnavailable."""
        with self._lock:
            if monotonic() - self._asked > seconds / 2:
                self._heads = self._log.lane_heads()
                self._asked = monotonic()
            return self._heads


class KafkaFeed:
    """Implements the port Feed. `servers` tells the brokers' addresses; asked again and again, it may change."""

    def __init__(self, event_log: MongoEventLog, servers: Callable[[], str]) -> None:
        self._log = event_log
        self._servers = servers
        self._heads = LaneHeads(event_log)

    def subscribe(
        self, group: str, cursor: Callable[[int], int], orphans: frozenset[int] = frozenset()
    ) -> "LaneSubscription":
        """Every event of the lanes that the group gives to this member, each lane without a gap and in order."""
        return LaneSubscription(self._log, self._heads, Membership(self._servers, group, orphans), cursor)


class LaneSubscription:
    """Implements the port Subscription. Used by one thread.

    What Kafka brings is delivered when it comes next in its lane. What it does not bring, because a record is missing,
    expired or wiped, or Kafka is down, is read from the log: at once where a record tells of it, else by a look at the
    lanes' ends: once a second, and ten times while nothing comes by Kafka.
    """

    def __init__(
        self, event_log: MongoEventLog, heads: LaneHeads, membership: Membership, cursor: Callable[[int], int]
    ) -> None:
        self._log = event_log
        self._heads = heads
        self._membership = membership
        self._cursor = cursor
        self._lanes: dict[int, Lane] = {}
        self._looked = float("-inf")

    def poll(self, timeout: float) -> Sequence[Recorded]:
        """Events, or nothing after `timeout` seconds; also nothing while neither Kafka nor the log can be reached."""
        deadline = monotonic() + timeout
        while True:
            try:
                events = self._next(max(0.0, deadline - monotonic()))
            except LogUnavailable as error:
                log.warning("the log cannot be read: %s", error)
                sleep(min(LOOK_SECONDS, max(0.0, deadline - monotonic())))
                events = []
            if events or monotonic() >= deadline:
                self._log.remember(events)
                return events

    @property
    def lanes(self) -> frozenset[int]:
        return frozenset(self._lanes)

    def close(self) -> None:
        """Leave the group; others get the lanes at once."""
        self._membership.close()

    def _next(self, timeout: float) -> Sequence[Recorded]:
        self._claim()
        self._look()
        missed = self._read_missed()
        return missed + self._take(0.0 if missed else min(timeout, self._until_look()))

    # Which lanes ----------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        """Ask the cursor of each lane that is new here; forget those that others have now."""
        for lane in self._membership.take_revoked():
            self._lanes.pop(lane, None)
        for lane in self._membership.lanes - self._lanes.keys():
            self._lanes[lane] = Lane(lane, self._cursor(lane))
            self._lanes[lane].hint(self._heads.recent().get(lane, 0), is_silent=True)

    # From the log ---------------------------------------------------------------------------------------------

    def _until_look(self) -> float:
        return max(0.0, self._looked + self._pause() - monotonic())

    def _pause(self) -> float:
        return LOOK_WHEN_SILENT_SECONDS if self._lanes and self._membership.is_silent else LOOK_SECONDS

    def _look(self) -> None:
        """Now and then, ask whether the broker is still the right one, and whether the log holds more."""
        if self._until_look() > 0:
            return
        self._looked = monotonic()
        self._membership.check()
        heads = self._heads.recent(self._pause())
        for lane in self._lanes.values():
            lane.hint(heads.get(lane.number, 0), self._membership.is_silent)

    def _read_missed(self) -> list[Recorded]:
        """Lanes that are behind at about the same place are read together: each commit may hold events of all."""
        behind = [lane for lane in self._lanes.values() if lane.is_behind]
        least = min((lane.delivered for lane in behind), default=0)
        near = [lane for lane in behind if lane.delivered < least + NEAR]
        if len(near) > 1:
            return self._read_together({lane.number: lane for lane in near}, least)
        return [event for lane in behind for event in self._read_lane(lane)]

    def _read_together(self, lanes: Mapping[int, Lane], after: int) -> list[Recorded]:
        upto = max(lane.wanted for lane in lanes.values())
        pages: list[Page] = []
        with suppress(LogDamaged):  # what stands before the hole is good
            for page in islice(self._log.scan(frozenset(lanes), after, upto), PAGES):
                pages.append(page)  # noqa: PERF402 - a comprehension would lose those before the hole
        events = [event for page in pages for event in page.events if event.position > lanes[event.lane].delivered]
        for lane in lanes.values():
            if pages:
                lane.delivered = max(lane.delivered, pages[-1].upto)
            else:
                self._tell_stuck(lane)
        return events

    def _read_lane(self, lane: Lane) -> Sequence[Recorded]:
        events = self._log.read_lane(lane.number, lane.delivered, lane.wanted, PAGE)
        if events:
            lane.delivered = events[-1].position
        else:
            self._tell_stuck(lane)
        return events

    def _tell_stuck(self, lane: Lane) -> None:
        log.error("lane %s cannot be read on after position %s", lane.number, lane.delivered)
        lane.pause()

    # From Kafka -----------------------------------------------------------------------------------------------

    def _take(self, timeout: float) -> list[Recorded]:
        records = self._membership.records(timeout)
        return [event for record in records if (event := self._event(record)) is not None]

    def _event(self, record: Record) -> Recorded | None:
        """The record's event if it is the next one of its lane."""
        lane = self._lanes.get(record.partition)
        place = self._place(record)
        if lane is None or place is None or not lane.expects(place):
            return None
        try:
            event = envelope.decode(place.position, unframed(record.value))
        except UnreadableEvent:
            lane.take_from_log(place)
            return None
        lane.delivered = place.position
        return event

    def _place(self, record: Record) -> Place | None:
        """None for what another store's relay, or anybody else, has written."""
        try:
            place = headers.place(record.headers)
        except UnreadableHeaders as error:
            log.warning("lane %s: %s", record.partition, error)
            return None
        return place if place.store == self._log.store.id else None
