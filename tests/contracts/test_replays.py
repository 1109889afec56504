"""The targets of replays: a file."""

import json

import pytest

from adapters.files.replays import Files
from application.replaying import TargetUnavailable
from domain.replay import Kind
from tests.contracts.replays import Killed, Mortal, NamedOutletContract, named


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

    def test_a_folder_that_cannot_be_written_is_told_and_tried_again(self, tmp_path):
        self.folder.write_text("a file where the folder should be")
        replay = self.prepared()
        with pytest.raises(TargetUnavailable, match="cannot be written"):
            self.run(replay)
        self.folder.unlink()
        self.run(replay)
        self.check(replay, self.selected(replay))
