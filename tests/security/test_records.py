"""Whatever comes out of a sandbox is frames, or said to be garbled: nothing else reaches who watches."""

from io import BytesIO

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.supervisor.records import (
    COMMAND_MAX,
    END,
    FRAME_MAX,
    HEAD,
    KIND_END,
    KIND_LAST_INPUT,
    KIND_STARTED,
    KIND_STDOUT,
    Garbled,
    decode,
    encode_input,
    ending_where_garbled,
    read_frames,
)
from application.ports.sandbox import Ended, Frame, Output, Started
from domain.execution import Status

numbers = st.integers(0, 2**64 - 1) | st.integers(0, 20) | st.sampled_from([2**63 - 1, 2**63, 253402300799999999])
words = st.integers(0, 2**32 - 1) | st.integers(0, 30)
kinds = st.integers(0, 25) | words
ends = st.builds(END.pack, words, *[st.integers(-(2**31), 2**31 - 1)] * 2, words, *[numbers] * 5)
bodies = st.binary(max_size=700) | st.builds(lambda end, reason: end + reason, ends, st.binary(max_size=600))
records = st.builds(
    lambda kind, number, at, body: HEAD.pack(len(body), kind, number, at) + body, kinds, numbers, numbers, bodies
)
streams = st.lists(records | st.binary(max_size=50), max_size=8).map(b"".join)


def can_be_stored(frame: Frame) -> bool:
    """As an event, and in a store whose integers have 64 bits."""
    numbers = [value for value in msgspec.to_builtins(frame).values() if isinstance(value, int)]
    if isinstance(frame, Ended):
        numbers += [value for value in msgspec.to_builtins(frame.outcome).values() if isinstance(value, int)]
    return bool(msgspec.json.encode(frame)) and all(-(2**63) <= number < 2**63 for number in numbers)


@given(kinds, numbers, numbers, bodies)
@example(KIND_END, 0, 0, END.pack(8, 0, 0, 0, 5, 5, 5, 3, 3))
@example(KIND_END, 0, 0, END.pack(1, 0, 0, 0, 5, 5, 2**63, 3, 3))
@example(KIND_END, 0, 0, b"short")
@example(KIND_STARTED, 0, 2**64 - 1, b"")
@example(KIND_STDOUT, 2**63, 0, b"x")
def test_a_record_is_a_frame_that_can_be_stored_or_garbled(kind: int, number: int, at: int, body: bytes):
    try:
        frame = decode(kind, number, at, body)
    except Garbled:
        return
    assert isinstance(frame, Started | Output | Ended)
    assert can_be_stored(frame)


@given(streams)
def test_a_stream_is_frames_and_at_most_one_end(stream: bytes):
    frames = list(ending_where_garbled(read_frames(BytesIO(stream).read)))
    assert sum(isinstance(frame, Ended) for frame in frames[:-1]) == 0
    assert all(can_be_stored(frame) for frame in frames)


@pytest.mark.parametrize("size", [FRAME_MAX + 1, 2**32 - 1])
def test_more_than_a_frame_is_never_waited_for(size: int):
    reads = []
    (end,) = ending_where_garbled(read_frames(lambda n: reads.append(n) or HEAD.pack(size, KIND_STDOUT, 1, 0)))
    assert isinstance(end, Ended)
    assert (end.outcome.status, reads) == (Status.INTERNAL_ERROR, [HEAD.size])


@given(st.integers(0, 2**20), st.binary(max_size=20_000), st.booleans(), st.integers(1, 2**63))
def test_input_is_cut_into_records_that_fit_and_make_up_the_whole(offset: int, data: bytes, is_last: bool, mark: int):
    records = list(encode_input(offset, data, is_last, mark))
    heads = [HEAD.unpack_from(record) for record in records]
    assert all(
        len(record) == HEAD.size + size <= COMMAND_MAX for record, (size, *_) in zip(records, heads, strict=True)
    )
    assert b"".join(record[HEAD.size :] for record in records) == data
    assert [number - offset for _, _, number, _ in heads] == [at * 4072 for at in range(len(heads))]
    assert [(kind == KIND_LAST_INPUT, at) for _, kind, _, at in heads] == [
        *[(False, 0)] * (len(heads) - 1),
        (is_last, mark),
    ]
