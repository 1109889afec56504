"""The supervisor under sanitizers, with jobs of every kind and with bytes that are no job."""

import os
import random
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from adapters.supervisor.records import (
    END,
    HEAD,
    JOB,
    KIND_CANCEL,
    KIND_END,
    KIND_JOB,
    encode_job,
    outcome,
    read_frames,
)
from adapters.supervisor.seen import Seen
from application.ports.sandbox import Ended, Output
from domain.execution import Status
from tests.security.supervising import BASH, NO_LEAKS, Kept, frames_of, job, sandboxed, supervise


@pytest.mark.parametrize(
    ("script", "stdin", "status"),
    [
        ("echo hello; echo oops >&2", b"", Status.SUCCEEDED),
        ("cat", bytes(1_000_000), Status.SUCCEEDED),
        ("exit 7", bytes(1_000_000), Status.FAILED),
        ("kill -9 $$", b"", Status.FAILED),
        ("sleep 100 & disown", b"", Status.SUCCEEDED),
        ("exec >&- 2>&-; sleep 0.1", b"", Status.SUCCEEDED),
        ("for i in {1..200}; do echo $i; done; for i in {1..50}; do (true) & done; wait", b"", Status.SUCCEEDED),
    ],
)
def test_jobs_run_without_a_finding(supervisor: Path, script: str, stdin: bytes, status: Status):
    *_, end = frames_of(supervisor, job(script, stdin))
    assert isinstance(end, Ended)
    assert end.outcome.status is status


def test_limits_hold_without_a_finding(supervisor: Path):
    *_, end = frames_of(supervisor, job("sleep 100", wall_seconds=0.2))
    assert isinstance(end, Ended)
    assert end.outcome.status is Status.TIMED_OUT
    frames = list(frames_of(supervisor, job("head -c 1000000 /dev/zero", output_bytes=99_999)))
    assert sum(len(frame.data) for frame in frames if isinstance(frame, Output)) == 99_999


def test_a_command_that_is_not_there_is_said(supervisor: Path):
    done = supervise(supervisor, encode_job(job(""), ["/no/such/program"]))
    *_, end = read_frames(BytesIO(done.stdout).read)
    assert isinstance(end, Ended)
    assert (end.outcome.status, end.outcome.reason) == (
        Status.INTERNAL_ERROR,
        "/no/such/program: No such file or directory",
    )


def test_bytes_that_are_no_job_are_refused(supervisor: Path):
    chance = random.Random(1)
    whole = encode_job(job("echo hello"), ["/bin/bash"])
    for _ in range(int(os.environ.get("RUNLEDGER_FUZZ_ROUNDS", "150"))):
        done = supervise(supervisor, spoil(whole, chance))
        assert b"Sanitizer" not in done.stderr, done.stderr.decode()
        assert b"runtime error" not in done.stderr, done.stderr.decode()
        assert last_record_is_an_end(done.stdout)


def spoil(record: bytes, chance: random.Random) -> bytes:
    """Flip bytes, cut, or put a large number into a size; one or more of them."""
    spoiled = bytearray(record)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(spoiled))
        match chance.randrange(4):
            case 0:
                spoiled[at] ^= 1 << chance.randrange(8)
            case 1:
                del spoiled[at + 1 :]
            case 2:
                spoiled[at : at + 8] = struct.pack("<q", chance.choice([-1, 0, 2**31, 2**32 - 1, 2**62]))
            case _:
                spoiled[at:at] = chance.randbytes(chance.randint(1, 30))
    return bytes(spoiled)


def last_record_is_an_end(written: bytes) -> bool:
    at, kind = 0, 0
    while at + HEAD.size <= len(written):
        size, kind, _, _ = HEAD.unpack_from(written, at)
        at += HEAD.size + size
    return kind == KIND_END and at == len(written)


def test_outside_a_sandbox_it_refuses_to_run(supervisor: Path):
    done = subprocess.run([supervisor], input=b"", capture_output=True, check=False)
    size, kind, number, _ = HEAD.unpack_from(done.stdout)
    assert (done.returncode, kind) == (1, KIND_END)
    assert "PID 1" in outcome(number, done.stdout[HEAD.size : HEAD.size + size]).reason


def test_the_formats_are_those_of_the_header():
    assert (HEAD.size, JOB.size, END.size, KIND_JOB) == (24, 48, 56, 1)


