"""Read models: documents and cursors move together or not at all, and only for the owner."""

from threading import Event, Thread
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.connection import connect
from adapters.mongo.read_models import CursorMissing, MongoReadModels, MongoTasks, OtherVersion
from application.ports import LogUnavailable
from projections import execution_history, execution_status, sandbox_tasks
from projections.engine import CursorLost, Engine, Move
from projections.projection import Projection, Put
from projections.registry import EFFECTS, READ_MODELS
from tests.projections.test_folds import events_of_a_run

STATUS, HISTORY = execution_status.PROJECTION, execution_history.PROJECTION
RUN = uuid4()


@pytest.fixture
def store(database) -> MongoReadModels:
    read_models = MongoReadModels(database)
    read_models.prepare((*READ_MODELS, *EFFECTS), {}, lanes=2)
    return read_models


def documents(store: MongoReadModels, projection: Projection) -> list[dict]:
    return list(store._documents(projection.name, 1).find())


def test_documents_and_cursor_change_together(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, {RUN: {"status": "queued", "position": 7}})])
    assert store.positions(STATUS.name) == {0: 7, 1: 0}
    assert documents(store, STATUS) == [{"_id": RUN, "status": "queued", "position": 7, "lane": 0}]


def test_a_newer_owner_shuts_the_older_one_out_and_nothing_of_it_is_stored(store):
    old = store.claim(STATUS, 0)
    new = store.claim(STATUS, 0)
    with pytest.raises(CursorLost):
        store.commit([Move(old, 7, {RUN: {"status": "zombie"}})])
    assert documents(store, STATUS) == []
    store.commit([Move(new, 3, {})])
    assert store.positions(STATUS.name)[0] == 3


def test_one_lost_cursor_stops_everything_of_its_transaction(store):
    lost, own = store.claim(STATUS, 0), store.claim(HISTORY, 0)
    store.claim(STATUS, 0)
    with pytest.raises(CursorLost):
        store.commit([Move(own, 5, {RUN: {"status": "queued"}}), Move(lost, 5, {RUN: {"status": "queued"}})])
    assert documents(store, HISTORY) == []
    assert store.positions(HISTORY.name)[0] == 0


def test_the_same_step_twice_is_refused_the_second_time(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, {})])
    with pytest.raises(CursorLost):
        store.commit([Move(cursor, 7, {RUN: {"status": "again"}})])


def test_preparing_again_changes_nothing(store):
    store.commit([Move(store.claim(STATUS, 0), 7, {})])
    store.prepare((*READ_MODELS, *EFFECTS), {0: 100}, lanes=2)
    assert store.positions(STATUS.name)[0] == 7


def test_an_effect_that_is_new_to_an_old_log_starts_at_its_head_and_a_read_model_at_its_beginning(database):
    read_models = MongoReadModels(database)
    read_models.prepare((STATUS, sandbox_tasks.EXECUTOR), {0: 40, 1: 41}, lanes=2)
    assert read_models.positions(sandbox_tasks.EXECUTOR.name) == {0: 40, 1: 41}
    assert read_models.positions(STATUS.name) == {0: 0, 1: 0}


def test_a_missing_mark_is_an_error_and_never_the_head(store, database):
    database["cursors"].delete_one({"_id": f"{sandbox_tasks.EXECUTOR.name}/1/0"})
    with pytest.raises(CursorMissing):
        store.claim(sandbox_tasks.EXECUTOR, 0)


def test_a_read_model_of_another_version_is_refused(store):
    with pytest.raises(OtherVersion, match="rebuild"):
        store.prepare([msgspec.structs.replace(STATUS, version=2)], {}, lanes=2)


class ListedFeed:
    """Delivers a list from the cursor on, again after each rewind; then stops the engine."""

    def __init__(self, events, stop: Event) -> None:
        self.events, self.stop = events, stop

    def subscribe(self, group, cursor):
        self.cursor = cursor
        self.rewind(0)
        return self

    def rewind(self, lane: int) -> None:
        position = self.cursor(0)
        self.waiting = [event for event in self.events if event.position > position]

    def poll(self, timeout: float):
        if not self.waiting:
            self.stop.wait(0.05)
        events, self.waiting = self.waiting[:2], self.waiting[2:]
        return events

    def close(self) -> None:
        pass


