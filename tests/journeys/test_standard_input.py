"""Standard input while a run goes on: the script reads each byte once, in order, and people are told of it."""

import base64
import hashlib
import random
import time
import uuid
from contextlib import closing
from itertools import pairwise

import httpx
import pytest

from domain.standard_input import BYTES
from tests.journeys.conftest import execute, follow, output_of, result_of

ASKS = """
import sys
for line in iter(sys.stdin.readline, ""):
    print("you said", line.strip(), flush=True)
print("and no more")
"""
SUM = "import hashlib, sys\nread = sys.stdin.buffer.read()\nprint(len(read), hashlib.sha256(read).hexdigest())"
SLEEPER = "print('up', flush=True)\nimport time\ntime.sleep(25)"


def give(api: httpx.Client, run: str, **fields: object) -> httpx.Response:
    return api.post(f"/executions/{run}/stdin", json=fields)


def given(api: httpx.Client, run: str, **fields: object) -> int:
    """Where the input goes on."""
    answer = give(api, run, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["offset"]


def refused(answer: httpx.Response, status: int) -> str:
    """In which words."""
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


def answers(api: httpx.Client, run: str, words: str) -> None:
    """Its output has these words by now, or soon."""
    written = b""
    for message in follow(api, run):
        if message.event == "output":
            written += output_of([message])
            if words.encode() in written:
                return
    raise AssertionError(f"it never said {words!r}, but {written!r}")


def test_a_script_asks_and_is_answered_line_by_line(api):
    run = execute(api, ASKS, stdin="at first\n", stdin_open=True)
    answers(api, run, "you said at first")
    offset = 0
    for word in ("one", "žluťoučký", "three"):
        offset = given(api, run, text=f"{word}\n", offset=offset)
        answers(api, run, f"you said {word}")
    assert offset == len("one\nžluťoučký\nthree\n".encode())
    assert given(api, run, end=True) == offset
    result = result_of(api, run)
    assert (result["status"], result["exit_code"]) == ("succeeded", 0)
    said = "you said at first\nyou said one\nyou said žluťoučký\nyou said three\nand no more\n"
    assert output_of(list(follow(api, run))).decode() == said


def test_each_byte_arrives_once_and_in_order_whatever_it_is(api):
    content = random.Random(6).randbytes(600_000)
    run = execute(api, SUM, stdin_open=True)
    cuts = [0, 1, 2, 300, 70_000, 70_001, 599_999, 600_000]
    for start, end in pairwise(cuts):
        piece = base64.b64encode(content[start:end]).decode()
        assert given(api, run, base64=piece, offset=start, end=end == 600_000) == end
    expected = f"600000 {hashlib.sha256(content).hexdigest()}\n"
    assert output_of(list(follow(api, run))).decode() == expected


def test_a_run_that_waits_keeps_its_input_until_it_starts(api):
    busy = [execute(api, "import time; time.sleep(1.5)") for _ in range(8)]
    run = execute(api, ASKS, stdin="first\n", stdin_open=True)
    given(api, run, text="second\n")
    given(api, run, text="third\n", end=True)
    said = b"you said first\nyou said second\nyou said third\nand no more\n"
    assert output_of(list(follow(api, run))) == said
    for one in busy:
        assert result_of(api, one)["status"] == "succeeded"


def test_the_same_input_at_the_same_offset_is_taken_once_and_answered_alike(api):
    run = execute(api, ASKS, stdin_open=True)
    first = give(api, run, text="one\n", offset=0)
    assert give(api, run, text="two\n", offset=4).status_code == 202
    again = give(api, run, base64=base64.b64encode(b"one\n").decode(), offset=0)
    assert (again.status_code, again.json()) == (202, first.json())
    end = give(api, run, end=True, offset=8)
    assert give(api, run, end=True, offset=8).json() == end.json()
    result_of(api, run)
    assert give(api, run, text="two\n", offset=4).status_code == 202, "also after its end"
    assert output_of(list(follow(api, run))) == b"you said one\nyou said two\nand no more\n"


def test_other_input_there_and_a_gap_are_refused_with_the_offset_that_is_expected(api):
    run = execute(api, ASKS, stdin_open=True)
    given(api, run, text="one\n", offset=0)
    for offset, fields in ((0, {"text": "two\n"}), (0, {"text": "one\n", "end": True}), (3, {"text": "x"}), (9, {})):
        words = refused(give(api, run, **{"text": "one\n", "offset": offset} | fields), 409)
        assert words == f"The input of this run goes on at offset 4, not at {offset}."
    given(api, run, end=True, offset=4)
    assert output_of(list(follow(api, run))) == b"you said one\nand no more\n"


def test_what_takes_no_input_says_why(api):
    closed = execute(api, ASKS)
    assert "`stdin_open`" in refused(give(api, closed, text="x"), 409) or result_of(api, closed)
    run = execute(api, SLEEPER, stdin_open=True)
    given(api, run, text="all", end=True)
    assert "has been ended" in refused(give(api, run, text="more"), 409)
    assert api.post(f"/executions/{run}/cancel").status_code == 202
    result_of(api, run)
    assert "has ended already" in refused(give(api, run, text="more"), 409)
    assert refused(give(api, str(uuid.uuid4()), text="x"), 404)


def test_so_much_is_the_most_with_what_came_first(api):
    run = execute(api, SUM, stdin="x" * (BYTES - 10), stdin_open=True)
    words = refused(give(api, run, text="y" * 11), 422)
    assert words == "This run has 999,990 bytes of input; with 11 more it has over 1,000,000."
    given(api, run, text="y" * 10)
    assert refused(give(api, run, text="y"), 422)
    given(api, run, end=True)
    assert output_of(list(follow(api, run))).split()[0] == b"1000000"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"text": ""},
        {"end": False},
        {"text": "a", "base64": "YQ=="},
        {"base64": "not base64!"},
        {"text": 1},
        {"text": "a", "offset": -1},
        {"text": "a", "offset": 2**63},
        {"text": "a", "more": True},
    ],
    ids=str,
)
def test_what_is_no_input_is_refused_in_words(wrong, api):
    run = execute(api, SLEEPER, stdin_open=True)
    assert refused(give(api, run, **wrong), 422)
    api.post(f"/executions/{run}/cancel")
    assert api.get(f"/executions/{run}").json()["stdin_offset"] == 0


