"""Whoever is killed or stopped inside a transaction holds up nobody, and stores nothing of it later."""

import pytest
from eventsourcing.persistence import IntegrityError

from adapters.mongo.read_models.read_models import MongoReadModels
from projections import execution_status
from projections.store import CursorLost, Move
from tests.contracts.stopping import Before, connect_with, stopping
from tests.contracts.test_mongo_read_models import RUN, documents, put
from tests.contracts.test_mongo_tracking import CountingView, upstream

STATUS = execution_status.PROJECTION


@pytest.fixture
def stopped(mongo_server):
    with stopping(mongo_server.address) as client:
        yield client


@pytest.fixture
def store(database):
    read_models = MongoReadModels(database)
    read_models.generations.prepare([STATUS], {}, lanes=2)
    return read_models


@pytest.fixture
def view(database):
    return CountingView(database)


# Read models --------------------------------------------------------------------------------------------------


def commit(read_models, cursor, position, **fields) -> None:
    read_models.commit([Move(cursor, position, put(**fields))])


def test_an_owner_stopped_before_its_commit_is_shut_out_at_once_and_stores_nothing_later(store, database, stopped):
    of_old = MongoReadModels(stopped.client[database.name])
    old = of_old.claim(STATUS, 0)
    outcome = stopped.begin(lambda: commit(of_old, old, 7, old=True))

    new = store.claim(STATUS, 0)
    commit(store, new, 3, new=True)
    stopped.go_on()

    assert isinstance(outcome.exception(), CursorLost)
    assert store.positions(STATUS.name)[0] == 3
    assert documents(store, STATUS) == [{"_id": RUN, "new": True, "position": 0, "lane": 0}]


def test_an_owner_that_lost_one_of_its_lanes_inside_a_transaction_goes_on_in_the_others(store, database, stopped):
    of_old = MongoReadModels(stopped.client[database.name])
    lost, kept = Move(of_old.claim(STATUS, 0), 7, {}), Move(of_old.claim(STATUS, 1), 8, put(kept=True))
    outcome = stopped.begin(lambda: of_old.commit([lost, kept]))
    store.claim(STATUS, 0)
    stopped.go_on()

    assert isinstance(outcome.exception(), CursorLost)
    of_old.commit([kept])
    assert store.positions(STATUS.name) == {0: 0, 1: 8}


def test_an_owner_of_old_stopped_where_it_is_refused_holds_no_document(store, database, mongo_server):
    with stopping(mongo_server.address, "abortTransaction") as stopped:
        of_old = MongoReadModels(stopped.client[database.name])
        old = of_old.claim(STATUS, 0)
        new = store.claim(STATUS, 0)
        stopped.begin(lambda: commit(of_old, old, 7, old=True))
        commit(store, new, 3, new=True)


def test_a_commit_that_met_another_transaction_is_tried_again(store, database, mongo_server):
    with stopping(mongo_server.address, "abortTransaction") as meeting:
        own = MongoReadModels(meeting.client[database.name])
        cursor = own.claim(STATUS, 0)
        with database.client.start_session() as session:
            session.start_transaction()
            store._documents(STATUS.name, 1).insert_one({"_id": RUN}, session=session)
            outcome = meeting.begin(lambda: commit(own, cursor, 3, new=True))
            session.abort_transaction()
        meeting.go_on()
        assert outcome.exception() is None


def test_a_transaction_that_its_owner_begins_while_the_lane_is_taken_over_is_ended_too(
    store, database, mongo_server, stopped
):
    of_old = MongoReadModels(stopped.client[database.name])
    old, outcomes = of_old.claim(STATUS, 0), []

    def begin() -> None:
        if not outcomes:
            outcomes.append(stopped.begin(lambda: commit(of_old, old, 7, old=True)))

    taking = connect_with(mongo_server.address, Before("findAndModify", begin))
    new = MongoReadModels(taking[database.name]).claim(STATUS, 0)
    stopped.go_on()
    assert isinstance(outcomes[0].exception(), CursorLost)
    assert (new.position, new.epoch) == (0, old.epoch + 1)
    taking.close()


# Views of one's own -------------------------------------------------------------------------------------------


def test_a_view_stopped_before_its_commit_is_gone_on_with_and_counts_nothing_twice(view, database, stopped):
    of_old = CountingView(stopped.client[database.name])
    outcome = stopped.begin(lambda: of_old.count(upstream(1)))
    view.count(upstream(1))
    view.count(upstream(2))
    stopped.go_on()
    assert isinstance(outcome.exception(), IntegrityError)
    assert (view.counted, view.max_tracking_id("upstream")) == (2, 2)


def test_a_view_of_several_applications_is_held_up_by_none_of_them(view, database, stopped):
    of_old = CountingView(stopped.client[database.name])
    outcome = stopped.begin(lambda: of_old.count(upstream(1, "one")))
    view.count(upstream(1, "another"))
    stopped.go_on()
    assert outcome.exception() is None
    assert view.counted == 2


def test_two_recorders_of_one_view_take_turns(view, database):
    other = CountingView(database)
    for n in range(1, 7):
        (view, other)[n % 2].count(upstream(n))
    assert (view.counted, view.max_tracking_id("upstream")) == (6, 6)
