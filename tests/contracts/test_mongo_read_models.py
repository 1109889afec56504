"""Read models: documents, letters and cursors move together or not at all, and only for the owner."""

from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.connection import connect
from adapters.mongo.read_models.generations import CursorMissing, collection_name
from adapters.mongo.read_models.read_models import MongoReadModels
from application.ports.log import LogUnavailable
from projections import execution_history, execution_status, sandbox_tasks
from projections.changes import Change
from projections.letters import Letter, Trouble
from projections.projection import Projection
from projections.registry import EFFECTS, READ_MODELS
from projections.store import CursorLost, Move, Unstorable

STATUS, HISTORY = execution_status.PROJECTION, execution_history.PROJECTION
RUN, OTHER_RUN = uuid4(), uuid4()


@pytest.fixture
def store(database) -> MongoReadModels:
    read_models = MongoReadModels(database)
    read_models.generations.prepare((*READ_MODELS, *EFFECTS), {}, lanes=2)
    return read_models


def documents(store: MongoReadModels, projection: Projection, generation: int = 1) -> list[dict]:
    return list(store._database[collection_name(projection.name, generation)].find())


def put(id=RUN, position=0, **fields):
    return {id: Change(fields, {}, position)}


def begin(*ids, position=1, **fields):
    """What the first events of streams make."""
    return {id: Change(fields, {"events": 1}, position, is_first=True) for id in ids}


def letter(position: int, stream=RUN, trouble: Trouble | None = None) -> Letter:
    return Letter(position, stream, position, "Execution.Started", uuid4(), trouble)


TROUBLE = Trouble("ValueError", ("fold.py:3 fold",))


# Committing ---------------------------------------------------------------------------------------------------


def test_documents_and_cursor_change_together(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, put(status="queued", position=7))])
    assert store.positions(STATUS.name) == {0: 7, 1: 0}
    assert documents(store, STATUS) == [{"_id": RUN, "status": "queued", "position": 7, "lane": 0}]


def test_who_asks_for_some_fields_is_sent_no_others_and_the_id(store):
    store.commit([Move(store.claim(STATUS, 0), 7, put(status="queued", script="a long one", position=7))])
    (found,) = store.find(execution_status.unfinished(), dict)
    assert found == {"id": RUN, "_id": RUN, "status": "queued"}


def test_numbers_are_added_to_what_is_there(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 1, {RUN: Change({}, {"runs": 2}, 1)})])
    store.commit([Move(msgspec.structs.replace(cursor, position=1), 2, {RUN: Change({}, {"runs": 3}, 2)})])
    assert documents(store, STATUS) == [{"_id": RUN, "runs": 5, "position": 2, "lane": 0}]


def test_a_newer_owner_shuts_the_older_one_out_and_nothing_of_it_is_stored(store):
    old = store.claim(STATUS, 0)
    new = store.claim(STATUS, 0)
    with pytest.raises(CursorLost):
        store.commit([Move(old, 7, put(status="zombie"), [letter(7)], discarded=frozenset({3}))])
    assert documents(store, STATUS) == []
    assert (store.parked(new), store.discarded(STATUS.name)) == (frozenset(), frozenset())
    store.commit([Move(new, 3, {})])
    assert store.positions(STATUS.name)[0] == 3


def test_one_lost_cursor_stops_everything_of_its_transaction(store):
    lost, own = store.claim(STATUS, 0), store.claim(HISTORY, 0)
    store.claim(STATUS, 0)
    with pytest.raises(CursorLost):
        store.commit([Move(own, 5, put(status="queued")), Move(lost, 5, put(status="queued"))])
    assert documents(store, HISTORY) == []
    assert store.positions(HISTORY.name)[0] == 0


def test_the_same_step_twice_is_refused_the_second_time(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, {})])
    with pytest.raises(CursorLost):
        store.commit([Move(cursor, 7, put(status="again"))])


@pytest.mark.parametrize("wrong", [{"number": 2**70}, {"object": object()}, {"text": "x" * 17_000_000}])
def test_what_no_server_takes_is_named_and_nothing_is_stored(store, wrong):
    cursor = store.claim(STATUS, 0)
    with pytest.raises(Unstorable) as refusal:
        store.commit([Move(cursor, 7, put(OTHER_RUN, status="fine") | put(**wrong))])
    assert refusal.value.ids == {RUN}
    assert documents(store, STATUS) == []
    assert store.positions(STATUS.name)[0] == 0


def test_what_the_server_refuses_is_named_and_nothing_is_stored(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 1, put(runs="three"))])
    with pytest.raises(Unstorable) as refusal:
        store.commit(
            [
                Move(
                    msgspec.structs.replace(cursor, position=1),
                    2,
                    put(OTHER_RUN, status="fine") | {RUN: Change({}, {"runs": 1})},
                )
            ]
        )
    assert refusal.value.ids == {RUN}
    assert len(documents(store, STATUS)) == 1


# Many at once -------------------------------------------------------------------------------------------------

RUNS = [uuid4() for _ in range(50)]


def test_of_many_documents_the_new_ones_are_made_and_the_others_only_changed(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 1, begin(*RUNS[:20], owner="first"))])
    store.commit([Move(msgspec.structs.replace(cursor, position=1), 2, begin(*RUNS, position=2, status="queued"))])
    found = {document.pop("_id"): document for document in documents(store, STATUS)}
    new = {"status": "queued", "events": 1, "position": 2, "lane": 0}
    assert found == {id: new | ({"owner": "first", "events": 2} if id in RUNS[:20] else {}) for id in RUNS}


