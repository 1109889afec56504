"""The records of `records.h`, in Python: the job that goes in, the frames that come out."""

import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from application.ports.sandbox import STDERR, STDOUT, Ended, Frame, InputMissing, Job, Output, Started
from domain.execution import Outcome, Status

HEAD = struct.Struct("<IIQQ")
JOB = struct.Struct("<QQQQIIII")
END = struct.Struct("<IiiIQQQQQ")

KIND_JOB, KIND_CANCEL, KIND_RESEND, KIND_INPUT, KIND_LAST_INPUT = 1, 2, 3, 4, 5
KIND_STARTED, KIND_STDOUT, KIND_STDERR, KIND_END, KIND_RESENT, KIND_TAKEN = 16, 17, 18, 19, 20, 21
KEEPS_FRAMES, MORE_INPUT = 1, 2
JOB_MAX = 64 * 1024 * 1024
FRAME_MAX = 16384
REASON_MAX = 512
INPUT_MAX = 1024 * 1024
COMMAND_MAX = 4096
ALL_INPUT = 2**64 - 1
"""How much input has come, where no more is wanted."""

EXITED, TIMED_OUT, OUTPUT_LIMIT, CANCELLED, OUT_OF_MEMORY, LOST, BROKEN = range(1, 8)
INT64_MAX = 2**63 - 1
LATEST_US = 253402300799999999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WORK = "/work"
"""The script's own folder, as it sees it."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""What a script sees of an environment besides the person's own variables.

Python's two: output as it is printed, and no writing of caches."""

ENDINGS = {
    TIMED_OUT: (Status.TIMED_OUT, "it reached its time limit"),
    OUTPUT_LIMIT: (Status.OUTPUT_LIMIT, "it printed more than is kept"),
    CANCELLED: (Status.CANCELLED, "it was cancelled"),
    OUT_OF_MEMORY: (Status.OUT_OF_MEMORY, "it reached its memory limit"),
    LOST: (Status.LOST, "its sandbox was lost"),
    BROKEN: (Status.INTERNAL_ERROR, "its sandbox failed"),
}


class JobTooLarge(ValueError):
    """Script and stdin together are larger than a sandbox takes."""


class InputTooLarge(ValueError):
    """A run takes 1 MB of input while it runs."""


class Garbled(Exception):
    """It wrote what is no record."""


def encode_job(job: Job, command: Sequence[str], *, keeps_frames: bool = False) -> bytes:
    """The JOB record. `command` is the interpreter as this adapter calls it. Raises JobTooLarge.

    A supervisor that keeps the frames also bounds the script's processes: where it does, no cgroup of ours can.
    """
    environment = [f"{name}={value}" for name, value in {**ENVIRONMENT, **job.environment}.items()]
    words = b"".join(word.encode() + b"\0" for word in (*command, *environment, job.runtime.file_name))
    sizes = JOB.pack(
        int(job.limits.wall_seconds * 1_000_000),
        job.limits.output_bytes,
        len(job.script),
        len(job.stdin),
        len(command),
        len(environment),
        job.limits.pids if keeps_frames else 0,
        (KEEPS_FRAMES if keeps_frames else 0) | (MORE_INPUT if job.stdin_open else 0),
    )
    body = sizes + words + job.script + job.stdin
    if len(body) > JOB_MAX:
        raise JobTooLarge(JobTooLarge.__doc__)
    return HEAD.pack(len(body), KIND_JOB, 0, 0) + body


def encode_input(offset: int, data: bytes, is_last: bool, mark: int) -> Iterator[bytes]:
    """INPUT records, each small enough to be written at once; the last one asks for TAKEN with this mark."""
    piece = COMMAND_MAX - HEAD.size
    for at in range(0, max(len(data), 1), piece):
        some = data[at : at + piece]
        is_end = at + len(some) == len(data)
        kind = KIND_LAST_INPUT if is_end and is_last else KIND_INPUT
        yield HEAD.pack(len(some), kind, offset + at, mark if is_end else 0) + some


def check_taken(taken: int, offset: int, size: int) -> None:
    """Whether input is on its way, where so much of it has come. Raises InputMissing, InputTooLarge."""
    if taken < offset:
        raise InputMissing(InputMissing.__doc__)
    if taken < offset + size:
        raise InputTooLarge(InputTooLarge.__doc__)


def read_frames(read: Callable[[int], bytes]) -> Iterator[Frame]:
    """Frames from a blocking `read(size)`, up to Ended or where the records stop. Answers to others are passed over.

    Raises Garbled.
    """
    while len(head := read(HEAD.size)) == HEAD.size:
        size, kind, number, at_us = HEAD.unpack(head)
        if size > FRAME_MAX:
            raise Garbled(Garbled.__doc__)
        data = read(size) if size else b""
        if len(data) < size:
            return
        if kind not in (KIND_RESENT, KIND_TAKEN):
            yield decode(kind, number, at_us, data)
        if kind == KIND_END:
            return


def ending_where_garbled(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Whoever wrote that cannot be trusted any more, so nothing else will tell how the run ended."""
    try:
        yield from frames
    except Garbled:
        yield Ended(Outcome(Status.INTERNAL_ERROR, "its sandbox wrote what is no record"), datetime.now(UTC))


def decode(kind: int, number: int, at_us: int, data: bytes) -> Frame:
    """Raises Garbled, whatever the bytes are."""
    if at_us > LATEST_US or number > INT64_MAX:
        raise Garbled(Garbled.__doc__)
    match kind:
        case 16:
            return Started(EPOCH + timedelta(microseconds=at_us))
        case 17:
            return Output(number, STDOUT, data)
        case 18:
            return Output(number, STDERR, data)
        case 19:
            return Ended(outcome(number, data), EPOCH + timedelta(microseconds=at_us))
    raise Garbled(Garbled.__doc__)


def outcome(last_frame: int, data: bytes) -> Outcome:
    """Of an END. Raises Garbled."""
    if not END.size <= len(data) <= END.size + REASON_MAX:
        raise Garbled(Garbled.__doc__)
    cause, code, signal_number, _, *sizes = END.unpack_from(data)
    if not EXITED <= cause <= BROKEN or max(sizes) > INT64_MAX:
        raise Garbled(Garbled.__doc__)
    wall_us, cpu_us, peak, stdout_bytes, stderr_bytes = sizes
    status, reason = _exit(code, signal_number) if cause == EXITED else ENDINGS[cause]
    return Outcome(
        status=status,
        reason=data[END.size :].decode(errors="replace") or reason,
        exit_code=None if code < 0 else code,
        signal=signal_number or None,
        wall_seconds=wall_us / 1e6,
        cpu_seconds=cpu_us / 1e6,
        peak_memory_bytes=peak,
        last_frame=last_frame,
        stdout_bytes=stdout_bytes,
        stderr_bytes=stderr_bytes,
    )


def _exit(code: int, signal_number: int) -> tuple[Status, str]:
    if signal_number:
        return Status.FAILED, f"it was ended by signal {_signal_name(signal_number)}"
    return (Status.SUCCEEDED if code == 0 else Status.FAILED), f"it exited with code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last have no names
        return str(number)