class NoNotices:
    def __init__(self) -> None:
        self.kinds = []

    def publish(self, notices) -> None:
        self.kinds += [notice.kind for notice in notices]


def run_engine(store, projections, events, until) -> NoNotices:
    stop, notices = Event(), NoNotices()

    class StoppingStore:
        claim = staticmethod(store.claim)

        @staticmethod
        def commit(moves):
            store.commit(moves)
            if until():
                stop.set()

    Engine("test", projections, ListedFeed(events, stop), StoppingStore(), notices).run(stop)
    return notices


def test_the_engine_folds_all_projections_and_tells_what_was_committed(store):
    events = events_of_a_run()
    notices = run_engine(store, READ_MODELS, events, lambda: store.positions(HISTORY.name)[0] == 5)
    (run,) = store.find(execution_status.one(events[0].stream), execution_status.ExecutionStatus)
    assert (run.status, run.position) == ("failed", 5)
    assert notices.kinds == ["requested", "sandbox_created", "started", "cancel_requested", "finished"]


def test_a_fold_that_fails_stops_its_own_projection_and_no_other(store):
    events = events_of_a_run()

    def fold(event):
        if event.position == 3:
            raise ValueError("poison")
        yield Put(event.stream, seen=event.position)

    broken = Projection("execution_history", 1, fold)
    run_engine(store, (broken, STATUS), events, lambda: store.positions(STATUS.name)[0] == 5)
    assert store.positions(STATUS.name)[0] == 5
    assert store.positions("execution_history")[0] == 2


def test_a_fold_that_failed_once_goes_on_where_it_stopped(store):
    events, tries = events_of_a_run(), []

    def fold(event):
        if event.position == 3 and len(tries) < 2:
            tries.append(event)
            raise ValueError("not yet")
        yield Put(event.stream, **{f"seen_{event.position}": True})

    mended = Projection("execution_history", 1, fold)
    run_engine(store, (mended,), events, lambda: store.positions("execution_history")[0] == 5)
    (document,) = documents(store, mended)
    assert {f"seen_{position}" for position in range(1, 6)} <= set(document)


def test_a_projection_that_is_ahead_of_another_is_shown_no_event_twice(store):
    seen = []

    def fold(event):
        seen.append(event.position)
        yield Put(event.stream, seen=event.position)

    store.commit([Move(store.claim(STATUS, 0), 3, {})])
    ahead = Projection(STATUS.name, 1, fold)
    run_engine(store, (ahead, HISTORY), events_of_a_run(), lambda: store.positions(STATUS.name)[0] == 5)
    assert seen == [4, 5]


def test_cursors_follow_events_that_change_nothing(store):
    events = events_of_a_run()
    run_engine(store, EFFECTS, events, lambda: all(store.positions(effect.name)[0] == 5 for effect in EFFECTS))
    assert [task.kind for task in MongoTasks(store, sandbox_tasks.EXECUTOR).pending()] == ["start", "stop"]


def test_a_done_task_is_gone_and_doing_it_again_is_harmless(store):
    run_engine(store, EFFECTS, events_of_a_run(), lambda: store.positions(EFFECTS[0].name)[0] >= 4)
    tasks = MongoTasks(store, sandbox_tasks.EXECUTOR)
    first, *rest = tasks.pending()
    tasks.done([first.id])
    tasks.done([first.id])
    assert tasks.pending() == rest


def test_a_batch_that_no_transaction_can_hold_is_folded_in_parts(store):
    def fold(event):
        yield Put(uuid4(), content=b"x" * 300_000)

    large = Projection("execution_history", 1, fold)
    events = [msgspec.structs.replace(events_of_a_run()[0], position=position) for position in range(1, 61)]

    class WholeFeed(ListedFeed):
        def poll(self, timeout):
            events, self.waiting = self.waiting, []
            return events

    stop = Event()
    feed = WholeFeed(events, stop)
    Thread(target=Engine("test", (large,), feed, store, NoNotices()).run, args=(stop,)).start()
    while store.positions("execution_history")[0] < 60:
        assert not stop.wait(0.1)
    stop.set()
    assert len(documents(store, large)) == 60


def test_a_server_that_is_gone_is_told_as_such():
    unreachable = connect("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100&connectTimeoutMS=100")
    with pytest.raises(LogUnavailable):
        MongoReadModels(unreachable["nowhere"]).claim(STATUS, 0)
