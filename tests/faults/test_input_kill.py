"""Who passes on a run's input is killed -9, again and again: the script reads every byte once, in order."""

import hashlib
import random
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

import pytest

from application.frames import decode_frames, one_stream
from application.ports.sandbox import STDOUT
from application.run_requests import LimitWishes
from domain.execution import Status
from tests.faults.processes import Program, wait_until
from tests.faults.test_saga_kill import Partly, by_operator
from tests.system import running

SUM = "import hashlib, sys\nread = sys.stdin.buffer.read()\nprint(len(read), hashlib.sha256(read).hexdigest())"
PIECES, KILLS = 40, 4
LONG = LimitWishes(wall_seconds=120)


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[Partly]:
    with running(Partly(tmp_path_factory.mktemp("partly") / "data")) as started:
        yield started


def content_and_cuts(seed: int) -> tuple[bytes, list[int]]:
    chance = random.Random(seed)
    content = chance.randbytes(300_000)
    return content, sorted({0, *chance.sample(range(1, len(content)), PIECES - 1), len(content)})


def give(system: Partly, run: UUID, content: bytes, start: int, end: int) -> None:
    piece, is_last = content[start:end], end == len(content)
    system.parts.inputs().give(by_operator(), run, piece, is_last=is_last, offset=start)


def check_read(system: Partly, run: UUID, content: bytes) -> None:
    wait_until(lambda: system.run(run).status.is_final, "the end")
    ended = system.run(run)
    assert ended.status is Status.SUCCEEDED, ended.outcome
    assert ended.output
    read = one_stream(decode_frames(system.parts.seals().open(ended.output)), STDOUT).decode()
    assert read == f"{len(content)} {hashlib.sha256(content).hexdigest()}\n"


@pytest.mark.parametrize("point", ["before input is passed on", "after input is passed on"])
def test_killed_at_one_piece_after_another(system, point):
    """The next one is killed at the same piece, or at the one after it."""
    content, cuts = content_and_cuts(1)
    run = system.request(SUM, stdin_open=True, limits=LONG)
    wait_until(lambda: system.run(run).status is Status.RUNNING, "the start")
    armed = system.replace("executor", "SIGKILL", point)
    for number, (start, end) in enumerate(pairwise(cuts[:-1])):
        give(system, run, content, start, end)
        if number < KILLS:
            wait_until(lambda dying=armed: dying.process.poll() == -signal.SIGKILL, "that it is killed")
            armed = system.workers["executor"] = Program("working", system.data, "executor", "SIGKILL", point)
    system.replace("executor")
    give(system, run, content, cuts[-2], cuts[-1])
    check_read(system, run, content)


def test_killed_while_it_waits_to_be_started(system):
    content, cuts = content_and_cuts(2)
    system.workers["saga"].kill()
    run = system.request(SUM, stdin_open=True, limits=LONG)
    for number, (start, end) in enumerate(pairwise(cuts)):
        if number == PIECES // 2:
            system.workers["saga"] = Program("working", system.data, "saga")
            system.workers["executor"].kill()
            system.workers["executor"] = Program("working", system.data, "executor")
        give(system, run, content, start, end)
        time.sleep(0.05)
    check_read(system, run, content)


def test_killed_at_random(system):
    chance = random.Random(3)
    content, cuts = content_and_cuts(3)
    run = system.request(SUM, stdin_open=True, limits=LONG)
    for start, end in pairwise(cuts):
        give(system, run, content, start, end)
        if chance.random() < 0.15:
            system.workers["executor"].kill()
            system.workers["executor"] = Program("working", system.data, "executor")
        time.sleep(chance.random() / 4)
    check_read(system, run, content)
