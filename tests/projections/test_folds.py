"""Given events, then documents; in batches of any size."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports.log import Recorded
from application.ports.work import Followed, TaskKind
from application.queue import Hint
from domain.execution import Execution, Limits, Outcome, Status
from domain.queue import Waiting
from domain.read_model import Ending, ReadModel, Work
from domain.sealed import Sealed
from projections import admin_feed, execution_history, execution_status, me_feed, saga_hints, sandbox_tasks
from projections.changes import coalesce
from projections.folding import Folding
from projections.projection import Add, Projection, Put
from projections.registry import EFFECTS, READ_MODELS

AT = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOME = Outcome(Status.FAILED, "exited with code 3", exit_code=3, stdout_bytes=5)


def new_run(id: UUID) -> Execution:
    """One that has ended already."""
    run = Execution(
        id=id,
        owner=UUID(int=1),
        language="python",
        version="3.11",
        script=Sealed(key=UUID(int=2), size=1, box=b"x"),
        stdin=None,
        limits=Limits(),
        fingerprint="f",
        timestamp=AT,
    )
    run.create_sandbox("run-1", AT)
    run.start(AT)
    run.cancel(AT)
    run.finish(OUTCOME, None, AT)
    return run


def events_of_a_run(stream: int = 7, first: int = 1) -> list[Recorded]:
    run = new_run(UUID(int=stream))
    return [recorded(event, first + index) for index, event in enumerate(run.collect_events())]


def recorded(event, position: int) -> Recorded:
    return Recorded(
        position=position,
        lane=0,
        stream=event.originator_id,
        version=event.originator_version,
        type=f"Execution.{type(event).__name__}",
        id=UUID(int=1000 + position),
        at=AT + timedelta(seconds=position),
        actor="operator",
        correlation=UUID(int=9),
        causation=None,
        trace="",
        data=event,
    )


def fold_in_batches(projection, events, sizes):
    documents = {}
    rest = list(events)
    for size in [*sizes, len(rest)]:
        batch, rest = rest[:size], rest[size:]
        store(documents, coalesce(projection, batch))
    return documents


def store(documents, changes) -> None:
    """As the store of read models does it."""
    for id, change in changes.items():
        document = documents.setdefault(id, {})
        document.update(change.set)
        for name, amount in change.add.items():
            document[name] = document.get(name, 0) + amount
        document["position"] = max(change.position, document.get("position", 0))


def documents_of(projection, events):
    return {id: change.document for id, change in coalesce(projection, events).items()}


def test_a_finished_run_has_its_outcome_and_the_position_of_its_last_change():
    (document,) = documents_of(execution_status.PROJECTION, events_of_a_run()).values()
    assert document["status"] == "failed"
    assert document["outcome"]["exit_code"] == 3
    assert document["is_cancel_requested"] is True
    assert document["started_at"] == AT + timedelta(seconds=3)
    assert document["position"] == 5


def test_the_history_has_a_light_row_without_private_content():
    (row,) = documents_of(execution_history.PROJECTION, events_of_a_run()).values()
    assert row["reason"] == "exited with code 3"
    assert row["requested_position"] == 1
    assert "script" not in row


def test_each_event_that_asks_for_an_effect_makes_one_task_named_by_the_event():
    events = events_of_a_run()
    assert {id: task["kind"] for id, task in documents_of(sandbox_tasks.EXECUTOR, events).items()} == {
        events[1].id: TaskKind.START,
        events[3].id: TaskKind.STOP,
    }


@pytest.mark.parametrize(("status", "kinds"), [(Status.LOST, [TaskKind.REMOVE]), (Status.TIMED_OUT, [])])
def test_what_is_left_of_a_run_that_was_given_up_is_removed(status, kinds):
    *_, finished = events_of_a_run()
    outcome = msgspec.structs.replace(finished.data.outcome, status=status)
    data = Execution.Finished(outcome=outcome, output=None, **library_fields(finished))  # type: ignore[call-arg]
    tasks = documents_of(sandbox_tasks.EXECUTOR, [msgspec.structs.replace(finished, data=data)])
    assert [task["kind"] for task in tasks.values()] == kinds


def test_a_run_is_followed_from_the_moment_a_sandbox_is_to_be_made():
    events = events_of_a_run()
    followed = [sandbox_tasks.as_followed(coalesce(sandbox_tasks.MONITOR, events[:upto])) for upto in range(1, 6)]
    assert followed == [[], *[[Followed(events[0].stream)]] * 3, []]


def test_input_is_a_task_of_its_own_and_moves_the_place_where_it_goes_on():
    run = Execution(
        id=UUID(int=7), owner=UUID(int=1), language="python", version="3.11", script=Sealed(key=UUID(int=2), size=1),
        stdin=None, limits=Limits(), fingerprint="f", timestamp=AT, stdin_open=True,
    )  # fmt: skip
    for size, is_last in ((5, False), (7, False), (0, True)):
        run.give_input(Sealed(key=UUID(int=2), size=size), size, is_last, AT)
    events = [recorded(event, position) for position, event in enumerate(run.collect_events(), 1)]
    tasks = documents_of(sandbox_tasks.EXECUTOR, events)
    assert {id: task["kind"] for id, task in tasks.items()} == {event.id: TaskKind.FEED for event in events[1:]}
    stands = [documents_of(execution_status.PROJECTION, events[:upto])[run.id] for upto in range(1, 5)]
    told = [(one["stdin_open"], one.get("stdin_offset", 0)) for one in stands]
    assert told == [(True, 0), (True, 5), (True, 12), (False, 12)]
    words = [notice.data["words"] for event in events[1:] for notice in execution_status.announce(event)]
    assert words == ["5 bytes of input", "7 bytes of input", "Input ended"]


def test_the_saga_is_told_what_waits_with_its_newest_priority_and_what_has_ended():
    requested, *_, finished = events_of_a_run()
    data = Execution.Prioritized(priority=7, **library_fields(requested))  # type: ignore[call-arg]
    prioritized = msgspec.structs.replace(requested, data=data, position=2)
    waiting = Waiting(requested.stream, UUID(int=1), 0, 1, requested.at)
    told = saga_hints.as_hints(coalesce(saga_hints.SAGA_HINTS, [requested, prioritized]))
    assert told == [Hint(requested.stream, waiting, priority=7)]
    assert saga_hints.as_hints(coalesce(saga_hints.SAGA_HINTS, [finished])) == [Hint(requested.stream, has_ended=True)]


def library_fields(event: Recorded) -> dict:
    return {"originator_id": event.stream, "originator_version": 2, "timestamp": event.at}


def test_every_event_of_a_run_is_announced_in_words():
    notices = [notice for event in events_of_a_run() for notice in execution_status.announce(event)]
    assert [notice.kind for notice in notices] == [
        "requested",
        "sandbox_created",
        "started",
        "cancel_requested",
        "finished",
    ]
    assert notices[-1].data["words"] == "Exited with code 3"


@given(st.lists(st.integers(min_value=1, max_value=4), max_size=12))
def test_folding_in_batches_of_any_size_gives_the_same_documents(sizes):
    events = sorted([*events_of_a_run(7, 1), *events_of_a_run(8, 11)], key=lambda event: event.position)
    for projection in (*READ_MODELS, *EFFECTS):
        assert fold_in_batches(projection, events, sizes) == documents_of(projection, events)


def test_the_feed_of_people_moves_with_whatever_they_are_told():
    events = events_of_a_run()
    assert documents_of(me_feed.PROJECTION, events) == {"lane 0": {"events": 4, "position": 5}}
    states = ["queued", "starting", "running", None, "failed"]
    assert [me_feed.status_after(event) for event in events] == states


def test_the_feed_of_admins_counts_the_events_of_each_lane():
    events = [*events_of_a_run(7, 1), *(msgspec.structs.replace(one, lane=3) for one in events_of_a_run(8, 11))]
    counted = documents_of(admin_feed.PROJECTION, events)
    assert counted == {"lane 0": {"events": 5, "position": 5}, "lane 3": {"events": 5, "position": 15}}


def test_admins_are_told_a_word_about_events_and_nothing_private():
    read_model = ReadModel(id=uuid4(), projection="people", timestamp=AT)
    read_model.rebuild(is_full=True, at=AT)
    read_model.end(Work(Ending.LIVE, "", 2, 0, ""), AT)
    events = [*events_of_a_run(), *(recorded(event, 9) for event in read_model.collect_events())]
    assert [admin_feed.about(event) for event in events] == [
        *("python", "", "", "", "failed"),
        *("people", "people", "live"),
    ]


# By several workers -------------------------------------------------------------------------------------------

STREAMS, LANES = 9, 4
HISTORIES = st.lists(st.integers(min_value=0, max_value=STREAMS - 1), max_size=STREAMS * 5)
"""Which stream the next event belongs to."""
POSITIONS = st.frozensets(st.integers(min_value=1, max_value=STREAMS * 5), max_size=4)


def events_of(history) -> list[Recorded]:
    """The events of some runs, taking turns as the history says; those of one run stay in its lane."""
    waiting = {stream: events_of_a_run(stream + 1) for stream in range(STREAMS)}
    turns = [(stream, waiting[stream].pop(0)) for stream in history if waiting[stream]]
    return [
        msgspec.structs.replace(event, position=position, lane=stream % LANES, id=UUID(int=1000 + position))
        for position, (stream, event) in enumerate(turns, 1)
    ]


def counting(poison) -> Projection:
    """What is set, what is added, and a sum over the streams of a lane; some events cannot be folded."""

    def fold(event):
        yield Put(event.stream, **{f"seen_{event.version}": event.at}, last=event.version)
        yield Add(event.stream, events=1)
        yield Add(f"lane {event.lane}", events=1, positions=event.position)
        if event.position in poison:
            raise ValueError("poison")

    return Projection("counting", 1, fold)


def fold_by_workers(projection, events, discarded, workers, size):
    """The documents, and the positions that are parked: each worker folds its lanes in batches of one size."""
    documents, letters = {}, []
    for worker in range(workers):
        own, parked = [event for event in events if event.lane % workers == worker], frozenset()
        for start in range(0, len(own), size):
            folding = Folding(projection, parked, discarded).take_all(own[start : start + size])
            store(documents, folding.changes)
            letters += (letter.position for letter in folding.letters)
            parked = frozenset(folding.parked)
    return documents, sorted(letters)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 7, 5_000])
@settings(deadline=None)
@given(HISTORIES, POSITIONS, POSITIONS)
def test_any_number_of_workers_and_any_size_of_batches_give_the_same(workers, size, history, poison, discarded):
    events = events_of(history)
    for projection in (*READ_MODELS, *EFFECTS, counting(poison)):
        whole = Folding(projection, discarded=discarded).take_all(events)
        expected = {id: change.document for id, change in whole.changes.items()}
        parked = [letter.position for letter in whole.letters]
        assert fold_by_workers(projection, events, discarded, workers, size) == (expected, parked)


@settings(deadline=None)
@given(HISTORIES, POSITIONS, POSITIONS)
def test_each_event_is_folded_or_parked_behind_the_first_that_fails_or_discarded(history, poison, discarded):
    events = [event for event in events_of(history) if event.position not in discarded]
    documents, parked = fold_by_workers(counting(poison), events_of(history), discarded, 2, 7)
    assert parked == [event.position for event in events if has_failed_by(event, events, poison)]
    lanes = [document for id, document in documents.items() if str(id).startswith("lane")]
    folded = [event.position for event in events if event.position not in parked]
    assert (sum(lane["events"] for lane in lanes), sum(lane["positions"] for lane in lanes)) == (
        len(folded),
        sum(folded),
    )


def has_failed_by(event, events, poison) -> bool:
    return any(one.position in poison for one in events if one.stream == event.stream and one.version <= event.version)
