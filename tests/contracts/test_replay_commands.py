"""What a replay comes to, and what cannot be replayed: it is said, and nothing is changed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from adapters.files.replays import Files
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.log.ledger import MongoLedger
from adapters.mongo.log.replays import MongoMarks, MongoSelecting
from adapters.mongo.secrets.keys import DataKeys
from application.moments import NoSuchMoment
from application.outlets import TargetRefused
from application.ports.log import StreamNotFound
from application.replays import Replays, Wanted
from application.selection import SelectionRefused
from domain.events import EVENTS
from domain.replay import Kind, ReplayStatus, Target
from tests.contracts.event_log import OPERATOR
from tests.contracts.feed import save_users

FILE = Target(Kind.FILE, "some.jsonl")
LATER, EARLIER = datetime(2100, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)


class Random:
    def new(self):
        return uuid4()


@pytest.fixture
def replays(journal, database, log, tmp_path) -> Replays:
    save_users(log, 5)
    ledger = MongoLedger(journal, DataKeys(database, None), Chunks(database))
    files = Files(tmp_path)
    marks, selecting = MongoMarks(database), MongoSelecting(journal)
    return Replays(log, Random(), ledger, selecting, marks, frozenset(EVENTS), {Kind.FILE: lambda: files})


def test_a_preview_counts_by_type_and_shows_the_first_ones(replays, log):
    preview = replays.preview(Wanted())
    assert (preview.events, preview.by_type) == (10, {"User.LoggedIn": 5, "User.Registered": 5})
    assert [sample.position for sample in preview.samples] == [1, 2, 3]
    assert (preview.selection.first, preview.selection.last) == (1, 10)
    assert log.head() == 10


def test_what_is_prepared_stays_the_same_when_the_log_grows(replays, log):
    id, position = replays.prepare(OPERATOR, Wanted(), FILE)
    assert position == log.head() == 11
    save_users(log, 5)
    view = replays.view(id)
    assert (view.status, view.total, view.selection.last, view.events) == (ReplayStatus.PREPARED, 10, 10, 0)


def test_a_time_is_a_position(replays, log):
    before = datetime.now(UTC)
    save_users(log, 2)
    assert replays.preview(Wanted(since=EARLIER)).events == 14
    assert replays.preview(Wanted(until=LATER)).selection.last == 14
    since = replays.preview(Wanted(since=before - timedelta(milliseconds=1)))
    until = replays.preview(Wanted(until=before - timedelta(milliseconds=1)))
    assert since.events + until.events == 14
    assert until.selection.last + 1 == since.selection.first


def test_a_file_and_a_topic_without_a_name_are_called_after_the_replay(replays):
    id, _ = replays.prepare(OPERATOR, Wanted(), Target(Kind.FILE))
    assert replays.view(id).target.name == f"{id}.jsonl"


@pytest.mark.parametrize(
    ("wanted", "refusal", "said"),
    [
        (Wanted(types=("User.LogedIn",)), SelectionRefused, "There is no event type 'User.LogedIn'"),
        (Wanted(first=9, last=3), SelectionRefused, "the first would be at 9, the last at 3"),
        (Wanted(last=11), NoSuchMoment, "The log ends at position 10"),
        (Wanted(first=11), NoSuchMoment, "The log ends at position 10"),
        (Wanted(first=0), NoSuchMoment, "The log begins at position 1"),
        (Wanted(last=-1), NoSuchMoment, "The log begins at position 1"),
        (Wanted(until=EARLIER), NoSuchMoment, "Nothing had happened by 2001"),
        (Wanted(since=LATER), SelectionRefused, "No event is selected"),
        (Wanted(since=LATER, until=EARLIER), SelectionRefused, "Nothing lies between"),
        (Wanted(users=(uuid4(),)), SelectionRefused, "No event is selected"),
        (Wanted(streams=(uuid4(),)), SelectionRefused, "No event is selected"),
        (Wanted(types=("Execution.Started",)), SelectionRefused, "No event is selected"),
    ],
)
def test_what_cannot_be_selected_is_refused_in_words(replays, log, wanted, refusal, said):
    for ask in (lambda: replays.preview(wanted), lambda: replays.prepare(OPERATOR, wanted, FILE)):
        with pytest.raises(refusal, match=said):
            ask()
    assert log.head() == 10


@pytest.mark.parametrize("speed", [-1.0, 1e-300, 0.0002, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(replays, speed):
    with pytest.raises(SelectionRefused, match="events a second"):
        replays.prepare(OPERATOR, Wanted(), FILE, speed)


def test_a_read_model_has_to_be_named(replays):
    with pytest.raises(TargetRefused, match="Name the read model"):
        replays.check(Target(Kind.PROJECTION), 0.0)


def test_what_there_is_not_cannot_be_started(replays):
    with pytest.raises(StreamNotFound):
        replays.start(OPERATOR, uuid4())
