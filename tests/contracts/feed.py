"""What the ports Feed and Subscription promise."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID

from application.ports.log import EventLog, Feed, Recorded, Subscription
from tests.contracts.event_log import NOON, OPERATOR, new_user

PATIENCE_SECONDS = 20.0
SOON_SECONDS = 4.0
"""A group misses nobody before."""
ORPHANS = frozenset({0, 2, 3, 5})


def save_users(log: EventLog, number: int) -> list[UUID]:
    """So many new streams of two events each."""
    users = [new_user() for _ in range(number)]
    for user in users:
        user.log_in(NOON)
        log.save(OPERATOR, user)
    return [user.id for user in users]


def take(number: int, *subscriptions: Subscription) -> list[Recorded]:
    """Poll until so many events have come."""
    events: list[Recorded] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(events) < number and time.monotonic() < deadline:
        for subscription in subscriptions:
            events += subscription.poll(0.1)
    return events


def take_nothing(subscription: Subscription, seconds: float = 2.5) -> list[Recorded]:
    """All that comes in this time, which should be nothing."""
    events: list[Recorded] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        events += subscription.poll(0.1)
    return events


def joined(subscription: Subscription) -> Subscription:
    """As soon as its group has given it lanes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not subscription.lanes and time.monotonic() < deadline:
        subscription.poll(0.1)
    assert subscription.lanes
    return subscription


def by_lane(events: Sequence[Recorded]) -> dict[int, list[Recorded]]:
    lanes: dict[int, list[Recorded]] = defaultdict(list)
    for event in events:
        lanes[event.lane].append(event)
    return lanes


def from_start(_lane: int) -> int:
    return 0


class FeedContract:
    log: EventLog
    feed: Feed
    another_feed: Callable[[], Feed]
    """Of another process."""

    def subscribe(
        self, group: str, cursor: Callable[[int], int] = from_start, orphans: frozenset[int] = frozenset()
    ) -> Subscription:
        """Closed when the test ends."""
        raise NotImplementedError

    def test_delivers_what_was_there_before_and_what_comes_later(self):
        save_users(self.log, 10)
        subscription = self.subscribe("readers")
        events = take(20, subscription)
        save_users(self.log, 10)
        events += take(20, subscription)
        assert by_lane(events) == by_lane(self.log.read(0, 1_000))

    def test_delivers_nothing_twice(self):
        subscription = self.subscribe("readers")
        save_users(self.log, 10)
        assert len(take(20, subscription)) == 20
        assert take_nothing(subscription) == []

    def test_delivers_after_each_lanes_cursor(self):
        save_users(self.log, 10)
        events = take(10, self.subscribe("readers", cursor=lambda _lane: 10))
        assert sorted(event.position for event in events) == list(range(11, 21))

    def test_a_cursor_at_the_head_skips_what_was_there(self):
        save_users(self.log, 10)
        subscription = self.subscribe("readers", cursor=lambda _lane: 20)
        assert take_nothing(subscription) == []
        save_users(self.log, 1)
        assert [event.position for event in take(2, subscription)] == [21, 22]

    def test_waits_no_longer_than_asked(self):
        subscription = self.subscribe("readers")
        take_nothing(subscription)
        begun = time.monotonic()
        assert subscription.poll(0.3) == []
        assert 0.25 < time.monotonic() - begun < 2.0

    def test_each_group_gets_everything(self):
        one, two = self.subscribe("one"), self.subscribe("two")
        save_users(self.log, 10)
        assert len(take(20, one)) == len(take(20, two)) == 20

    def test_two_of_a_group_share_the_lanes(self):
        cursors: dict[int, int] = defaultdict(int)
        one = self.subscribe("readers", cursor=cursors.__getitem__)
        take_nothing(one, 1.0)
        two = self.subscribe("readers", cursor=cursors.__getitem__)
        deadline = time.monotonic() + PATIENCE_SECONDS
        owned: tuple[set[int], set[int]] = set(), set()
        while not (owned[0] and owned[1] and owned[0].isdisjoint(owned[1])) and time.monotonic() < deadline:
            for lanes in owned:
                lanes.clear()
            save_users(self.log, 10)
            for subscription, lanes in zip((one, two), owned, strict=True):
                for event in take_nothing(subscription, 0.7):
                    lanes.add(event.lane)
                    cursors[event.lane] = max(cursors[event.lane], event.position)
        assert owned[0].isdisjoint(owned[1])
        assert owned[0]
        assert owned[1]
        one.close()
        save_users(self.log, 10)
        self.finish(two, cursors)

    def test_orphans_are_delivered_before_their_owner_is_missed(self):
        """It is in the group still, and says nothing."""
        joined(self.subscribe("readers"))
        adopting = self.subscribe("readers", orphans=ORPHANS)
        begun = time.monotonic()
        events: list[Recorded] = []
        for _ in range(4):
            save_users(self.log, 5)
            expected = [event for event in self.log.read(0, 1_000) if event.lane in ORPHANS]
            events += take(len(expected) - len(events), adopting)
            assert by_lane(events) == by_lane(expected)
        assert time.monotonic() - begun < SOON_SECONDS
        assert take_nothing(adopting, 1.0) == []

    def test_orphans_are_kept_until_the_group_gives_lanes(self):
        cursors: dict[int, int] = defaultdict(int)
        gone = joined(self.subscribe("readers"))
        adopting = self.subscribe("readers", cursors.__getitem__, ORPHANS)
        for _ in range(2):
            save_users(self.log, 10)
            there = self.log.read(0, 1_000)
            expected = [event for event in there if event.lane in ORPHANS and event.position > cursors[event.lane]]
            for event in take(len(expected), adopting):
                assert event.position > cursors[event.lane]
                cursors[event.lane] = event.position
        assert _reached(cursors).keys() == ORPHANS & self.log.lane_heads().keys()
        gone.close()
        self.finish(adopting, cursors)

    def test_orphans_that_the_group_gives_to_others_are_given_up(self):
        one = joined(self.subscribe("readers"))
        everything = one.lanes
        two = self.subscribe("readers", orphans=everything)
        two.poll(0.1)
        assert two.lanes == everything
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _is_shared(everything, one, two) and time.monotonic() < deadline:
            one.poll(0.1)
            two.poll(0.1)
        assert _is_shared(everything, one, two)

    def finish(self, subscription: Subscription, cursors: dict[int, int]) -> None:
        """The one that is left delivers the rest of every lane."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while _reached(cursors) != self.log.lane_heads() and time.monotonic() < deadline:
            for event in subscription.poll(0.1):
                assert event.position > cursors[event.lane]
                cursors[event.lane] = event.position
        assert _reached(cursors) == self.log.lane_heads()


def _reached(cursors: dict[int, int]) -> dict[int, int]:
    """Without the lanes that have no event yet."""
    return {lane: position for lane, position in cursors.items() if position}


def _is_shared(lanes: frozenset[int], one: Subscription, two: Subscription) -> bool:
    """Each has some of them, and no lane is with both."""
    return bool(one.lanes and two.lanes) and one.lanes.isdisjoint(two.lanes) and one.lanes | two.lanes == lanes
