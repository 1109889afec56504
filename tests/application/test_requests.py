"""What an idempotency key is bound to, and why a language cannot run."""

import pytest

from application.languages import why_not
from application.run_requests import RunRequest, canonical


def test_a_key_is_bound_to_the_same_bytes_as_before_there_were_variables_and_network():
    plain = b'{"language":"python","limits":null,"script":"x","stdin":null,"version":null}'
    assert canonical(RunRequest("python", "x")) == plain
    assert canonical(RunRequest("python", "x", env={}, network=False)) == plain


def test_and_to_variables_and_network_where_they_are_asked_for():
    asked = canonical(RunRequest("python", "x", env={"A": "1"}, network=True))
    assert b'"env":{"A":"1"}' in asked
    assert b'"network":true' in asked


@pytest.mark.parametrize(
    ("version", "reason"),
    [(None, "Go 1.22 is not there."), ("1.21", "Go 1.21 is not there."), ("1.5", "there is no such version.")],
)
def test_a_language_that_is_not_installed_says_why_also_where_no_version_is_named(version: str | None, reason: str):
    missing = {"1.21": "Go 1.21 is not there.", "1.22": "Go 1.22 is not there."}
    assert f"cannot run here: {reason} " in why_not("go", version, missing)