def test_many_documents_of_several_read_models_and_lanes_are_stored_together(store):
    cursors = [store.claim(projection, lane) for projection in (STATUS, HISTORY) for lane in (0, 1)]
    parts = [RUNS[:20], RUNS[20:], RUNS[:20], RUNS[20:]]
    store.commit([Move(cursor, 1, begin(*ids)) for cursor, ids in zip(cursors, parts, strict=True)])
    for projection in (STATUS, HISTORY):
        assert {one["_id"]: one["lane"] for one in documents(store, projection)} == {
            id: int(id in RUNS[20:]) for id in RUNS
        }


def test_nothing_of_many_documents_is_stored_for_an_older_owner(store):
    old, new = store.claim(STATUS, 0), store.claim(STATUS, 0)
    with pytest.raises(CursorLost):
        store.commit([Move(old, 7, begin(*RUNS))])
    assert documents(store, STATUS) == []
    store.commit([Move(new, 7, begin(*RUNS))])
    assert len(documents(store, STATUS)) == len(RUNS)


def test_who_meets_a_document_that_another_has_just_made_has_lost_the_lane(store, monkeypatch):
    cursor, new = store.claim(STATUS, 0), store._writes.new

    def another_makes_one(moves):
        made = new(moves)
        store._database[collection_name(STATUS.name, 1)].insert_one({"_id": RUNS[0]})
        return made

    monkeypatch.setattr(store._writes, "new", another_makes_one)
    with pytest.raises(CursorLost):
        store.commit([Move(cursor, 7, begin(*RUNS))])
    assert (len(documents(store, STATUS)), store.positions(STATUS.name)[0]) == (1, 0)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("wrong", [{"number": 2**70}, {"object": object()}, {"text": "x" * 17_000_000}])
def test_what_no_server_takes_is_named_while_a_generation_is_filled(store, wrong, is_first):
    refused = {RUN: Change(wrong, {}, 1, is_first=is_first)}
    with pytest.raises(Unstorable) as refusal:
        store.fill(Move(store.claim_generation(STATUS, 1, 0), 7, begin(OTHER_RUN) | refused))
    assert refusal.value.ids == {RUN}


# Dead letters -------------------------------------------------------------------------------------------------


def test_letters_are_parked_with_the_cursor_and_come_back_in_order(store):
    cursor = store.claim(STATUS, 0)
    parked = [letter(3, trouble=TROUBLE), letter(5)]
    store.commit([Move(cursor, 7, {}, [parked[1], parked[0], letter(6, OTHER_RUN)])])
    assert store.positions(STATUS.name)[0] == 7
    assert store.parked(cursor) == {RUN, OTHER_RUN}
    assert store.letters(cursor, RUN) == parked


def test_letters_of_another_lane_or_projection_are_not_seen(store):
    store.commit([Move(store.claim(STATUS, 0), 7, {}, [letter(3)])])
    assert store.parked(store.claim(STATUS, 1)) == frozenset()
    assert store.parked(store.claim(HISTORY, 0)) == frozenset()


def test_released_letters_go_in_the_transaction_of_what_was_folded_and_new_ones_may_replace_them(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, {}, [letter(3, trouble=TROUBLE), letter(5), letter(6, OTHER_RUN)])])
    moved = msgspec.structs.replace(cursor, position=7)
    still = [letter(5, trouble=TROUBLE)]
    store.commit([Move(moved, 9, put(seen=3), still, released=frozenset({RUN}))])
    assert store.letters(cursor, RUN) == still
    assert store.parked(cursor) == {RUN, OTHER_RUN}
    assert documents(store, STATUS)[0]["seen"] == 3


def test_a_discarded_position_is_skipped_by_its_projection_for_ever(store):
    cursor = store.claim(STATUS, 0)
    store.commit([Move(cursor, 7, {}, discarded=frozenset({3, 4}))])
    store.commit([Move(msgspec.structs.replace(cursor, position=7), 8, {}, discarded=frozenset({4}))])
    assert (store.discarded(STATUS.name), store.discarded(HISTORY.name)) == ({3, 4}, frozenset())


# What is there ------------------------------------------------------------------------------------------------


def test_preparing_again_changes_nothing(store):
    store.commit([Move(store.claim(STATUS, 0), 7, {})])
    store.generations.prepare((*READ_MODELS, *EFFECTS), {0: 100}, lanes=2)
    assert store.positions(STATUS.name)[0] == 7


def test_an_effect_that_is_new_to_an_old_log_starts_at_its_head_and_a_read_model_at_its_beginning(database):
    read_models = MongoReadModels(database)
    read_models.generations.prepare((STATUS, sandbox_tasks.EXECUTOR), {0: 40, 1: 41}, lanes=2)
    assert read_models.positions(sandbox_tasks.EXECUTOR.name) == {0: 40, 1: 41}
    assert read_models.positions(STATUS.name) == {0: 0, 1: 0}


def test_a_missing_mark_is_an_error_and_never_the_head(store, database):
    database["cursors"].delete_one({"_id": f"{sandbox_tasks.EXECUTOR.name}/1/0"})
    with pytest.raises(CursorMissing):
        store.claim(sandbox_tasks.EXECUTOR, 0)


def test_a_server_that_is_gone_is_told_as_such():
    unreachable = connect("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100&connectTimeoutMS=100")
    with pytest.raises(LogUnavailable):
        MongoReadModels(unreachable["nowhere"]).claim(STATUS, 0)
