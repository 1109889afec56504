"""What is read quickly is what the driver reads, however a commit is written."""

from datetime import UTC, datetime
from uuid import UUID

import bson
import pytest
from bson import Int64
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st

from adapters.mongo.commits import quick
from adapters.mongo.commits.commits import Commit, Line, Mark, document, lines

OPTIONS = CodecOptions(uuid_representation=UuidRepresentation.STANDARD, tz_aware=True)
TRICKY = b"\x00\x030\x00\x05s\x00\x10\x00\x00\x00\x04\x10v\x00"
"""Bytes that look like the beginning of an event."""

numbers = st.integers(0, 2**40) | st.integers(1, 300)
data = st.binary(max_size=40) | st.just(TRICKY)
lined = st.builds(Line, st.uuids(), numbers, st.text(max_size=10), st.integers(0, 300), data)
commits = st.builds(
    lambda first, some, marks: document(first, datetime.now(UTC), [Commit(some, marks=marks)]),
    st.integers(1, 2**40) | st.integers(1, 2**31 - 1),
    st.lists(lined, min_size=1, max_size=12, unique_by=lambda line: (line.stream, line.version)),
    st.lists(st.builds(Mark, st.text(max_size=5), st.integers(1, 9), numbers), max_size=1),
)


def read(some):
    batch = b"".join(bson.encode(one, codec_options=OPTIONS) for one in some)
    return list(quick.commits(batch, OPTIONS))


@given(st.lists(commits, max_size=4))
def test_every_event_is_read_as_the_driver_reads_it(some):
    assert read(some) == [list(lines(one)) for one in some]


def plain(events=1):
    return document(
        7, datetime.now(UTC), [Commit([Line(UUID(int=n), 1, "Happened", 3, b"data") for n in range(events)])]
    )


@pytest.mark.parametrize("events", [1, 12])
def test_the_log_s_own_commits_need_no_driver(monkeypatch, events):
    expected = list(lines(plain(events)))
    batch = bson.encode(plain(events), codec_options=OPTIONS)
    monkeypatch.setattr(bson, "decode", None)
    assert list(quick.commits(batch, OPTIONS)) == [expected]


@pytest.mark.parametrize(
    "change",
    [
        {"_id": Int64(7)},
        {"at": "noon"},
        {"c": "none"},
        {"l": 1},
        {"e": [{**plain()["e"][0], "v": Int64(1)}]},
        {"e": [plain()["e"][0], {**plain()["e"][0], "more": 1}]},
        {"e": [plain()["e"][0], {"more": 1, **plain()["e"][0]}]},
    ],
)
def test_what_is_written_otherwise_is_read_as_well(change):
    changed = {**plain(), **change}
    assert read([changed, plain()]) == [list(lines(changed)), list(lines(plain()))]
    reordered = dict(reversed(changed.items()))
    assert read([reordered]) == [list(lines(changed))]
