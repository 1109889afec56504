"""The engine keeps read models up with the log, and nobody holds up anybody else."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.mongo.read_models.generations import collection_name
from adapters.mongo.read_models.read_models import MongoReadModels, MongoTasks
from application.ports.log import LogUnavailable, Unreadable
from application.ports.work import Task
from domain.dead_letter import DeadLetter, letters_of
from projections import admin_feed, execution_history, execution_status, sandbox_tasks
from projections.changes import Changes
from projections.engine import Engine
from projections.projection import Add, Projection, Put
from projections.registry import ALL, EFFECTS, READ_MODELS
from projections.store import Move
from tests.faults.processes import wait_until
from tests.projections.test_folds import AT, events_of_a_run, recorded

STATUS, HISTORY = execution_status.PROJECTION, execution_history.PROJECTION
RUN, OTHER_RUN = UUID(int=7), UUID(int=8)


class Listed:
    """A lane that is a list: a feed of what is put into it, and the log of all of it."""

    lanes = frozenset({0})

    def __init__(self, events=()) -> None:
        self.events = list(events)
        self.is_down = False

    def subscribe(self, group, cursor, orphans=frozenset()):
        self.orphans = orphans
        self.delivered = cursor(0)
        return self

    def poll(self, timeout: float):
        fresh = [event for event in self.events if event.position > self.delivered][:3]
        if fresh:
            self.delivered = fresh[-1].position
        else:
            Event().wait(min(timeout, 0.02))
        return fresh

    def read_lane(self, lane, after, upto, limit):
        if self.is_down:
            raise LogUnavailable(LogUnavailable.__doc__)
        return [event for event in self.events if after < event.position <= upto][:limit]

    def close(self) -> None:
        pass


class Reassigned(Listed):
    """Its lane is taken away and given again after each delivery."""

    claims = 0

    def subscribe(self, group, cursor, orphans=frozenset()):
        self.cursor = cursor
        return super().subscribe(group, cursor, orphans)

    def poll(self, timeout: float):
        if self.claims < len(self.events):
            self.delivered, self.claims = self.cursor(0), self.claims + 1
        return super().poll(timeout)


class Told:
    """Implements Notices, and remembers."""

    def __init__(self) -> None:
        self.kinds, self.moved = [], []

    def publish(self, notices, moved) -> None:
        self.kinds += [notice.kind for notice in notices]
        self.moved += [(cursor.projection, cursor.position) for cursor in moved]


@pytest.fixture
def store(database) -> MongoReadModels:
    read_models = MongoReadModels(database)
    read_models.generations.prepare((*READ_MODELS, *EFFECTS), {}, lanes=1)
    return read_models


@pytest.fixture
def start(store):
    """Engines that run until the test ends."""
    stops, threads = [], []

    def start(listed: Listed, *projections: Projection, **listeners: Callable[[Changes], None]) -> Told:
        told, stop = Told(), Event()
        engine = Engine("test", projections, listed, listed, store, told, listeners)
        stops.append(stop)
        threads.append(Thread(target=engine.run, args=(stop,)))
        threads[-1].start()
        return told

    yield start
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def reaches(store):
    def reaches(projection: str, position: int) -> None:
        wait_until(lambda: store.positions(projection)[0] >= position, f"{projection} at {position}", 15)

    return reaches


def documents(store, projection: str) -> dict:
    found = store._database[collection_name(projection, store.generation(projection))].find()
    return {document["_id"]: document for document in found}


def two_runs():
    """Five events of each, taking turns."""
    both = [*events_of_a_run(7, 1), *events_of_a_run(8, 6)]
    return [msgspec.structs.replace(both[index // 2 + index % 2 * 5], position=index + 1) for index in range(10)]


def seen_by(name: str, poison=lambda _: False) -> Projection:
    """Notes every event of a stream in its document."""

    def fold(event):
        if poison(event):
            raise ValueError("poison")
        yield Put(event.stream, **{f"seen_{event.position}": True})

    return Projection(name, ALL[name].version, fold)


def seen(document: dict) -> list[int]:
    return sorted(int(field.removeprefix("seen_")) for field in document if field.startswith("seen_"))


# Folding ------------------------------------------------------------------------------------------------------


def test_folds_all_projections_and_tells_what_was_committed(store, start, reaches):
    told = start(Listed(events_of_a_run()), *READ_MODELS)
    reaches(HISTORY.name, 5)
    reaches(STATUS.name, 5)
    (run,) = store.find(execution_status.one(RUN), execution_status.ExecutionStatus)
    assert (run.status, run.position) == ("failed", 5)
    wait_until(lambda: len(told.kinds) == 5, "all notices")
    assert told.kinds == ["requested", "sandbox_created", "started", "cancel_requested", "finished"]
    assert (HISTORY.name, 5) in told.moved


def test_a_projection_that_is_ahead_of_another_is_shown_no_event_twice(store, start, reaches):
    store.commit([Move(store.claim(STATUS, 0), 3, {})])
    start(Listed(events_of_a_run()), seen_by(STATUS.name), HISTORY)
    reaches(STATUS.name, 5)
    reaches(HISTORY.name, 5)
    assert seen(documents(store, STATUS.name)[RUN]) == [4, 5]
    assert documents(store, HISTORY.name)[RUN]["requested_position"] == 1


def test_cursors_follow_events_that_change_nothing(store, start, reaches):
    start(Listed(events_of_a_run()), *EFFECTS)
    for effect in EFFECTS:
        reaches(effect.name, 5)
    assert [task.kind for task in MongoTasks(store, sandbox_tasks.EXECUTOR, Task).pending()] == ["start", "stop"]


def test_hints_are_told_and_not_stored(store, start, reaches):
    told: list[UUID] = []
    hints = sandbox_tasks.MONITOR
    start(Listed(events_of_a_run()), hints, STATUS, **{hints.name: told.extend})
    reaches(STATUS.name, 5)
    assert set(told) == {RUN}
    assert documents(store, hints.name) == {}


def test_a_hint_that_cannot_be_folded_is_parked_and_the_others_are_told(store, start, reaches):
    def fold(event):
        if event.position == 2:
            raise ValueError("poison")
        yield Put(event.stream, at=event.position)

    told: list[UUID] = []
    hints = Projection("hints", 1, fold, is_effect=True, is_hint=True)
    store.generations.prepare([hints], {}, lanes=1)
    start(Listed(two_runs()), hints, **{hints.name: told.extend})
    reaches("hints", 10)
    assert len(store._database["dead_letters"].distinct("stream", {"projection": "hints"})) == 1
    assert set(told) == {RUN}
    assert documents(store, "hints") == {}


def test_a_done_task_is_gone_and_doing_it_again_is_harmless(store, start, reaches):
    start(Listed(events_of_a_run()), *EFFECTS)
    reaches(sandbox_tasks.EXECUTOR.name, 4)
    tasks = MongoTasks(store, sandbox_tasks.EXECUTOR, Task)
    first, *rest = tasks.pending()
    tasks.done([first.id])
    tasks.done([first.id])
    assert tasks.pending() == rest


def test_a_batch_that_no_transaction_can_hold_is_folded_in_parts(store, start, reaches):
    def fold(event):
        yield Put(f"event {event.position}", content=b"x" * 300_000)

    events = [msgspec.structs.replace(events_of_a_run()[0], position=position) for position in range(1, 61)]
    store.commit([Move(store.claim(STATUS, 0), 60, {})])
    start(Listed(events), Projection(HISTORY.name, HISTORY.version, fold), STATUS)
    reaches(HISTORY.name, 60)
    assert len(documents(store, HISTORY.name)) == 60


def test_one_event_that_no_transaction_can_hold_is_parked(store, start, reaches):
    def fold(event):
        if event.position == 2:
            yield from (Put(f"part {number}", content=b"x" * 300_000) for number in range(60))

    start(Listed(two_runs()), Projection(HISTORY.name, HISTORY.version, fold))
    reaches(HISTORY.name, 10)
    assert documents(store, HISTORY.name) == {}
    assert store.parked(store.claim(HISTORY, 0)) == {OTHER_RUN}


# Holding up nobody --------------------------------------------------------------------------------------------


def test_a_projection_that_cannot_read_the_log_goes_on_when_it_can(store, start, reaches):
    listed = Listed(events_of_a_run())
    listed.is_down = True
    store.commit([Move(store.claim(STATUS, 0), 3, {})])
    start(listed, STATUS, HISTORY)
    reaches(STATUS.name, 5)
    assert store.positions(HISTORY.name)[0] == 0
    listed.is_down = False
    reaches(HISTORY.name, 5)
    assert documents(store, HISTORY.name)[RUN]["requested_position"] == 1


def test_a_paused_projection_stands_still_and_goes_on_without_a_gap(store, start, reaches):
    listed = Listed(two_runs()[:4])
    store.generations.pause(HISTORY.name, is_paused=True)
    start(listed, seen_by(HISTORY.name), STATUS)
    reaches(STATUS.name, 4)
    assert store.positions(HISTORY.name)[0] <= 4
    stopped = store.positions(HISTORY.name)[0]
    listed.events = two_runs()
    reaches(STATUS.name, 10)
    assert store.positions(HISTORY.name)[0] == stopped
    store.generations.pause(HISTORY.name, is_paused=False)
    reaches(HISTORY.name, 10)
    assert seen(documents(store, HISTORY.name)[RUN]) == [1, 3, 5, 7, 9]


def test_a_lane_that_another_process_has_owned_for_a_while_goes_on_from_where_that_was(store, start, reaches):
    listed = Listed(two_runs()[:4])
    start(listed, seen_by(HISTORY.name))
    reaches(HISTORY.name, 4)
    store.commit([Move(store.claim(HISTORY, 0), 6, {})])
    listed.events = two_runs()
    reaches(HISTORY.name, 10)
    assert seen(documents(store, HISTORY.name)[RUN]) == [1, 3, 7, 9]


def test_whoever_is_shut_out_by_a_swap_goes_on_as_soon_as_the_new_one_is_live(
    store, start, reaches, monkeypatch, caplog
):
    monkeypatch.setattr("projections.track.FIRST_WAIT", 60.0)  # longer than anybody here has patience
    caplog.set_level("INFO")
    listed = Listed(two_runs()[:5])
    start(listed, STATUS)
    reaches("execution_status", 5)
    generation = store.generations.begin(STATUS, uuid4(), 1)
    store.fill(Move(store.claim_generation(STATUS, generation.number, 0), 5, {}))
    store.generations.hold("execution_status")
    listed.events += two_runs()[5:]
    wait_until(lambda: "has lost lane 0" in caplog.text, "that it is shut out")
    store.generations.swap("execution_status", generation)
    wait_until(lambda: store.generations.positions("execution_status", generation.number)[0] == 10, "all in it", 15)


def test_what_another_version_has_made_is_left_alone(store, start, reaches):
    start(Listed(two_runs()), msgspec.structs.replace(seen_by(HISTORY.name), version=HISTORY.version + 1), STATUS)
    reaches(STATUS.name, 10)
    assert store.positions(HISTORY.name)[0] == 0


# Patience -----------------------------------------------------------------------------------------------------


def counting(event):
    yield Add("all", events=1, positions=event.position)


COUNTS = Projection(admin_feed.PROJECTION.name, 1, counting, is_by_stream=False, is_patient=True)


def counted(store) -> tuple[int, int]:
    document = documents(store, COUNTS.name)["all"]
    return document["events"], document["positions"]


def test_a_patient_projection_waits_for_company_and_holds_up_nobody(store, start, reaches):
    told = start(Listed(two_runs()), STATUS, COUNTS)
    reaches(STATUS.name, 10)
    reaches(COUNTS.name, 10)
    assert counted(store) == (10, 55)
    names = [name for name, _ in told.moved]
    assert names.count(COUNTS.name) < names.count(STATUS.name)
    assert names[0] == STATUS.name


def test_events_that_are_held_while_their_lane_is_given_anew_are_folded_once(store, start, reaches):
    listed = Reassigned(two_runs())
    start(listed, COUNTS)
    reaches(COUNTS.name, 10)
    assert listed.claims > 2
    assert counted(store) == (10, 55)


def test_a_patient_projection_that_was_paused_goes_on_without_a_gap(store, start, reaches):
    listed = Listed(two_runs()[:4])
    store.generations.pause(COUNTS.name, is_paused=True)
    start(listed, STATUS, COUNTS)
    reaches(STATUS.name, 4)
    Event().wait(0.3)
    listed.events = two_runs()
    reaches(STATUS.name, 10)
    store.generations.pause(COUNTS.name, is_paused=False)
    reaches(COUNTS.name, 10)
    assert counted(store) == (10, 55)


# Poison -------------------------------------------------------------------------------------------------------


def is_third(event) -> bool:
    return event.position == 3


def test_an_event_that_cannot_be_folded_parks_its_own_stream_and_nothing_else(store, start, reaches):
    start(Listed(two_runs()), seen_by(HISTORY.name, poison=is_third), STATUS)
    reaches(HISTORY.name, 10)
    reaches(STATUS.name, 10)
    found = documents(store, HISTORY.name)
    assert seen(found[RUN]) == [1]
    assert seen(found[OTHER_RUN]) == [2, 4, 6, 8, 10]
    parked = store.letters(store.claim(HISTORY, 0), RUN)
    assert [letter.position for letter in parked] == [3, 5, 7, 9]
    assert parked[0].trouble.error == "ValueError"
    assert "fold" in parked[0].trouble.lines[-1]
    assert [letter.trouble for letter in parked[1:]] == [None, None, None]


def test_an_unreadable_event_is_parked_too(store, start, reaches):
    events = two_runs()
    events[2] = msgspec.structs.replace(events[2], data=Unreadable("a newer version has written it"))
    start(Listed(events), seen_by(HISTORY.name))
    reaches(HISTORY.name, 10)
    parked = store.letters(store.claim(HISTORY, 0), RUN)
    assert [letter.position for letter in parked] == [3, 5, 7, 9]
    assert parked[0].trouble.error == "UnreadableEvent"


def test_a_document_that_the_store_refuses_parks_the_streams_that_change_it(store, start, reaches):
    def fold(event):
        yield Put(event.stream, **{f"seen_{event.position}": 2**70 if event.position == 5 else True})

    start(Listed(two_runs()), Projection(HISTORY.name, HISTORY.version, fold), STATUS)
    reaches(HISTORY.name, 10)
    reaches(STATUS.name, 10)
    found = documents(store, HISTORY.name)
    assert seen(found[OTHER_RUN]) == [2, 4, 6, 8, 10]
    assert store.parked(store.claim(HISTORY, 0)) == {RUN}
    letters = [letter.position for letter in store.letters(store.claim(HISTORY, 0), RUN)]
    assert sorted(seen(found.get(RUN, {})) + letters) == [1, 3, 5, 7, 9]


def test_what_is_parked_stays_parked_for_the_next_owner(store, start, reaches):
    store.commit([Move(store.claim(HISTORY, 0), 0, {})])
    listed = Listed(two_runs()[:4])
    start(listed, seen_by(HISTORY.name, poison=is_third))
    reaches(HISTORY.name, 4)
    start(Listed(two_runs()), seen_by(HISTORY.name))
    reaches(HISTORY.name, 10)
    assert seen(documents(store, HISTORY.name)[RUN]) == [1]


# Decisions on letters -----------------------------------------------------------------------------------------


def decided(position: int, projection: str = HISTORY.name, discard: int = 0):
    letters = DeadLetter(id=letters_of(projection, RUN), projection=projection, parked=RUN, timestamp=AT)
    letters.discard(discard, "of no use", AT) if discard else letters.retry(AT)
    event = recorded(letters.collect_events()[-1], position)
    return msgspec.structs.replace(event, type=f"DeadLetter.{type(event.data).__name__}", at=AT + timedelta(hours=1))


def test_a_retry_folds_what_is_parked_in_order_before_what_comes_later(store, start, reaches):
    mended = []
    listed = Listed(two_runs()[:8])
    start(listed, seen_by(HISTORY.name, poison=lambda event: is_third(event) and not mended))
    reaches(HISTORY.name, 8)
    mended.append(True)
    last = two_runs()[8]
    listed.events += [decided(9), msgspec.structs.replace(last, position=10)]
    reaches(HISTORY.name, 10)
    assert seen(documents(store, HISTORY.name)[RUN]) == [1, 3, 5, 7, 10]
    assert store.parked(store.claim(HISTORY, 0)) == frozenset()


def test_a_retry_before_it_is_mended_leaves_everything_parked(store, start, reaches):
    listed = Listed([*two_runs()[:8], decided(9)])
    start(listed, seen_by(HISTORY.name, poison=is_third))
    reaches(HISTORY.name, 9)
    assert [letter.position for letter in store.letters(store.claim(HISTORY, 0), RUN)] == [3, 5, 7]


def test_a_retry_of_another_projection_changes_nothing(store, start, reaches):
    start(Listed([*two_runs()[:8], decided(9, STATUS.name)]), seen_by(HISTORY.name, poison=is_third))
    reaches(HISTORY.name, 9)
    assert store.parked(store.claim(HISTORY, 0)) == {RUN}


def test_a_discarded_event_is_left_out_and_what_waited_behind_it_is_folded(store, start, reaches):
    start(Listed([*two_runs()[:8], decided(9, discard=3)]), seen_by(HISTORY.name, poison=is_third))
    reaches(HISTORY.name, 9)
    assert seen(documents(store, HISTORY.name)[RUN]) == [1, 5, 7]
    assert store.parked(store.claim(HISTORY, 0)) == frozenset()
    assert store.discarded(HISTORY.name) == {3}
