"""Rebuild, verification and rollback of read models, beside those who read and fold them."""

from contextlib import suppress
from threading import Event, Thread
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.read_models.generations import collection_name
from adapters.mongo.read_models.read_models import MongoReadModels
from adapters.mongo.read_models.stored import MongoStored
from application.ports.log import Context
from application.progress import Reached, tell_nobody
from domain.dead_letter import DeadLetter, letters_of
from domain.user import User
from projections import verification
from projections.changes import coalesce
from projections.generations import NotCaughtUp
from projections.hands import Own
from projections.past import Past
from projections.projection import Add, Projection, Put
from projections.rebuild import Rebuild, Refused, Stopped
from projections.refolding import Refolding
from projections.store import CursorLost, Move
from projections.verification import Flaw, Verification
from tests.contracts.feed import save_users
from tests.projections.test_folds import AT


def fold(event):
    if isinstance(event.data, User.Event | User.Registered):
        yield Put(event.stream, **{f"seen_{event.version}": event.type}, at=event.at)
        yield Add(event.stream, events=1)
        yield Put(f"lane {event.lane}", lane_number=event.lane)
        yield Add(f"lane {event.lane}", events=1, positions=event.position)


def poisonous(*poison):
    def of(event):
        if event.position in poison:
            raise ValueError("poison")
        yield from fold(event)

    return Projection("people", 1, of)


PEOPLE = Projection("people", 1, fold)


class Told:
    """Implements Progress, and remembers."""

    def __init__(self) -> None:
        self.steps: list[Reached] = []

    def tell(self, *step) -> None:
        self.steps.append(Reached(*step))


class Models:
    """One read model of a log."""

    def __init__(self, database, log: MongoEventLog) -> None:
        self.database, self.log = database, log
        self.store, self.stored = MongoReadModels(database), MongoStored(database)
        self.generations = self.store.generations
        self.generations.prepare([PEOPLE], {}, log.lanes)
        self.hands = Own(log, self.store, self.stored)
        self.told = Told()

    @property
    def live(self) -> int:
        return self.generations.pointer("people").generation

    def fold_live(self, projection=PEOPLE) -> None:
        """As workers would."""
        Refolding(self.log, self.store, projection, self.live, range(self.log.lanes)).run(self.log.head())

    def rebuild(self, projection=PEOPLE, request=None, stop=None, **options) -> int:
        rebuild = self.rebuilding(request or uuid4(), projection)
        return rebuild.run(stop or Event(), is_full=options.get("is_full", True)).generation

    def roll_back(self, projection=PEOPLE) -> int:
        return self.rebuilding(uuid4(), projection).roll_back(Event()).generation

    def rebuilding(self, request, projection=PEOPLE) -> Rebuild:
        return Rebuild(self.generations, self.store, self.log, self.hands, self.told, projection, request)

    def verify(self, projection=PEOPLE, generation=None, **options):
        lanes = frozenset(range(self.log.lanes))
        verification = Verification(self.log, self.stored, projection, generation or self.live, lanes)
        return verification.run(is_full=options.get("is_full", True))

    def documents(self, generation=None) -> dict:
        found = self.database[collection_name("people", generation or self.live)].find()
        return {document["_id"]: document for document in found}

    def collections(self) -> set[str]:
        return {name for name in self.database.list_collection_names() if name.startswith("people_g")}


@pytest.fixture
def models(database, log) -> Models:
    return Models(database, log)


def test_a_rebuild_makes_the_same_documents_and_they_are_asked_from_then_on(models):
    save_users(models.log, 30)
    models.fold_live()
    before, digest = models.documents(), models.verify().digest
    assert models.rebuild() == 2
    assert models.live == 2
    assert models.documents() == before
    assert (models.verify().digest, models.verify().findings) == (digest, ())
    assert models.generations.pointer("people").previous.number == 1


def test_a_rebuild_of_a_paused_one_brings_it_to_the_logs_end_and_it_stays_paused(models):
    save_users(models.log, 10)
    models.fold_live()
    models.generations.pause("people", is_paused=True)
    save_users(models.log, 10)
    assert models.rebuild() == 2
    assert models.generations.pointer("people").is_paused
    assert max(models.store.positions("people").values()) == models.log.head()
    assert models.verify().findings == ()


