"""A saga: what is due when, what is given up, and that it ends once."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.execution import Limits, Status
from domain.saga import START_WITHIN, TELL_WITHIN, Step, begun, step_of
from tests.domain.test_execution import requested

AT = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def saga():
    started = begun(requested(), "run-1", AT)
    started.collect_events()
    return started


def events_of(one) -> list[str]:
    return [type(event).__name__ for event in one.collect_events()]


def test_its_deadlines_follow_from_the_time_limit_of_the_run():
    assert saga().start_by == AT + START_WITHIN
    assert saga().end_by == AT + START_WITHIN + timedelta(seconds=Limits().wall_seconds) + TELL_WITHIN


@pytest.mark.parametrize(
    ("status", "after", "step"),
    [
        (Status.STARTING, START_WITHIN, None),
        (Status.STARTING, START_WITHIN + MOMENT, Step.CREATE),
        (Status.RUNNING, START_WITHIN + MOMENT, None),
        (Status.RUNNING, timedelta(hours=1), Step.WATCH),
        (Status.SUCCEEDED, timedelta(hours=1), None),
    ],
)
def test_a_step_is_overdue_when_its_deadline_is_behind_and_the_run_has_not_gone_on(status, after, step):
    assert saga().overdue(status, AT + after) is step


def test_only_the_first_step_that_is_given_up_counts():
    one = saga()
    one.compensate(Step.CREATE, "too late", AT)
    one.compensate(Step.WATCH, "too late", AT)
    assert events_of(one) == ["Compensated"]
    assert (one.compensated, one.reason) == (Step.CREATE, "too late")


def test_its_place_is_given_back_once():
    one = saga()
    one.release(AT)
    one.release(AT)
    assert events_of(one) == ["Released"]


def test_all_of_one_run_is_in_one_lane():
    run = requested()
    assert begun(run, "run-1", AT).lane_key == run.lane_key


@pytest.mark.parametrize(
    ("status", "is_released", "step"),
    [
        (Status.STARTING, False, Step.CREATE),
        (Status.RUNNING, False, Step.WATCH),
        (Status.FAILED, False, Step.RELEASE),
        (Status.FAILED, True, Step.DONE),
    ],
)
def test_what_comes_next_follows_from_the_run_and_its_place(status, is_released, step):
    assert step_of(status, is_released) is step
