"""The records of `records.h`, in Python: the job that goes in, the frames that come out."""

import signal
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from application.ports import STDERR, STDOUT, Ended, Frame, Job, Output, Started
from domain.execution import Outcome, Status

HEAD = struct.Struct("<IIQQ")
JOB = struct.Struct("<QQQQIIII")
END = struct.Struct("<IiiIQQQQQ")

KIND_JOB, KIND_CANCEL, KIND_RESEND = 1, 2, 3
KIND_STARTED, KIND_STDOUT, KIND_STDERR, KIND_END, KIND_RESENT = 16, 17, 18, 19, 20
JOB_MAX = 64 * 1024 * 1024

EXITED, TIMED_OUT, OUTPUT_LIMIT, CANCELLED, OUT_OF_MEMORY, LOST, BROKEN = range(1, 8)
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
        keeps_frames,
    )
    body = sizes + words + job.script + job.stdin
    if len(body) > JOB_MAX:
        raise JobTooLarge(JobTooLarge.__doc__)
    return HEAD.pack(len(body), KIND_JOB, 0, 0) + body


def read_frames(read: Callable[[int], bytes]) -> Iterator[Frame]:
    """Frames from a blocking `read(size)`, up to Ended or where the records stop. Answers to others are passed over."""
    while len(head := read(HEAD.size)) == HEAD.size:
        size, kind, number, at_us = HEAD.unpack(head)
        data = read(size) if size else b""
        if len(data) < size:
            return
        if kind != KIND_RESENT:
            yield decode(kind, number, at_us, data)
        if kind == KIND_END:
            return


def decode(kind: int, number: int, at_us: int, data: bytes) -> Frame:
    match kind:
        case 16:
            return Started(EPOCH + timedelta(microseconds=at_us))
        case 17:
            return Output(number, STDOUT, data)
        case 18:
            return Output(number, STDERR, data)
        case 19:
            return Ended(outcome(number, data), EPOCH + timedelta(microseconds=at_us))
    raise ValueError(kind)


def outcome(last_frame: int, data: bytes) -> Outcome:
    cause, code, signal_number, _, wall_us, cpu_us, peak, stdout_bytes, stderr_bytes = END.unpack_from(data)
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
