"""What an idempotency key is bound to: keys that were used before a field existed mean the same request for ever."""

import pytest

from application.run_requests import LimitWishes, RunRequest, canonical

FIRST = b'{"language":"python","limits":null,"script":"print(1)","stdin":null,"version":null}'


@pytest.mark.parametrize("later", [{}, {"env": None}, {"env": {}}, {"stdin_open": False}], ids=str)
def test_a_request_without_what_came_later_is_what_it_was(later):
    assert canonical(RunRequest("python", "print(1)", **later)) == FIRST


@pytest.mark.parametrize(
    "more",
    [{"version": "3.11"}, {"stdin": "x"}, {"limits": LimitWishes(pids=1)}, {"env": {"A": "1"}}, {"stdin_open": True}],
    ids=str,
)
def test_whatever_is_asked_for_is_a_part_of_it(more):
    assert canonical(RunRequest("python", "print(1)", **more)) != FIRST
