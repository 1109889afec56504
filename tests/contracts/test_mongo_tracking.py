"""What was followed is recorded once and in order, with its events or its view, or not at all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent, Tracking
from pymongo.errors import AutoReconnect

from adapters.mongo.commits.commits import Mark
from adapters.mongo.connection import connect
from adapters.mongo.library import tracking
from adapters.mongo.library.processes import MongoProcessRecorder
from adapters.mongo.library.tracking import MongoTrackingRecorder
from adapters.mongo.log.journal import Journal
from adapters.mongo.transactions import Transactions
from adapters.mongo.writing.settling import OutcomeUnknown, settle
from adapters.mongo.writing.sockets import SocketWay
from tests.contracts.handing_over import leading, wait_for
from tests.contracts.test_mongo_log import Flaky
from tests.servers import running, secantus


def upstream(notification: int, application: str = "upstream") -> Tracking:
    return Tracking(application, notification)


def event(version: int = 1, stream=None) -> StoredEvent:
    return StoredEvent(stream or uuid4(), version, "Something.Happened", b"{}")


@pytest.fixture
def recorder(journal):
    return MongoProcessRecorder(journal)


@pytest.fixture
def other(database):
    """Of another process, over the same log."""
    opened = Journal(database)
    yield MongoProcessRecorder(opened)
    opened.close()


def notifications(recorder: MongoProcessRecorder) -> list[int]:
    return [one.id for one in recorder.select_notifications(None, 1_000)]


# Documents ----------------------------------------------------------------------------------------------------


def test_a_mark_stands_in_the_document_of_its_events(recorder, database):
    first = event()
    recorder.insert_events([first], tracking=upstream(7))
    stored = database.commits.find_one({"_id": 1})
    assert stored["tr"] == [{"a": "upstream", "v": 1, "n": 7}]
    assert stored["k"] == [first.originator_id.bytes + bytes([0] * 7 + [1]), bytes(Mark("upstream", 1, 7).key)]


def test_a_mark_without_events_takes_no_position(recorder, database):
    for number in range(1, 7):
        recorder.insert_events([event()] if number % 2 else [], tracking=upstream(number))
    assert notifications(recorder) == [1, 2, 3]
    assert (recorder.max_notification_id(), recorder.max_tracking_id("upstream")) == (3, 6)
    assert database.commits.count_documents({"z": {"$exists": False}}) == 3


def test_the_end_of_a_long_trail_is_found_in_few_looks(recorder, other, monkeypatch):
    for number in range(1, 300):
        recorder.insert_tracking(upstream(number * 3))
    looks, look = [], other._trail._ahead
    monkeypatch.setattr(other._trail, "_ahead", lambda *given: looks.append(given) or look(*given))
    assert other.max_tracking_id("upstream") == 897
    assert len(looks) < 8
    recorder.insert_tracking(upstream(1_000))
    assert other.max_tracking_id("upstream") == 1_000


# Others that follow the same ----------------------------------------------------------------------------------


def test_of_many_that_track_one_notification_exactly_one_stores_its_events(recorder, other):
    recorders = [recorder, other]

    def follow(number: int) -> bool:
        try:
            recorders[number % 2].insert_events([event(), event()], tracking=upstream(1))
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(follow, range(20))) == 1
    assert notifications(recorder) == [1, 2]
    assert recorder.max_tracking_id("upstream") == other.max_tracking_id("upstream") == 1


@pytest.mark.parametrize("stored", [[], [event()]])
@pytest.mark.parametrize("refused", [[], [event()]])
@pytest.mark.parametrize("notification", [4, 5])
def test_one_that_does_not_know_of_the_others_last_step_is_refused(recorder, other, stored, refused, notification):
    recorder.insert_tracking(upstream(3))
    assert other.max_tracking_id("upstream") == 3
    recorder.insert_events(stored, tracking=upstream(5))
    with pytest.raises(IntegrityError, match=f"up to notification 5 already; {notification} is not after that"):
        other.insert_events(refused, tracking=upstream(notification))
    assert notifications(recorder) == [1][: len(stored)]


@pytest.mark.parametrize("events", [[], [event()]])
def test_one_that_does_not_know_of_the_others_last_step_goes_on_after_it(recorder, other, events):
    recorder.insert_tracking(upstream(3))
    assert other.max_tracking_id("upstream") == 3
    recorder.insert_tracking(upstream(5))
    other.insert_events(events, tracking=upstream(6))
    assert recorder.max_tracking_id("upstream") == 6


def test_those_that_follow_together_record_in_order(recorder, other, database):
    recorders = [recorder, other]

    def follow(number: int) -> bool:
        try:
            recorders[number % 2].insert_events([event()] if number % 3 else [], tracking=upstream(number))
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        stored = [number for number, done in enumerate(threads.map(follow, range(1, 120)), 1) if done]
    marks = [mark for found in database.commits.find() for mark in found["tr"]]
    assert [mark["v"] for mark in sorted(marks, key=lambda mark: mark["n"])] == list(range(1, len(stored) + 1))
    assert sorted(mark["n"] for mark in marks) == stored
    assert len(notifications(recorder)) == sum(number % 3 > 0 for number in stored)


def test_a_conflict_of_the_events_records_nothing(recorder):
    taken = event()
    recorder.insert_events([taken], tracking=upstream(1))
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(), event(1, taken.originator_id)], tracking=upstream(2))
    assert (notifications(recorder), recorder.max_tracking_id("upstream")) == ([1], 1)


def test_applications_are_followed_apart(recorder):
    recorder.insert_events([event()], tracking=upstream(5, "one"))
    recorder.insert_events([event()], tracking=upstream(2, "two"))
    assert (recorder.max_tracking_id("one"), recorder.max_tracking_id("two")) == (5, 2)


def test_marks_are_handed_over_with_their_events(database, monkeypatch):
    leader, other = (Journal(database, ways=[SocketWay()]) for _ in range(2))
    recorder, by_itself = MongoProcessRecorder(leader), []
    monkeypatch.setattr(other.writer, "store", by_itself.append)
    with leading(leader):
        MongoProcessRecorder(other).insert_events([event()], tracking=upstream(1))
        with pytest.raises(IntegrityError):
            recorder.insert_events([event()], tracking=upstream(1))
    assert (by_itself, recorder.max_tracking_id("upstream")) == ([], 1)
    for journal in (leader, other):
        journal.close()


def test_a_mark_of_another_process_does_not_silence_the_bell(recorder, other):
    bell = recorder._journal.bell
    recorder.insert_events([event()])
    other.insert_events([event()])
    wait_for(lambda: bell.end == 2)
    other.insert_tracking(upstream(1))
    other.insert_events([event()])
    wait_for(lambda: bell.end == 3)


# Unknown outcomes ---------------------------------------------------------------------------------------------

BREAKS = [["before"], ["after"], ["before", "after"], ["after", "before", "before"]]


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_broken_connection_stores_events_and_mark_exactly_once(recorder, journal, database, breaks):
    recorder.insert_events([event()], tracking=upstream(1))
    journal.writer._tail._commits = Flaky(database.commits, list(breaks))
    assert recorder.insert_events([event(), event()], tracking=upstream(2)) == [2, 3]
    assert recorder.insert_events([event()], tracking=upstream(3)) == [4]
    assert (notifications(recorder), recorder.max_tracking_id("upstream")) == ([1, 2, 3, 4], 3)


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_broken_connection_stores_a_mark_alone_exactly_once(recorder, database, breaks):
    recorder.insert_tracking(upstream(1))
    recorder._trail._commits = Flaky(database.commits, list(breaks))
    recorder.insert_tracking(upstream(2))
    assert database.commits.count_documents({}) == 2
    assert recorder.max_tracking_id("upstream") == 2


def test_a_broken_connection_does_not_hide_that_another_one_took_the_step(recorder, other, database):
    recorder.insert_tracking(upstream(1))
    other.max_tracking_id("upstream")
    recorder.insert_tracking(upstream(2))
    other._trail._commits = Flaky(database.commits, ["before"])
    with pytest.raises(IntegrityError):
        other.insert_tracking(upstream(2))


def test_a_server_that_went_away_is_told_and_found_again(tmp_path):
    with running(secantus(tmp_path), tmp_path) as server:
        client = connect(server.address)
        journal = Journal(client["log"])
        recorder, view = MongoProcessRecorder(journal), MongoTrackingRecorder(client["view"])
        recorder.insert_events([event()], tracking=upstream(1))
        view.insert_tracking(upstream(1))
        server.kill()
        attempts = [
            lambda: recorder.insert_events([event()], tracking=upstream(2)),
            lambda: recorder.insert_tracking(upstream(2)),
            lambda: recorder.max_tracking_id("upstream"),
            lambda: view.insert_tracking(upstream(2)),
            lambda: view.max_tracking_id("upstream"),
        ]
        with ThreadPoolExecutor(len(attempts)) as threads:
            outcomes = [one.exception() for one in [threads.submit(attempt) for attempt in attempts]]
        assert all(isinstance(outcome, OperationalError) for outcome in outcomes)
        server.start()
        view.insert_tracking(upstream(2))
        assert recorder.insert_events([event()], tracking=upstream(2)) == [2]
        assert (notifications(recorder), recorder.max_tracking_id("upstream")) == ([1, 2], 2)
        journal.close()
        client.close()


# Views --------------------------------------------------------------------------------------------------------


class CountingView(MongoTrackingRecorder):
    def count(self, tracking: Tracking) -> None:
        counts = self.collection("counts")
        self.record(tracking, lambda session: counts.update_one({"_id": "all"}, ONE_MORE, upsert=True, session=session))

    @property
    def counted(self) -> int:
        return (self.collection("counts").find_one({"_id": "all"}) or {"events": 0})["events"]


ONE_MORE = {"$inc": {"events": 1}}


@pytest.fixture
def view(database):
    return CountingView(database)


def test_a_view_that_fails_records_nothing(view):
    def fail(session):
        view.collection("counts").insert_one({"_id": "all", "events": 1}, session=session)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        view.record(upstream(1), fail)
    assert (view.counted, view.max_tracking_id("upstream")) == (0, None)


def test_what_a_view_stores_twice_by_mistake_is_an_integrity_error(view):
    def insert(session):
        view.collection("counts").insert_one({"_id": "all", "events": 1}, session=session)

    view.record(upstream(1), insert)
    with pytest.raises(IntegrityError):
        view.record(upstream(2), insert)
    assert view.max_tracking_id("upstream") == 1


def test_of_many_views_that_count_one_notification_exactly_one_does(view, database):
    views = [view, CountingView(database)]
    view.count(upstream(1))

    def count(number: int) -> bool:
        try:
            views[number % 2].count(upstream(2))
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(count, range(6))) == 1
    assert (view.counted, view.max_tracking_id("upstream")) == (2, 2)


@pytest.fixture
def breaks(monkeypatch):
    """Breaks the connection in transactions to come: before the commit arrives, or after."""
    breaks: list[str] = []
    run = Transactions.run

    def flaky(transactions, act: Callable):
        when = breaks.pop(0) if breaks else "never"
        if when == "before":
            raise AutoReconnect("the connection broke")
        run(transactions, act)
        if when == "after":
            raise AutoReconnect("the connection broke")

    monkeypatch.setattr(Transactions, "run", flaky)
    return breaks


@pytest.mark.parametrize("when", BREAKS)
def test_a_broken_connection_changes_a_view_exactly_once(view, breaks, when):
    view.count(upstream(1))
    breaks += when
    view.count(upstream(2))
    assert (view.counted, view.max_tracking_id("upstream")) == (2, 2)


def test_a_broken_connection_does_not_hide_that_another_one_changed_the_view(view, breaks):
    CountingView(view._place).count(upstream(1))
    breaks += ["before"]
    with pytest.raises(IntegrityError):
        view.count(upstream(1))
    assert view.counted == 1


def test_a_view_that_went_on_since_the_connection_broke_leaves_the_outcome_unknown(view, breaks, monkeypatch):
    monkeypatch.setattr(tracking, "settle", lambda again: view.count(upstream(3)) or settle(again))
    breaks += ["before"]
    with pytest.raises(OutcomeUnknown, match="look whether it was stored"):
        view.count(upstream(2))
