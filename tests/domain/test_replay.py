"""A replay from its dry run to its end: what can be asked of it when, and what its worker may still say."""

from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest
from msgspec import Struct

from domain.replay import Kind, Replay, ReplayIs, ReplayStatus, Selection, Target

AT = datetime(2026, 1, 1, tzinfo=UTC)
ASKED = ("start", "pause", "resume", "cancel", "drop")
MAY = {
    (ReplayStatus.PREPARED, "start"): ReplayStatus.RUNNING,
    (ReplayStatus.PREPARED, "cancel"): ReplayStatus.CANCELLED,
    (ReplayStatus.RUNNING, "start"): ReplayStatus.RUNNING,
    (ReplayStatus.RUNNING, "pause"): ReplayStatus.PAUSED,
    (ReplayStatus.RUNNING, "resume"): ReplayStatus.RUNNING,
    (ReplayStatus.RUNNING, "cancel"): ReplayStatus.CANCELLED,
    (ReplayStatus.PAUSED, "pause"): ReplayStatus.PAUSED,
    (ReplayStatus.PAUSED, "resume"): ReplayStatus.RUNNING,
    (ReplayStatus.PAUSED, "cancel"): ReplayStatus.CANCELLED,
    (ReplayStatus.COMPLETED, "drop"): ReplayStatus.DROPPED,
    (ReplayStatus.CANCELLED, "cancel"): ReplayStatus.CANCELLED,
    (ReplayStatus.DROPPED, "drop"): ReplayStatus.DROPPED,
}
WAYS = {
    ReplayStatus.PREPARED: (),
    ReplayStatus.RUNNING: ("start",),
    ReplayStatus.PAUSED: ("start", "pause"),
    ReplayStatus.CANCELLED: ("cancel",),
    ReplayStatus.COMPLETED: ("start", "complete"),
    ReplayStatus.DROPPED: ("start", "complete", "drop"),
    ReplayStatus.FAILED: ("start", "fail"),
}


class Seen(Struct):
    position: int = 5
    type: str = "User.LoggedIn"
    stream: object = None
    actor: str = "operator"


def replay(status: ReplayStatus = ReplayStatus.PREPARED) -> Replay:
    made = Replay(uuid4(), Selection(1, 9), Target(Kind.FILE, "some.jsonl"), 0.0, 9, AT)
    for way in WAYS[status]:
        tell(made, way)
    made.collect_events()
    return made


def tell(one: Replay, what: str) -> None:
    match what:
        case "complete":
            one.complete(9, "file some.jsonl", AT)
        case "fail":
            one.fail(4, "the file was taken away", AT)
        case _:
            getattr(one, what)(AT)


def kinds(one: Replay) -> list[str]:
    return [type(event).__name__ for event in one.collect_events()]


@pytest.mark.parametrize(("status", "asked"), list(product(ReplayStatus, ASKED)))
def test_only_what_makes_sense_can_be_asked(status, asked):
    one = replay(status)
    if (status, asked) in MAY:
        tell(one, asked)
        assert one.status is MAY[status, asked]
        assert len(one.collect_events()) == (one.status is not status)
    else:
        with pytest.raises(ReplayIs, match=f"is {status}; to {asked} one"):
            tell(one, asked)
        assert kinds(one) == []


def test_a_worker_may_end_it_once_and_also_while_it_is_paused():
    one = replay(ReplayStatus.PAUSED)
    one.complete(9, "there", AT)
    one.complete(9, "there", AT)
    one.fail(3, "no", AT)
    assert (one.status, one.events, one.made) == (ReplayStatus.COMPLETED, 9, "there")
    assert kinds(one) == ["Completed"]


@pytest.mark.parametrize("said", ["complete", "fail"])
def test_what_a_worker_says_after_it_was_cancelled_changes_nothing(said):
    one = replay(ReplayStatus.CANCELLED)
    tell(one, said)
    assert (one.status, kinds(one)) == (ReplayStatus.CANCELLED, [])


@pytest.mark.parametrize("status", list(ReplayStatus))
def test_only_what_is_wanted_no_more_is_thrown_away_and_once(status):
    one = replay(status)
    one.discard(4, AT)
    one.discard(4, AT)
    is_gone = status in {ReplayStatus.FAILED, ReplayStatus.CANCELLED, ReplayStatus.DROPPED}
    assert kinds(one) == (["Discarded"] if is_gone else [])
    assert one.is_discarded is is_gone


def test_a_selection_holds_what_all_its_conditions_hold_for():
    user, stream = uuid4(), uuid4()
    wanted = Selection(2, 5, ("User.LoggedIn",), (stream,), (user,))
    right = Seen(5, stream=stream, actor=f"user:{user}")
    assert wanted.holds(right)
    assert Selection(5, 5).holds(Seen())
    for wrong in (
        Seen(6, stream=stream, actor=right.actor),
        Seen(1, stream=stream, actor=right.actor),
        Seen(5, "User.LoggedOut", stream, right.actor),
        Seen(5, stream=uuid4(), actor=right.actor),
        Seen(5, stream=stream, actor=f"user:{uuid4()}"),
    ):
        assert not wanted.holds(wrong)