def test_a_rebuild_and_a_rollback_tell_how_far_they_are_to_the_very_end(models):
    save_users(models.log, 30)
    models.rebuild()
    models.roll_back()
    head, last = models.log.head(), {step.kind: step for step in models.told.steps}
    assert list(last) == ["rebuild", "verify", "roll_back"]
    assert {(step.name, step.upto, step.of) for step in last.values()} == {("people", head, head)}


def test_a_verification_in_several_passes_tells_of_all_of_them_together(models, monkeypatch):
    save_users(models.log, 30)
    models.fold_live()
    monkeypatch.setattr(verification, "PASS_DOCUMENTS", 10)
    told = []
    lanes = frozenset(range(models.log.lanes))
    made = Verification(models.log, models.stored, PEOPLE, models.live, lanes)
    made.run(is_full=True, tell=lambda *step: told.append(step))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert len(shares) > 1
    assert shares[-1] == 1


def test_what_is_not_as_the_log_says_does_not_go_live(models, monkeypatch):
    save_users(models.log, 5)
    models.fold_live()
    refold = models.hands.refold

    def spoiling(projection, generation, *others):
        refold(projection, generation, *others)
        models.database[collection_name("people", generation)].update_many({}, {"$set": {"seen_1": "nothing"}})

    monkeypatch.setattr(models.hands, "refold", spoiling)
    with pytest.raises(Refused, match="not what the log says"):
        models.rebuild()
    assert (models.live, models.collections()) == (1, {"people_g1"})


def test_what_a_rebuild_makes_is_a_fold_of_the_log(models):
    save_users(models.log, 10)
    models.rebuild()
    expected = coalesce(PEOPLE, models.log.read(0, 1_000))
    found = models.documents()
    assert found.keys() == expected.keys()
    assert sum(found[f"lane {lane}"]["events"] for lane in range(8) if f"lane {lane}" in found) == models.log.head()


def test_whoever_folds_the_live_one_is_shut_out_and_finds_its_place_in_the_new_one(models):
    save_users(models.log, 10)
    models.fold_live()
    zombie = models.store.claim(PEOPLE, 0)
    models.rebuild()
    with pytest.raises(CursorLost):
        models.store.commit([Move(zombie, 1_000, {})])
    assert models.store.claim(PEOPLE, 0).generation == 2


def test_the_swap_itself_shuts_out_whoever_folds_the_old_one(models):
    save_users(models.log, 10)
    generation = models.generations.begin(PEOPLE, uuid4(), models.log.lanes)
    models.hands.refold(PEOPLE, generation.number, models.log.head(), Event(), tell_nobody)
    zombie = models.store.claim(PEOPLE, 0)
    models.generations.swap("people", generation)
    with pytest.raises(CursorLost):
        models.store.commit([Move(zombie, 1_000, {})])


def test_one_that_is_behind_the_live_one_does_not_go_live(models):
    save_users(models.log, 10)
    generation = models.generations.begin(PEOPLE, uuid4(), models.log.lanes)
    models.fold_live()
    before = {lane: models.store.claim(PEOPLE, lane) for lane in range(8)}
    with pytest.raises(NotCaughtUp):
        models.generations.swap("people", generation)
    assert models.live == 1
    models.store.commit([Move(cursor, cursor.position + 1, {}) for cursor in before.values()])


def test_a_rebuild_wins_the_race_against_a_live_one_that_goes_on(models):
    save_users(models.log, 50)
    stop = Event()

    def write() -> None:
        while not stop.wait(0.005):
            save_users(models.log, 1)

    def follow() -> None:
        while not stop.wait(0.005):
            try:
                models.fold_live()
            except CursorLost:
                continue

    threads = [Thread(target=write), Thread(target=follow)]
    for thread in threads:
        thread.start()
    try:
        assert models.rebuild() == 2
        assert models.rebuild() == 3
        assert models.roll_back() == 2
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    models.fold_live()
    assert models.verify().findings == ()


