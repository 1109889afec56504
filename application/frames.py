"""The whole output of a run as one byte string: MessagePack, a list of [number, stream, data] in order."""

from collections.abc import Iterable, Sequence

import msgspec

from application.ports.sandbox import STDERR, STDOUT, Output

STREAMS = {"stdout": STDOUT, "stderr": STDERR}
"""By their names."""

_decoder = msgspec.msgpack.Decoder(list[tuple[int, int, bytes]])


def encode_frames(frames: Iterable[Output]) -> bytes:
    return msgspec.msgpack.encode([(frame.number, frame.stream, frame.data) for frame in frames])


def decode_frames(content: bytes) -> list[Output]:
    return [Output(number, stream, data) for number, stream, data in _decoder.decode(content)]


def one_stream(frames: Sequence[Output], stream: int) -> bytes:
    """All that was written to STDOUT or STDERR."""
    return b"".join(frame.data for frame in frames if frame.stream == stream)
