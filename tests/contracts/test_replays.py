"""The targets of replays: a file, a topic of the embedded Kafka, a generation beside the live one."""

import json

import pytest

from adapters.files.replays import Files
from adapters.kafka.replays import Topics
from adapters.kafka.topics import CHECKPOINTS, DEAD_LETTERS, EVENTS
from adapters.mongo.read_models.generations import collection_name
from adapters.mongo.read_models.read_models import MongoReadModels
from application.outlets import TargetRefused, TargetUnavailable
from domain.replay import Kind, Target
from projections.beside import Beside
from projections.changes import coalesce
from tests.contracts.replays import Killed, Mortal, NamedOutletContract, OutletContract, named
from tests.contracts.test_rebuild import PEOPLE
from tests.faults.brokers import records_at

MOCK_PARTITIONS = 4


class TestFiles(NamedOutletContract):
    @pytest.fixture(autouse=True)
    def _open(self, tmp_path, _log):
        self.folder, self.outlets = tmp_path / "replays", Files(tmp_path)
        self.target = named(Kind.FILE, ".jsonl")

    def check(self, replay, events):
        lines = [json.loads(line) for line in (self.folder / replay.target.name).read_text().splitlines()]
        assert [line["position"] for line in lines] == [event.position for event in events]
        assert [line["id"] for line in lines] == [str(event.id) for event in events]
        assert not list(self.folder.glob(f".{replay.id}*"))

    def check_gone(self, replay):
        assert not self.folder.exists() or not list(self.folder.iterdir())

    def test_a_draft_that_was_torn_or_taken_away_is_mended(self):
        for damage in (lambda draft: draft.unlink(), lambda draft: draft.write_bytes(draft.read_bytes()[:100])):
            self.target = named(Kind.FILE)
            replay = self.prepared()
            with pytest.raises(Killed):
                self.run(replay, Mortal(self.database, 7, is_noted=True))
            damage(self.folder / f".{replay.id}.draft")
            self.run(replay)
            self.check(replay, self.selected(replay))

    def test_of_two_with_one_name_the_loser_says_whose_the_file_is(self):
        loser, winner = self.prepared(), self.prepared()
        with pytest.raises(Killed):
            self.run(loser, Mortal(self.database, 3, is_noted=True))
        self.run(winner)
        with pytest.raises(TargetRefused, match="it is another replay's, and stays as it is"):
            self.run(loser)
        self.check(winner, self.selected(winner))

    def test_a_folder_that_cannot_be_written_is_told_and_tried_again(self, tmp_path):
        self.folder.write_text("a file where the folder should be")
        replay = self.prepared()
        with pytest.raises(TargetUnavailable, match="cannot be written"):
            self.run(replay)
        self.folder.unlink()
        self.run(replay)
        self.check(replay, self.selected(replay))


class TestTopics(NamedOutletContract):
    partitions = MOCK_PARTITIONS

    @pytest.fixture(autouse=True)
    def _open(self, broker, journal, _log):
        self.broker, self.outlets = broker, Topics(journal, lambda: broker.address)
        self.target = named(Kind.TOPIC)

    def check(self, replay, events):
        last = dict.fromkeys(range(self.partitions), 0)
        wanted = {partition: [] for partition in last}
        for event in events:
            partition = event.lane % self.partitions
            wanted[partition].append((event.position, last[partition], str(event.id)))
            last[partition] = event.position
        found = {partition: [] for partition in last}
        for record in records_at(self.broker.address, replay.target.name, self.partitions):
            found[record.lane].append((record.place.position, record.place.previous, record.event))
        assert found == wanted

    def check_gone(self, replay):
        """The embedded broker forgets topics when it ends."""

    @pytest.mark.parametrize("name", [EVENTS, DEAD_LETTERS, CHECKPOINTS])
    def test_this_systems_own_topics_are_refused(self, name):
        with pytest.raises(TargetRefused, match="somebody may read it"):
            self.outlets.check(name)

    def test_a_broker_that_cannot_be_reached_is_told(self):
        self.broker.kill()
        with pytest.raises(TargetRefused, match="Kafka cannot be used now"):
            self.outlets.check("some-topic")

    def test_what_the_embedded_broker_forgot_when_it_ended_is_sent_again(self):
        replay = self.prepared()
        with pytest.raises(Killed):
            self.run(replay, Mortal(self.database, 6, is_noted=True))
        self.broker.kill()
        self.broker.start()
        assert self.run(replay) == len(self.selected(replay))
        self.check(replay, self.selected(replay))


class TestBeside(OutletContract):
    @pytest.fixture(autouse=True)
    def _open(self, _log):
        self.store = MongoReadModels(self.database)
        self.generations = self.store.generations
        self.generations.prepare([PEOPLE], {}, self.log.lanes)
        self.outlets = Beside(self.log, self.store, self.generations, {PEOPLE.name: PEOPLE})
        self.target = Target(Kind.PROJECTION, PEOPLE.name)

    @property
    def other_target(self):
        return self.target

    def documents(self, generation):
        found = self.database[collection_name(PEOPLE.name, generation)].find()
        return {one.pop("_id"): {name: one[name] for name in one if name != "lane"} for one in found}

    def check(self, replay, events):
        pointer = self.generations.pointer(PEOPLE.name)
        made = pointer.of_replay(replay.id)
        assert self.documents(made.number) == {id: one.document for id, one in coalesce(PEOPLE, events).items()}
        assert (pointer.generation, pointer.previous, pointer.building) == (1, None, None)
        assert self.documents(1) == {}

    def check_gone(self, replay):
        pointer = self.generations.pointer(PEOPLE.name)
        assert (pointer.beside, pointer.generation) == ((), 1)
        names = {name for name in self.database.list_collection_names() if name.startswith(PEOPLE.name)}
        assert names <= {collection_name(PEOPLE.name, 1)}
        assert {one["_id"].split("/")[1] for one in self.database.cursors.find()} == {"1"}

    def test_an_unknown_read_model_is_refused(self):
        with pytest.raises(TargetRefused, match="There is no read model 'nothing'; there are people"):
            self.outlets.check("nothing")