def test_a_live_one_that_is_always_ahead_is_held_for_a_moment(models, monkeypatch):
    save_users(models.log, 10)
    owner = Refolding(models.log, models.store, PEOPLE, models.live, range(models.log.lanes))
    stop, tries, swap = Event(), [], models.generations.swap

    def go_ahead_and_swap(projection, generation):
        tries.append(generation)
        if len(tries) == 5:
            stop.set()
        save_users(models.log, 1)
        with suppress(CursorLost):
            owner.run(models.log.head())
        swap(projection, generation)

    monkeypatch.setattr(models.generations, "swap", go_ahead_and_swap)
    assert models.rebuild(stop=stop) == 2
    assert len(tries) == 1


def test_a_rollback_catches_up_and_can_be_taken_back(models):
    save_users(models.log, 10)
    models.rebuild()
    save_users(models.log, 10)
    models.fold_live()
    after = models.documents()
    assert models.roll_back() == 1
    assert models.documents() == after
    assert models.roll_back() == 2
    assert models.documents() == after


def test_there_is_nothing_to_go_back_to_at_first_nor_after_it_was_dropped(models):
    with pytest.raises(Refused, match="no earlier generation"):
        models.roll_back()
    models.rebuild()
    models.generations.drop_previous("people")
    with pytest.raises(Refused, match="no earlier generation"):
        models.roll_back()
    assert models.collections() <= {"people_g2"}


def test_no_way_back_into_another_version(models):
    save_users(models.log, 3)
    models.rebuild()
    with pytest.raises(Refused, match="version 1"):
        models.roll_back(msgspec.structs.replace(PEOPLE, version=2))
    assert models.live == 2


def test_only_two_generations_are_kept(models):
    save_users(models.log, 3)
    for _ in range(3):
        models.rebuild()
    assert models.collections() == {"people_g3", "people_g4"}
    assert len(models.generations.positions("people", 2)) == 0


# Killed in the middle -----------------------------------------------------------------------------------------


def test_a_rebuild_that_was_stopped_goes_on_with_the_same_generation(models):
    save_users(models.log, 1_200)
    request, stop = uuid4(), Event()
    stop.set()
    with pytest.raises(Stopped):
        models.rebuild(request=request, stop=stop)
    assert models.live == 1
    assert models.rebuild(request=request) == 2
    assert models.verify().findings == ()


def test_a_request_that_is_done_is_not_done_again_and_what_was_compared_is_known(models):
    save_users(models.log, 5)
    rebuild = models.rebuilding(uuid4())
    made = rebuild.run(Event(), is_full=True)
    assert (made.generation, made.verified.documents, made.verified.findings) == (2, len(models.documents()), ())
    assert rebuild.run(Event(), is_full=True) == made


def test_another_request_or_version_begins_anew_and_leaves_nothing_behind(models):
    save_users(models.log, 3)
    models.generations.begin(PEOPLE, uuid4(), models.log.lanes)
    assert models.rebuild() == 3
    assert models.collections() == {"people_g3"} | models.collections() & {"people_g1"}


