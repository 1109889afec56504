"""What the port EventLog promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.ports.log import Context, EventLog, StreamNotFound, VersionConflict
from domain.execution import Execution
from domain.name import Name
from domain.sealed import Sealed
from domain.user import Role, User

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OPERATOR = Context("operator", NOON, uuid4(), causation=uuid4(), trace="00-0af7651916cd43dd8448eb211c80319c-01")


def new_user(id: UUID | None = None) -> User:
    username = Sealed(key=uuid4(), size=3, box=b"\x00\xffbox")
    return User(id=id or uuid4(), username=username, role=Role.USER, timestamp=NOON)


class EventLogContract:
    log: EventLog
    another_log: Callable[[], EventLog]
    """Of another process, over the same store."""

    # Streams --------------------------------------------------------------------------------------------------

    def test_loads_what_was_saved(self):
        user = new_user()
        user.change_role(Role.ADMIN, NOON)
        self.log.save(OPERATOR, user)
        assert self.log.load(User, user.id) == user

    def test_knows_nothing_of_an_unknown_stream(self):
        with pytest.raises(StreamNotFound):
            self.log.load(User, uuid4())
        assert self.log.history(uuid4()) == []

    def test_does_not_take_one_kind_for_another(self):
        user = new_user()
        self.log.save(OPERATOR, user)
        with pytest.raises(StreamNotFound):
            self.log.load(Execution, user.id)

    def test_history_tells_all_that_is_known_of_each_event(self):
        user = new_user()
        user.change_role(Role.ADMIN, NOON + timedelta(seconds=1))
        self.log.save(OPERATOR, user)
        registered, changed = self.log.history(user.id)
        assert (registered.type, registered.version, registered.position) == ("User.Registered", 1, 1)
        assert (changed.type, changed.version, changed.position) == ("User.RoleChanged", 2, 2)
        assert changed.data == User.RoleChanged(  # type: ignore[call-arg]
            originator_id=user.id, originator_version=2, timestamp=NOON + timedelta(seconds=1), role=Role.ADMIN
        )
        assert changed.at == NOON + timedelta(seconds=1)
        assert (changed.actor, changed.trace) == (OPERATOR.actor, OPERATOR.trace)
        assert (changed.correlation, changed.causation) == (OPERATOR.correlation, OPERATOR.causation)
        assert registered.id != changed.id
        assert registered.lane == changed.lane

    # Commits --------------------------------------------------------------------------------------------------

    def test_the_second_of_two_changes_to_one_version_conflicts_and_stores_nothing(self):
        user = new_user()
        self.log.save(OPERATOR, user)
        first, second = self.log.load(User, user.id), self.log.load(User, user.id)
        first.change_role(Role.ADMIN, NOON)
        second.log_in(NOON)
        self.log.save(OPERATOR, first)
        with pytest.raises(VersionConflict):
            self.log.save(OPERATOR, second)
        assert self.log.load(User, user.id) == first
        assert self.log.head() == 2

    def test_a_new_stream_conflicts_with_an_existing_one(self):
        user = new_user()
        self.log.save(OPERATOR, user)
        with pytest.raises(VersionConflict):
            self.log.save(OPERATOR, new_user(user.id))

    def test_several_aggregates_are_stored_all_or_not_at_all(self):
        name = Name(id=uuid4(), holder=uuid4(), timestamp=NOON)
        self.log.save(OPERATOR, name)
        user, taken = new_user(), Name(id=name.id, holder=uuid4(), timestamp=NOON)
        with pytest.raises(VersionConflict):
            self.log.save(OPERATOR, user, taken)
        assert self.log.history(user.id) == []
        assert self.log.save(OPERATOR, user, Name(id=uuid4(), holder=user.id, timestamp=NOON)) == 3

    def test_what_was_saved_is_pending_no_longer_and_what_was_not_still_is(self):
        user = new_user()
        stale = new_user(user.id)
        self.log.save(OPERATOR, user)
        assert user.pending_events == []
        with pytest.raises(VersionConflict):
            self.log.save(OPERATOR, stale)
        assert len(stale.pending_events) == 1

    def test_saving_nothing_changes_nothing(self):
        self.log.save(OPERATOR, new_user())
        assert self.log.save(OPERATOR) == 1
        assert self.log.head() == 1

    def test_of_many_at_once_exactly_one_changes_a_version(self):
        user = new_user()
        self.log.save(OPERATOR, user)
        logs = [self.log, self.another_log()]
        stale = [self.log.load(User, user.id) for _ in range(20)]

        def change(number: int) -> bool:
            try:
                logs[number % 2].save(OPERATOR, stale[number])
            except VersionConflict:
                return False
            return True

        for one in stale:
            one.log_in(NOON)
        with ThreadPoolExecutor(20) as threads:
            assert sum(threads.map(change, range(20))) == 1
        assert [event.version for event in self.log.history(user.id)] == [1, 2]

    def test_in_a_crowd_those_in_conflict_fail_and_nobody_else(self):
        """However a log stores together what many want stored at once: every fifth one wants what is taken."""
        taken = new_user()
        self.log.save(OPERATOR, taken)

        def save(number: int) -> bool:
            try:
                self.log.save(OPERATOR, new_user(None if number % 5 else taken.id))
            except VersionConflict:
                return False
            return True

        with ThreadPoolExecutor(20) as threads:
            assert list(threads.map(save, range(100))) == [number % 5 != 0 for number in range(100)]
        assert [event.position for event in self.log.read(0, 1_000)] == list(range(1, 82))

    # Positions ------------------------------------------------------------------------------------------------

    def test_positions_have_no_hole_however_many_write(self):
        logs = [self.log, self.another_log()]

        def write(number: int) -> int:
            user = new_user()
            for _ in range(number % 4):
                user.log_in(NOON)
            return logs[number % 2].save(OPERATOR, user)

        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(write, range(120)))
        events = self.log.read(0, 1_000)
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        assert len(set(answers)) == 120
        assert all(events[answer - 1].version == 1 + number % 4 for number, answer in enumerate(answers))

    def test_a_reader_beside_writers_sees_every_position_once_and_in_order(self):
        reader, seen = self.another_log(), []
        with ThreadPoolExecutor(9) as threads:
            writing = [threads.submit(self._write_ten) for _ in range(8)]
            while not all(one.done() for one in writing) or len(seen) < 160:
                seen += [event.position for event in reader.read(len(seen), 7)]
        assert seen == list(range(1, 161))

    def _write_ten(self) -> None:
        for _ in range(10):
            user = new_user()
            user.log_in(NOON)
            self.log.save(OPERATOR, user)

    def test_reads_from_any_position_and_as_much_as_asked(self):
        self._write_ten()
        for after in range(22):
            for limit in (1, 2, 3, 100):
                expected = list(range(after + 1, min(after + limit, 20) + 1))
                assert [event.position for event in self.log.read(after, limit)] == expected

    def test_reads_into_a_large_commit(self):
        user = new_user()
        for _ in range(400):
            user.log_in(NOON)
        self.log.save(OPERATOR, new_user())
        self.log.save(OPERATOR, user)
        assert [event.position for event in self.log.read(200, 5)] == [201, 202, 203, 204, 205]
        assert [event.position for event in self.log.read(400, 5)] == [401, 402]
        lane = self.log.read(200, 1)[0].lane
        assert [event.position for event in self.log.read_lane(lane, 200, 204, 10)] == [201, 202, 203, 204]
        assert self.another_log().head() == 402

    def test_an_empty_log_ends_at_zero(self):
        assert (self.log.head(), self.log.read(0, 10), self.log.lane_heads()) == (0, [], {})

    # Lanes ----------------------------------------------------------------------------------------------------

    def test_a_lane_is_the_log_without_the_other_lanes(self):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: self._write_ten(), range(4)))
        everything = self.log.read(0, 1_000)
        for lane in range(self.log.lanes):
            mine = [event for event in everything if event.lane == lane]
            assert self.log.read_lane(lane, 0, 80, 1_000) == mine
            assert self.log.read_lane(lane, 0, 10_000_000, 1_000) == mine
            assert self.log.read_lane(lane, 20, 60, 1_000) == [event for event in mine if 20 < event.position <= 60]
            assert self.log.read_lane(lane, 20, 60, 2) == [event for event in mine if 20 < event.position <= 60][:2]

    def test_lane_heads_are_the_last_positions_of_lanes_with_events(self):
        watching = self.another_log()
        for _ in range(5):
            self._write_ten()
            last = {event.lane: event.position for event in self.log.read(0, 1_000)}
            assert self.another_log().lane_heads() == last
            assert watching.lane_heads() == last

    def test_streams_with_one_lane_key_share_a_lane_everywhere(self):
        user = new_user()
        self.log.save(OPERATOR, user)
        again = self.another_log().load(User, user.id)
        again.log_in(NOON)
        self.another_log().save(OPERATOR, again)
        assert len({event.lane for event in self.log.history(user.id)}) == 1
