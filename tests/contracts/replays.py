"""What the port Outlet promises: every selected event is there once and in order, whoever is killed when."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from adapters.mongo.log.replays import MongoMarks, MongoSelecting
from application import replaying
from application.outlets import Mark, Outlets, Stopped, TargetRefused, TargetUnavailable
from application.ports.log import Recorded
from application.progress import tell_nobody
from application.replaying import Session
from domain.replay import Kind, Replay, Selection, Target
from tests.contracts.event_log import OPERATOR
from tests.contracts.feed import save_users

AT = datetime(2026, 1, 1, tzinfo=UTC)
STREAMS = 20
FEW = 7
"""Events of one step, so that there are many of them."""


class Killed(Exception):
    """Stands for SIGKILL: nothing of this process is done after it."""


class Mortal(MongoMarks):
    """The process is killed after it has written so many steps, before or after it has noted the last of them."""

    def __init__(self, database, lives: int, *, is_noted: bool) -> None:
        super().__init__(database)
        self.lives, self.is_noted = lives, is_noted

    def move(self, replay, mark: Mark) -> None:
        self.lives -= 1
        if self.lives > 0 or self.is_noted:
            super().move(replay, mark)
        if self.lives <= 0:
            raise Killed


class OutletContract:
    """A subclass gives `outlets`, `target` and `check`."""

    outlets: Outlets
    target: Target

    def check(self, replay: Replay, events: Sequence[Recorded]) -> None:
        """That these are there, each once and in order, and nothing else."""
        raise NotImplementedError

    def check_gone(self, replay: Replay) -> None:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _log(self, database, journal, log, monkeypatch):
        monkeypatch.setattr(replaying, "MOST_EVENTS", FEW)
        self.database, self.log = database, log
        self.selecting, self.marks = MongoSelecting(journal), MongoMarks(database)
        self.streams = save_users(log, STREAMS)

    def prepared(self, target: Target | None = None, **selection) -> Replay:
        """One that is running."""
        wanted = Selection(**{"first": 1, "last": self.log.head()} | selection)
        replay = Replay(uuid4(), wanted, target or self.target, 0.0, 0, AT)
        replay.start(AT)
        self.log.save(OPERATOR, replay)
        return replay

    def session(self, replay: Replay, marks: MongoMarks | None = None) -> Session:
        return Session(self.log, self.selecting, marks or self.marks, replay, lambda: False, tell_nobody)

    def run(self, replay: Replay, marks: MongoMarks | None = None) -> int:
        """How many events there were."""
        session = self.session(replay, marks)
        assert session.run(self.outlets.outlet(replay)) is not None
        return session.mark.events

    def selected(self, replay: Replay) -> list[Recorded]:
        return [event for event in self.log.read(0, 1_000) if replay.selection.holds(event)]

    # Promises -------------------------------------------------------------------------------------------------

    def test_all_of_it(self):
        replay = self.prepared()
        assert self.run(replay) == 2 * STREAMS
        self.check(replay, self.selected(replay))

    @pytest.mark.parametrize("by", ["types", "streams", "positions"])
    def test_what_is_selected_and_nothing_else(self, by):
        wanted = {
            "types": {"types": ("User.LoggedIn",)},
            "streams": {"streams": tuple(self.streams[3:9])},
            "positions": {"first": 12, "last": 31},
        }
        replay = self.prepared(**wanted[by])
        assert self.run(replay) == len(self.selected(replay)) > 0
        self.check(replay, self.selected(replay))

    @pytest.mark.parametrize("is_noted", [True, False])
    @pytest.mark.parametrize("every", [1, 3])
    def test_killed_again_and_again_nothing_is_there_twice_or_missing(self, every, is_noted):
        replay = self.prepared()
        kills, events = 0, 0
        while not events:
            lives = every + (kills if every == 1 else 2)  # opening takes two
            try:
                events = self.run(replay, Mortal(self.database, lives, is_noted=is_noted))
            except Killed:
                kills += 1
            except TargetUnavailable:
                time.sleep(0.2)  # the worker tries again as well
        assert kills > 1
        assert events == 2 * STREAMS
        self.check(replay, self.selected(replay))

    def test_killed_after_all_was_done_it_is_done(self):
        replay = self.prepared()
        self.run(replay)
        assert self.run(replay) == 2 * STREAMS
        self.check(replay, self.selected(replay))

    def test_whoever_was_taken_for_dead_does_no_harm(self):
        replay = self.prepared()
        stale, outlet = self.session(replay), self.outlets.outlet(replay)
        with pytest.raises(Killed):
            self.run(replay, Mortal(self.database, 6, is_noted=True))
        with pytest.raises(Stopped):
            stale.run(outlet)
        assert self.run(replay) == 2 * STREAMS
        self.check(replay, self.selected(replay))

    @pytest.mark.parametrize("lives", [1, 5])
    def test_what_is_thrown_away_is_gone_and_throwing_it_away_again_is_harmless(self, lives):
        replay = self.prepared()
        with pytest.raises(Killed):
            self.run(replay, Mortal(self.database, lives, is_noted=True))
        replay.cancel(AT)
        for _ in range(2):
            self.outlets.discard(replay, self.marks.claim(replay.id))
            self.check_gone(replay)

    def test_several_at_once_do_not_meet(self):
        one, other = self.prepared(), self.prepared(self.other_target, types=("User.LoggedIn",))
        with pytest.raises(Killed):
            self.run(one, Mortal(self.database, 5, is_noted=True))
        self.run(other)
        self.run(one)
        self.check(one, self.selected(one))
        self.check(other, self.selected(other))

    @property
    def other_target(self) -> Target:
        return msgspec.structs.replace(self.target, name=f"other-{self.target.name}")


class NamedOutletContract(OutletContract):
    """Targets whose names somebody else may have taken."""

    def test_what_is_there_already_is_refused_and_stays(self):
        first = self.prepared()
        self.run(first)
        with pytest.raises(TargetRefused, match="exists already"):
            self.outlets.check(self.target.name)
        second = self.prepared()
        with pytest.raises(TargetRefused, match="exists already"):
            self.run(second)
        second.fail(0, "", AT)
        self.outlets.discard(second, self.marks.claim(second.id))
        self.check(first, self.selected(first))

    @pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "", "a b", "ä", "x" * 300, "a\n"])
    def test_a_name_that_leads_elsewhere_is_refused(self, name):
        with pytest.raises(TargetRefused, match="cannot be a"):
            self.outlets.check(name)


def named(kind: Kind, ending: str = "") -> Target:
    return Target(kind, f"replay-{uuid4().hex}{ending}")
