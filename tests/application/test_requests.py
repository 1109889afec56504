"""What an idempotency key is bound to."""

from application.executions import RunRequest, _canonical


def test_a_key_is_bound_to_the_same_bytes_as_before_there_were_variables_and_network():
    plain = b'{"language":"python","limits":null,"script":"x","stdin":null,"version":null}'
    assert _canonical(RunRequest("python", "x")) == plain
    assert _canonical(RunRequest("python", "x", env={}, network=False)) == plain


def test_and_to_variables_and_network_where_they_are_asked_for():
    asked = _canonical(RunRequest("python", "x", env={"A": "1"}, network=True))
    assert b'"env":{"A":"1"}' in asked
    assert b'"network":true' in asked
