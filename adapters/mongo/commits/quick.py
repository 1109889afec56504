"""The events of commits as the server sends them, read quickly.

The driver makes a dict of everything, which takes it half as long as it takes the server to find it, most of that for
UUIDs that stand there a second time, for the indexes. Here the events alone are read, where `commits.document` puts
them; what is written otherwise is left to the driver.
"""

import re
import struct
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import bson
import msgspec
from bson.codec_options import CodecOptions

from adapters.mongo.commits.commits import Line, Placed, lines

_HEAD = re.compile(rb".{4}\x10_id\0(.{4})\x10z\0.{4}\x10n\0.{4}\x09at\0.{8}\x04c\0", re.DOTALL)
_BEHIND_IDS = (b"\x04st\0", b"\x04l\0", b"\x04k\0", b"\x04e\0")
"""The arrays that follow the ids of the commits; the last one holds the events."""
_EVENT = re.compile(
    rb"\x03[0-9]+\0.{4}"
    rb"\x05s\0\x10\0\0\0\x04(.{16})\x10v\0(.{4})\x02t\0.{4}([^\0]*)\0\x10lane\0(.{4})\x05d\0(.{4})\0",
    re.DOTALL,
)
_END = 0
_SIZE = 4
_size_at = struct.Struct("<i").unpack_from


def commits(batch: bytes, options: CodecOptions[Any]) -> Iterator[list[Placed]]:
    """The events of each commit of a batch, with their positions."""
    start = 0
    while start < len(batch):
        end = start + _size_at(batch, start)[0]
        raw = batch[start:end]
        yield _read(raw) or list(lines(bson.decode(raw, options)))
        start = end


def _read(raw: bytes) -> list[Placed]:
    """Empty when the commit is written in another way."""
    head = _HEAD.match(raw)
    start = _events(raw, head.end()) if head else 0
    return _lines(raw, start, _number(head[1])) if head and start else []


def _lines(raw: bytes, at: int, position: int) -> list[Placed]:
    found: list[Placed] = []
    while event := _EVENT.match(raw, at):
        stream, version, kind, lane, size = event.groups()
        start = event.end()
        at = start + _number(size)
        line = Line(msgspec.convert(stream, UUID), _number(version), kind.decode(), _number(lane), raw[start:at])
        found.append((position + len(found), line))
        at += 1
    return found if raw[at] == _END else []


def _events(raw: bytes, at: int) -> int:
    """Where the first event begins; 0 when it is not found."""
    for name in _BEHIND_IDS:
        at += _size_at(raw, at)[0]
        if not raw.startswith(name, at):
            return 0
        at += len(name)
    return at + _SIZE


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
