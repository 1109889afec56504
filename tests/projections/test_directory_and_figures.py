"""Given events of people and runs, then the directory and the figures of the log."""

from uuid import UUID

import msgspec

from domain.sealed import Sealed
from domain.user import Role, User
from projections import event_stats, execution_history, user_directory
from projections.event_stats import EventCount
from projections.projection import typed
from tests.projections.test_folds import AT, documents_of, events_of_a_run, recorded


def events_of_a_person() -> list:
    name = Sealed(key=UUID(int=2), size=3, box=b"ada")
    user = User(id=UUID(int=5), username=name, role=Role.USER, timestamp=AT)
    user.fail_login(AT)
    user.log_in(AT)
    user.change_role(Role.ADMIN, AT)
    events = [recorded(event, position) for position, event in enumerate(user.collect_events(), 1)]
    return [msgspec.structs.replace(event, type=f"User.{type(event.data).__name__}") for event in events]


def in_lanes(*lanes: int) -> list:
    """A run in each."""
    return [
        msgspec.structs.replace(event, lane=lane)
        for number, lane in enumerate(lanes)
        for event in events_of_a_run(7 + number, 1 + 10 * number)
    ]


def test_a_person_has_the_newest_role_the_last_login_and_a_sealed_name():
    (person,) = documents_of(user_directory.PROJECTION, events_of_a_person()).values()
    shown = typed({**person, "id": UUID(int=5)}, user_directory.Person)
    assert (shown.role, shown.registered_position, shown.position) == (Role.ADMIN, 1, 4)
    assert shown.last_failure_at < shown.last_login_at
    assert shown.username == Sealed(key=UUID(int=2), size=3, box=b"ada")


def test_runs_do_not_stand_in_the_directory():
    assert documents_of(user_directory.PROJECTION, events_of_a_run()) == {}


def test_the_figures_of_the_log_count_events_and_the_streams_that_begin():
    documents = documents_of(event_stats.PROJECTION, in_lanes(0, 3)).items()
    stats = event_stats.added_up(typed({**one, "id": id}, EventCount) for id, one in documents)
    assert (stats.total.events, stats.total.streams) == (10, 2)
    assert (stats.by_type["Execution.Started"].events, stats.by_type["Execution.Started"].streams) == (2, 0)
    assert stats.by_type["Execution.Requested"].streams == 2
    assert {lane: count.events for lane, count in stats.by_lane.items()} == {"0": 5, "3": 5}
    assert list(stats.by_day) == ["2026-01-01"]


def test_the_queue_asks_for_runs_that_wait_the_first_to_come_first():
    queue = execution_history.queue(after=5, limit=2)
    assert queue.filter == {"status": "queued", "requested_position": {"$gt": 5}}
    assert queue.sort == (("requested_position", 1),)
