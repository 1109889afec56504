"""A read model as its operators steer it: one rebuild at a time, and a way back only where there is one."""

from datetime import UTC, datetime

import pytest

from domain.read_model import Ending, NothingToGoBackTo, ReadModel, UnderWay, Verification, Work, read_model_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = Work(Ending.LIVE, "", 2, 10, "d")
REFUSED = Work(Ending.REFUSED, "it differs", 1, 0, "")


def named() -> ReadModel:
    model = ReadModel(id=read_model_of("people"), projection="people", timestamp=AT)
    model.collect_events()
    return model


def kinds(model: ReadModel) -> list[str]:
    return [type(event).__name__ for event in model.collect_events()]


def test_while_it_is_rebuilt_nothing_else_is_begun():
    model = named()
    model.rebuild(is_full=False, at=AT)
    for ask in (
        lambda: model.rebuild(is_full=True, at=AT),
        lambda: model.roll_back(AT),
        lambda: model.drop_previous(AT),
    ):
        with pytest.raises(UnderWay):
            ask()
    assert kinds(model) == ["RebuildRequested"]


def test_a_rebuild_that_went_live_leaves_a_way_back_and_one_that_was_refused_does_not():
    model = named()
    model.rebuild(is_full=False, at=AT)
    model.end(REFUSED, AT)
    with pytest.raises(NothingToGoBackTo):
        model.roll_back(AT)
    model.rebuild(is_full=False, at=AT)
    model.end(LIVE, AT)
    model.roll_back(AT)
    assert kinds(model) == ["RebuildRequested", "Ended", "RebuildRequested", "Ended", "RollbackRequested"]


def test_after_the_earlier_generation_was_dropped_there_is_no_way_back():
    model = named()
    with pytest.raises(NothingToGoBackTo):
        model.drop_previous(AT)
    model.rebuild(is_full=False, at=AT)
    model.end(LIVE, AT)
    model.drop_previous(AT)
    with pytest.raises(NothingToGoBackTo):
        model.roll_back(AT)


def test_an_end_that_is_heard_twice_counts_once():
    model = named()
    model.rebuild(is_full=False, at=AT)
    model.end(LIVE, AT)
    model.end(REFUSED, AT)
    assert model.last_work == LIVE
    assert kinds(model) == ["RebuildRequested", "Ended"]


def test_pausing_twice_or_resuming_what_runs_changes_nothing():
    model = named()
    model.resume(AT)
    model.pause(AT)
    model.pause(AT)
    model.resume(AT)
    assert kinds(model) == ["Paused", "Resumed"]


def test_a_verification_asked_for_twice_is_done_once():
    model = named()
    model.verify(is_full=True, at=AT)
    model.verify(is_full=False, at=AT)
    found = Verification(1, 10, "d", 0, "")
    model.end_verification(found, AT)
    model.end_verification(found, AT)
    assert kinds(model) == ["VerificationRequested", "Verified"]
    assert model.last_verification == found
