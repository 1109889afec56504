"""The supervisor under sanitizers, while input comes: in any pieces, from several at once, and from whoever lies."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from adapters.supervisor.records import (
    ALL_INPUT,
    COMMAND_MAX,
    HEAD,
    INPUT_MAX,
    KIND_CANCEL,
    KIND_INPUT,
    KIND_LAST_INPUT,
    encode_input,
    read_frames,
)
from application.ports.sandbox import Ended, Output, Started
from domain.execution import Status
from tests.security.supervising import Kept, job

LIMIT = 2**64


def reading(supervisor: Path, script: str = "cat", stdin: bytes = b"", **limits: float) -> Kept:
    return Kept(supervisor, msgspec.structs.replace(job(script, stdin, **limits), stdin_open=True))


def piece(offset: int, data: bytes, mark: int = 0, *, is_last: bool = False) -> bytes:
    return HEAD.pack(len(data), KIND_LAST_INPUT if is_last else KIND_INPUT, offset, mark) + data


def ended(kept: Kept) -> tuple[Status, bytes]:
    """How it ended, and what it printed after what was read before."""
    *frames, end = read_frames(kept.read)
    assert isinstance(end, Ended)
    return end.outcome.status, b"".join(frame.data for frame in frames if isinstance(frame, Output))


def test_input_that_comes_byte_by_byte_is_one(supervisor: Path):
    kept = reading(supervisor)
    for byte in piece(0, b"one, ") + piece(5, b"two", is_last=True):
        kept.write(bytes([byte]))
    assert ended(kept) == (Status.SUCCEEDED, b"one, two")
    assert kept.hang_up() == 0


@pytest.mark.parametrize(
    ("offset", "size", "taken"),
    [
        (0, 2, 4),
        (2, 2, 4),
        (3, 4, 7),
        (4, 3, 7),
        (5, 3, 4),
        (LIMIT - 1, 9, 4),
        (LIMIT - 4, 20, 4),
        (0, 0, 4),
        (1, 9000, 9001),
    ],
)
def test_only_what_is_new_and_follows_is_taken(supervisor: Path, offset: int, size: int, taken: int):
    whole = os.urandom(20_000)
    kept = reading(supervisor)
    kept.write(piece(0, whole[:4], 1))
    assert kept.skip_to(1)[0] == 4
    kept.write(piece(offset, whole[offset:][:size].ljust(size, b"?"), 2))
    assert kept.skip_to(2)[0] == taken
    kept.write(piece(0, whole, 3, is_last=True))
    assert kept.skip_to(3)[0] == ALL_INPUT
    kept.ask(0, 4)
    kept.skip_to(4)
    assert ended(kept) == (Status.SUCCEEDED, whole)
    kept.end()


def test_no_more_is_taken_than_there_is_room_for(supervisor: Path):
    kept = reading(supervisor, "head -c 1; sleep 100", wall_seconds=3)
    kept.write(piece(0, b"x" * 2 * INPUT_MAX, 1))
    assert kept.skip_to(1)[0] == INPUT_MAX
    kept.write(piece(INPUT_MAX, b"x", 2))
    assert kept.skip_to(2)[0] == INPUT_MAX
    kept.end()


def test_a_script_that_does_not_read_holds_up_neither_a_cancel_nor_its_clock(supervisor: Path):
    for end, status in ((HEAD.pack(0, KIND_CANCEL, 0, 0), Status.CANCELLED), (b"", Status.TIMED_OUT)):
        kept = reading(supervisor, "sleep 100", stdin=b"x" * 1_000_000, wall_seconds=3)
        before = time.monotonic()
        for record in encode_input(0, b"x" * INPUT_MAX, True, 1):
            kept.write(record)
        kept.write(end)
        assert ended(kept)[0] is status
        assert (time.monotonic() - before < 2.5) is (status is Status.CANCELLED)
        assert kept.hang_up() == 0


def test_records_of_writers_at_once_do_not_mix(supervisor: Path):
    whole = os.urandom(300_000)
    records = list(encode_input(0, whole, False, 1))
    assert {len(record) for record in records[:-1]} == {COMMAND_MAX}
    kept = reading(supervisor)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [kept.write_at_once(record) for record in records], range(4)))
    kept.write(piece(len(whole), b"", is_last=True))
    assert ended(kept) == (Status.SUCCEEDED, whole)
    kept.end()


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 6, 19, 2**32 - 1])
def test_what_follows_another_record_than_input_is_passed_over(supervisor: Path, kind: int):
    kept = reading(supervisor)
    kept.write(piece(0, b"first"))
    time.sleep(0.2)
    kept.write(HEAD.pack(9000, kind, 5, 0) + piece(5, b"forged") * 300)
    kept.write(piece(5, b"", is_last=True))
    assert ended(kept) == (Status.CANCELLED if kind == KIND_CANCEL else Status.SUCCEEDED, b"first")
    kept.end()


def test_a_script_that_closed_its_input_wants_no_more(supervisor: Path):
    kept = reading(supervisor, "exec <&-; echo closed; sleep 1")
    frames = read_frames(kept.read)
    assert [type(next(frames)), type(next(frames))] == [Started, Output]
    kept.write(piece(0, b"", 1))
    assert kept.skip_to(1)[0] == ALL_INPUT
    kept.end()


def test_input_after_the_end_is_wanted_no_more(supervisor: Path):
    kept = reading(supervisor, "echo done")
    assert ended(kept) == (Status.SUCCEEDED, b"done\n")
    kept.write(piece(7, b"late", 1))
    assert kept.skip_to(1) == (ALL_INPUT, [])
    assert kept.hang_up() == 0


def test_where_nobody_is_left_to_give_input_it_ends(supervisor: Path):
    kept = reading(supervisor, "cat; echo end")
    kept.write(piece(0, b"some, "))
    kept.close()
    assert ended(kept) == (Status.SUCCEEDED, b"some, end\n")
    assert kept.hang_up() == 0