def test_nobody_else_can_give_it(api, running_system):
    run = execute(api, ASKS, stdin_open=True)
    with closing(running_system.client()) as nobody:
        assert refused(give(nobody, run, text="x"), 401)
        name = f"other-{uuid.uuid4().hex[:8]}"
        nobody.post("/auth/register", json={"username": name, "password": "correct horse battery staple"})
        assert refused(give(nobody, run, text="x"), 404)
    given(api, run, end=True)
    assert output_of(list(follow(api, run))) == b"and no more\n"


def test_how_it_stands_is_shown_and_what_was_given_is_not(api, running_system):
    run = execute(api, ASKS, stdin_open=True)
    answer = give(api, run, text="a private word\n")
    shown = api.get(f"/executions/{run}", params={"min_position": answer.json()["position"]}).json()
    assert (shown["stdin_open"], shown["stdin_offset"]) == (True, 15)
    given(api, run, text="x", end=True)
    result_of(api, run)
    shown = api.get(f"/executions/{run}").json()
    assert (shown["stdin_open"], shown["stdin_offset"]) == (False, 16)
    events = api.get(f"/executions/{run}/events").json()["items"]
    assert [one["words"] for one in events if one["type"] == "input_given"] == [
        "15 bytes of input",
        "1 byte of input, the last",
    ]
    events = running_system.cli("events", "list", "--limit", "10000", "--json").stdout
    assert b"Execution.InputGiven" in events
    assert b"private word" not in events


def test_whoever_follows_the_run_hears_of_it(api):
    run = execute(api, ASKS, stdin_open=True)
    given(api, run, text="one\n")
    given(api, run, end=True)
    heard = [message.data["words"] for message in follow(api, run) if message.event == "input_given"]
    assert heard == ["4 bytes of input", "Input ended"]


def test_a_script_that_never_reads_holds_up_nobody(api):
    sleeper = execute(api, SLEEPER, stdin_open=True)
    for _ in range(9):
        given(api, sleeper, text="x" * 100_000)
    run = execute(api, ASKS, stdin_open=True)
    given(api, run, text="one\n", end=True)
    since = time.monotonic()
    assert output_of(list(follow(api, run))) == b"you said one\nand no more\n"
    assert time.monotonic() - since < 10
    assert api.post(f"/executions/{sleeper}/cancel").status_code == 202
    assert result_of(api, sleeper)["status"] == "cancelled"


def test_input_for_a_run_that_ends_meanwhile_does_no_harm(api):
    run = execute(api, "print(input())", stdin_open=True)
    given(api, run, text="one\n" * 1000)
    for _ in range(20):
        answer = give(api, run, text="more\n")
        assert answer.status_code in {202, 409}
    assert result_of(api, run)["status"] == "succeeded"
    assert output_of(list(follow(api, run))) == b"one\n"


def test_a_key_is_bound_to_it_too(api):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"language": "python", "script": "print(1)"}
    more = ({}, {"stdin_open": False}, {"stdin_open": True})
    assert [api.post("/execute", json=body | one, headers=key).status_code for one in more] == [202, 202, 409]


def test_a_run_of_a_batch_takes_input_and_a_repeated_one_where_it_had_not_ended(api):
    items = [{"language": "python", "script": ASKS, "stdin_open": True}]
    run = api.post("/execute/batch", json={"items": items}).json()["items"][0]["execution_id"]
    given(api, run, text="one\n")
    next(message for message in follow(api, run) if message.event == "output")
    api.post(f"/executions/{run}/cancel")
    list(follow(api, run))
    again = api.post(f"/executions/{run}/retry").json()["execution_id"]
    given(api, again, text="two\n", end=True)
    assert output_of(list(follow(api, again))) == b"you said one\nyou said two\nand no more\n"