def numbers_of(frames: Iterator[object]) -> list[int]:
    return [frame.number for frame in frames if isinstance(frame, Output)]


COUNT = "for i in {1..20}; do echo $i; sleep 0.01; done"


def test_kept_frames_are_sent_again_after_the_end_from_where_one_likes(supervisor: Path):
    kept = Kept(supervisor, job(COUNT))
    first = list(read_frames(kept.read))
    last = numbers_of(iter(first))[-1]
    for after in (0, 7, last - 1, last, 2**64 - 1):
        kept.ask(after, 1000 + after % 1000)
        assert kept.skip_to(1000 + after % 1000) == (after, [])
        again = list(read_frames(kept.read))
        assert [first[0], *first[1:-1][after:], first[-1]] == again
    assert kept.hang_up() == 0


@pytest.mark.parametrize("other", [0, 100, 2**64 - 1])
def test_a_reader_misses_nothing_when_another_asks_in_between(supervisor: Path, other: int):
    kept = Kept(supervisor, job("head -c 4000000 /dev/zero"))
    list(read_frames(kept.read))
    kept.ask(50, 5)
    kept.ask(other, 6)
    time.sleep(0.2)
    assert kept.skip_to(5) == (50, [])
    seen = Seen(50)
    numbers = numbers_of(frame for frame in read_frames(kept.read) if seen.is_new(frame))
    assert numbers == list(range(51, seen.last + 1))
    assert seen.last > 240
    kept.end()


def test_a_reader_that_does_not_read_holds_up_neither_clock_nor_cancel(supervisor: Path):
    loud = "head -c 4000000 /dev/zero; sleep 100"
    kept = Kept(supervisor, job(loud, wall_seconds=0.5))
    time.sleep(1.5)
    *_, end = read_frames(kept.read)
    assert isinstance(end, Ended)
    assert end.outcome.status is Status.TIMED_OUT
    assert end.outcome.wall_seconds < 1
    assert end.outcome.stdout_bytes == 4_000_000
    assert kept.hang_up() == 0
    kept = Kept(supervisor, job(loud))
    time.sleep(0.5)
    kept.write(HEAD.pack(0, KIND_CANCEL, 0, 0))
    time.sleep(0.5)
    *_, end = read_frames(kept.read)
    assert isinstance(end, Ended)
    assert end.outcome.status is Status.CANCELLED
    assert end.outcome.wall_seconds < 1
    assert kept.hang_up() == 0


@pytest.mark.parametrize("first", [10, 24, 100])
def test_a_job_that_stops_in_the_middle_has_lost_its_sender(supervisor: Path, first: int):
    kept = Kept(supervisor, job("echo never"), first)
    (end,) = read_frames(kept.read)
    assert isinstance(end, Ended)
    assert end.outcome.status is Status.INTERNAL_ERROR
    assert end.outcome.reason in {"no job came", "the job was cut off"}
    kept.end()


def test_a_way_out_that_nobody_takes_is_told(supervisor: Path):
    command = [*sandboxed(supervisor), "network"]
    given = encode_job(job("true"), BASH.command)
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, env=NO_LEAKS)
    (end,) = read_frames(BytesIO(done.stdout).read)
    assert isinstance(end, Ended)
    assert (end.outcome.status, done.stderr) == (Status.INTERNAL_ERROR, b"")
    assert end.outcome.reason == "the network has no way out: Bad file descriptor"


def test_a_way_out_is_handed_out_with_the_socket_that_listens_inside(supervisor: Path):
    ours, theirs = socket.socketpair()
    script = "exec 5<>/dev/tcp/127.0.0.1/3128 && echo connected; ls /proc/self/fd"
    command = ["bash", "-c", f'exec 4<&{theirs.fileno()} "$@"', "-", *sandboxed(supervisor), "network"]
    given = encode_job(job(script), BASH.command)
    with ours, theirs:
        done = subprocess.run(
            command, input=given, capture_output=True, check=False, timeout=60, env=NO_LEAKS, pass_fds=[theirs.fileno()]
        )
        _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    with socket.socket(fileno=listener) as inside:
        assert inside.getsockname() == ("127.0.0.1", 3128)
        inside.accept()[0].close()
    assert done.stderr == b"", done.stderr.decode()
    assert b"connected\n0\n1\n2\n3\n5\n" in b"".join(
        frame.data for frame in read_frames(BytesIO(done.stdout).read) if isinstance(frame, Output)
    )