def test_a_step_that_was_stored_in_part_is_finished_and_adds_nothing_twice(models, monkeypatch):
    save_users(models.log, 40)
    monkeypatch.setattr("adapters.mongo.read_models.read_models.TRANSACTION_BYTES", 500)
    generation = models.generations.begin(PEOPLE, uuid4(), models.log.lanes).number
    original = models.store._fill

    def killed_in_the_middle(move):
        if move.cursor.part:
            raise KeyboardInterrupt
        original(move)

    monkeypatch.setattr(models.store, "_fill", killed_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        models.hands.refold(PEOPLE, generation, models.log.head(), Event(), tell_nobody)
    assert models.database.cursors.count_documents({"part.upto": models.log.head()}) == 1
    monkeypatch.undo()
    save_users(models.log, 100)
    models.hands.refold(PEOPLE, generation, models.log.head(), Event(), tell_nobody)
    verified = models.verify(generation=generation)
    assert verified.findings == ()
    assert verified.documents > 140


# Verification -------------------------------------------------------------------------------------------------


def change(models, id, update) -> None:
    models.database["people_g1"].update_one({"_id": id}, update)


def findings(models):
    return {(finding.document, finding.flaw) for finding in models.verify().findings}


def test_one_changed_byte_is_named_and_a_rebuild_mends_it(models):
    save_users(models.log, 10)
    models.fold_live()
    victim = models.log.read(4, 1)[0].stream
    change(models, victim, {"$set": {"seen_1": "User.registered"}})
    (finding,) = models.verify().findings
    assert (finding.document, finding.flaw, finding.fields) == (str(victim), Flaw.CHANGED, ("seen_1",))
    models.rebuild()
    assert models.verify().findings == ()


def test_missing_extra_and_stale_documents_are_named(models):
    save_users(models.log, 10)
    models.fold_live()
    lost, stale = (models.log.read(position, 1)[0].stream for position in (0, 4))
    models.database["people_g1"].delete_one({"_id": lost})
    change(models, stale, {"$unset": {"seen_2": 1}, "$set": {"position": 5}})
    invented = uuid4()
    models.database["people_g1"].insert_one({"_id": invented, "lane": 0, "position": 3})
    assert findings(models) == {
        (str(lost), Flaw.MISSING),
        (str(stale), Flaw.STALE),
        (str(invented), Flaw.EXTRA),
    }


def test_what_is_verified_may_go_on_changing(models):
    save_users(models.log, 200)
    models.fold_live()
    stop = Event()

    def go_on() -> None:
        while not stop.is_set():
            save_users(models.log, 2)
            models.fold_live()

    thread = Thread(target=go_on)
    thread.start()
    try:
        for _ in range(5):
            assert models.verify().findings == ()
    finally:
        stop.set()
        thread.join()


def test_documents_that_are_ahead_of_the_cursors_are_compared_where_they_are(models, monkeypatch):
    save_users(models.log, 30)
    models.fold_live()
    whole = models.verify()
    monkeypatch.setattr(models.stored, "positions_of", lambda *_: dict.fromkeys(range(models.log.lanes), 9))
    assert models.verify() == whole
    change(models, models.log.read(40, 1)[0].stream, {"$set": {"seen_1": "other"}})
    assert [finding.flaw for finding in models.verify().findings] == [Flaw.CHANGED]


def test_a_verification_in_several_passes_compares_every_document_once(models, monkeypatch):
    save_users(models.log, 30)
    models.fold_live()
    whole = models.verify()
    monkeypatch.setattr("projections.verification.PASS_DOCUMENTS", 7)
    assert models.verify() == whole


def test_a_sample_is_a_part_of_many_documents_and_all_of_few(models, monkeypatch):
    save_users(models.log, 100)
    models.fold_live()
    assert models.verify(is_full=False) == models.verify()
    monkeypatch.setattr("projections.verification.FEW", 50)
    assert 0 < models.verify(is_full=False).documents < 30


# Parked and discarded -----------------------------------------------------------------------------------------


def test_what_cannot_be_folded_is_parked_in_the_generation_where_it_failed(models):
    save_users(models.log, 10)
    broken = poisonous(3)
    models.rebuild(broken)
    stream = models.log.read(2, 1)[0].stream
    assert models.verify(broken).findings == ()
    assert models.verify(PEOPLE).findings == ()
    assert stream not in models.documents() or "seen_1" not in models.documents()[stream]
    models.rebuild(PEOPLE)
    assert models.database.dead_letters.count_documents({"generation": 3}) == 0
    assert "seen_1" in models.documents()[stream]


def test_what_makes_a_document_that_the_store_refuses_is_parked_by_a_rebuild_as_well(models):
    def fold_too_large(event):
        yield from fold(event)
        if event.position == 3:
            yield Put(event.stream, number=2**70)

    save_users(models.log, 10)
    models.rebuild(Projection("people", 1, fold_too_large))
    (first, *_) = models.database.dead_letters.find({"generation": 2}).sort("position")
    assert (first["position"], first["stream"]) == (3, models.log.read(2, 1)[0].stream)
    assert models.verify().findings == ()


def decide(models, stream, position=0) -> None:
    letters = DeadLetter(id=letters_of("people", stream), projection="people", parked=stream, timestamp=AT)
    letters.discard(position, "of no use", AT) if position else letters.retry(AT)
    models.log.save(Context("operator", AT, uuid4()), letters)


def test_the_same_comes_out_of_folding_rebuilding_and_verifying_whatever_is_parked_and_discarded(models):
    save_users(models.log, 10)
    broken = poisonous(1, 7)
    models.fold_live(broken)
    parked = models.log.read(0, 1)[0].stream
    discarded = models.log.read(6, 1)[0].stream
    decide(models, discarded, 7)
    models.fold_live(broken)
    live = models.verify(broken)
    assert live.findings == ()
    models.rebuild(broken)
    assert models.verify(broken) == live
    assert models.store.parked(models.store.claim(PEOPLE, models.log.read(0, 1)[0].lane)) == {parked}
    models.rebuild(PEOPLE)
    assert "seen_1" in models.documents()[parked]
    assert "seen_1" not in models.documents()[discarded]
    assert "seen_2" in models.documents()[discarded]


def make_unknown(database, stream, type) -> None:
    """Change an event's type in the log, as if another version of this program had written it."""
    for commit in database.commits.find({"st": stream}):
        events = [{**event, "d": bytes(event["d"]).replace(type.encode(), b"User.Enchanted")} for event in commit["e"]]
        database.commits.update_one({"_id": commit["_id"]}, {"$set": {"e": events}})


def past(models, projection) -> dict:
    """Every document as time travel says that it is at the log's end."""
    travel, head = Past(models.log, models.stored), models.log.head()
    return {id: travel.document(projection, models.live, id, head) for id in models.documents()}


def stored(models) -> dict:
    """The same as it lies there."""
    return {id: models.stored.document("people", models.live, id) for id in models.documents()}


def test_time_travel_says_the_same_as_a_rebuild_whatever_is_parked_and_discarded(models):
    save_users(models.log, 10)
    broken = poisonous(1, 7)
    models.fold_live(broken)
    decide(models, models.log.read(6, 1)[0].stream, 7)
    models.fold_live(broken)
    before = stored(models)
    assert past(models, broken) == before
    models.rebuild(broken)
    assert past(models, broken) == stored(models) == before
    models.rebuild(PEOPLE)
    assert past(models, PEOPLE) == stored(models)
    assert models.verify().findings == ()
    changed = {id for id, document in stored(models).items() if document != before.get(id)}
    assert changed == {models.log.read(0, 1)[0].stream, f"lane {models.log.read(0, 1)[0].lane}"}


def test_time_travel_leaves_out_what_cannot_be_read_as_the_live_one_does(models):
    save_users(models.log, 3)
    stream = models.log.read(0, 1)[0].stream
    last = models.log.history(stream)[-1]
    make_unknown(models.database, stream, last.type)
    models.fold_live()
    assert [letter["position"] for letter in models.database.dead_letters.find()] == [last.position]
    assert past(models, PEOPLE) == stored(models)


def test_parked_events_are_folded_late_and_sums_come_out_right(models):
    save_users(models.log, 10)
    broken = poisonous(1)
    models.fold_live(broken)
    decide(models, models.log.read(0, 1)[0].stream)
    models.fold_live(PEOPLE)
    assert models.verify(PEOPLE).findings == ()
    assert sum(one["events"] for id, one in models.documents().items() if str(id).startswith("lane")) == 20


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 7, 5_000])
def test_any_number_of_workers_and_any_size_of_batches_make_the_same(models, workers, size, monkeypatch):
    monkeypatch.setattr("adapters.mongo.commits.reading.PAGE", size)
    save_users(models.log, 20)
    generation = models.generations.begin(PEOPLE, uuid4(), models.log.lanes).number
    shares = [range(number, models.log.lanes, workers) for number in range(workers)]
    threads = [
        Thread(
            target=lambda lanes: Refolding(models.log, models.store, PEOPLE, generation, lanes, most_bytes=1).run(
                models.log.head()
            ),
            args=(lanes,),
        )
        for lanes in shares
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    models.fold_live()
    assert models.verify(generation=generation).digest == models.verify(generation=1).digest
    assert models.verify(generation=generation).findings == ()
