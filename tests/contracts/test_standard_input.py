"""Input of a run on a real log and in a real sandbox: taken once, and passed on whole, in whichever order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed
from adapters.mongo.commits.chunks import Chunks
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.secrets.keyring import Keyring
from adapters.mongo.secrets.keys import DataKeys
from adapters.mongo.secrets.seals import MongoSeals
from adapters.supervisor.build import build
from application.feeding import Feeding
from application.orchestrator import sandbox_of
from application.ports.log import Context, Recorded, StreamNotFound, VersionConflict
from application.ports.sandbox import Job, SandboxNotFound
from application.ports.seals import Erased
from application.ports.work import Task, TaskKind
from application.standard_input import Given, StandardInputs
from domain.execution import Execution, ExecutionEnded, Limits, Outcome, Status
from domain.standard_input import InputElsewhere
from tests.contracts.running import output

OWNER = UUID(int=1)
LOST = Outcome(Status.LOST, "its sandbox vanished")
ECHO = b"import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"


def now() -> datetime:
    return datetime.now(UTC)


def context() -> Context:
    return Context("user:ann", now(), uuid4())


class Runs:
    """Runs that take input, on a real log, with what passes it on."""

    def __init__(self, log: MongoEventLog, database, folder: Path) -> None:
        self.log = log
        self.seals = MongoSeals(DataKeys(database, Keyring(database, lambda: [bytes(32)])), Chunks(database))
        self.inputs = StandardInputs(log, self.seals)
        self.sandbox = BubblewrapSandbox(folder)
        self.feeding = Feeding(log, self.seals, self.sandbox)

    def request(self, stdin: bytes = b"") -> UUID:
        run = Execution(
            id=uuid4(),
            owner=OWNER,
            language="python",
            version="3.11",
            script=self.seals.seal(OWNER, ECHO),
            stdin=self.seals.seal(OWNER, stdin) if stdin else None,
            limits=Limits(),
            fingerprint="f",
            timestamp=now(),
            stdin_open=True,
        )
        self.log.save(context(), run)
        return run.id

    def give(self, run: UUID, content: bytes, offset: int | None = None, is_last: bool = False) -> Given:
        return self.inputs.give(context(), run, content, is_last=is_last, offset=offset)

    def decide(self, run: UUID, decide) -> None:
        loaded = self.log.load(Execution, run)
        decide(loaded)
        self.log.save(context(), loaded)

    def intend(self, run: UUID) -> None:
        self.decide(run, lambda one: one.create_sandbox(sandbox_of(run), now()))

    def start(self, run: UUID) -> None:
        python = next(runtime for runtime in installed() if runtime.language == "python")
        stdin, is_open = self.feeding.at_start(self.log.load(Execution, run))
        self.sandbox.start(Job(sandbox_of(run), python, ECHO, stdin, Limits(), stdin_open=is_open))

    def pieces(self, run: UUID) -> list[Recorded]:
        return [event for event in self.log.history(run) if isinstance(event.data, Execution.InputGiven)]

    def tasks(self, run: UUID) -> list[Task]:
        return [Task(event.id, TaskKind.FEED, run, event.correlation, "") for event in self.pieces(run)]

    def read(self, run: UUID) -> bytes:
        """What the script has read, at its end."""
        return output(list(self.sandbox.watch(sandbox_of(run))))


@pytest.fixture(scope="module", autouse=True)
def _programs():
    build()


@pytest.fixture
def runs(log, database, tmp_path) -> Iterator[Runs]:
    runs = Runs(log, database, tmp_path)
    yield runs
    for name in runs.sandbox.list():
        runs.sandbox.remove(name)


# Taking it ----------------------------------------------------------------------------------------------------


def test_the_same_piece_sent_by_many_at_once_is_taken_once_and_answered_alike(runs):
    run = runs.request()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: runs.give(run, b"one\n", 0), range(8)))
    assert len(runs.pieces(run)) == 1
    assert len(set(map(str, answers))) == 1


def test_of_many_different_pieces_at_one_offset_one_is_taken(runs):
    run = runs.request()

    def give(number: int) -> bool:
        try:
            runs.give(run, b"piece %d" % number, 0)
        except InputElsewhere:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(give, range(8))) == 1
    assert len(runs.pieces(run)) == 1


def test_what_many_add_without_an_offset_is_all_there_one_after_another(runs):
    run = runs.request()

    def give(number: int) -> None:
        with suppress(VersionConflict):  # too many were faster, and nothing was taken
            runs.give(run, b"x" * number)
            return
        give(number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(give, range(1, 13)))
    pieces = [event.data for event in runs.pieces(run)]
    assert sorted(piece.size for piece in pieces) == list(range(1, 13))
    assert [piece.offset for piece in pieces] == [sum(one.size for one in pieces[:at]) for at in range(12)]


@pytest.mark.parametrize("size", [10, 50_000])
def test_it_is_sealed_with_its_owners_key_and_gone_when_that_is(size, runs):
    run = runs.request()
    runs.give(run, b"private " * size, 0)
    (piece,) = runs.pieces(run)
    assert runs.seals.open(piece.data.data) == b"private " * size
    runs.seals.erase(OWNER)
    for offset in (0, 8 * size, None):
        with pytest.raises(Erased):
            runs.give(run, b"private " * size, offset)
    assert len(runs.pieces(run)) == 1


def test_a_run_that_is_not_there_takes_none(runs):
    with pytest.raises(StreamNotFound):
        runs.give(uuid4(), b"x")


# Passing it on ------------------------------------------------------------------------------------------------


def test_pieces_that_come_in_any_order_and_again_are_read_once_in_theirs(runs):
    run = runs.request(b"0")
    runs.intend(run)
    for content in (b"1", b"22", b"333"):
        runs.give(run, content)
    runs.give(run, b"", is_last=True)
    runs.start(run)
    one, two, three, end = runs.tasks(run)
    for task in (two, one, one, end, three, two, end):
        runs.feeding.feed(task)
    assert runs.read(run) == b"0122333"


def test_what_was_given_before_the_intent_is_there_from_the_start_on(runs):
    run = runs.request(b"0")
    runs.give(run, b"1")
    runs.intend(run)
    runs.give(run, b"22")
    runs.give(run, b"333", is_last=True)
    runs.start(run)
    for task in runs.tasks(run):
        runs.feeding.feed(task)
    assert runs.read(run) == b"0122333"


def test_input_that_was_ended_before_needs_nobody_to_pass_it_on(runs):
    run = runs.request(b"0")
    runs.give(run, b"1", is_last=True)
    runs.intend(run)
    runs.start(run)
    assert runs.read(run) == b"01"
    for task in runs.tasks(run):
        runs.feeding.feed(task)


def test_another_process_passes_on_what_the_first_one_did_not(runs):
    run = runs.request()
    runs.intend(run)
    runs.start(run)
    runs.give(run, b"1")
    runs.feeding.feed(runs.tasks(run)[0])
    runs.give(run, b"22", is_last=True)
    other = Feeding(MongoEventLog(runs.log._journal), runs.seals, runs.sandbox)
    for task in runs.tasks(run):
        other.feed(task)
    assert runs.read(run) == b"122"


def test_a_piece_waits_for_the_sandbox_and_is_dropped_when_the_run_has_ended(runs):
    run = runs.request()
    runs.intend(run)
    runs.give(run, b"1")
    (task,) = runs.tasks(run)
    with pytest.raises(SandboxNotFound):
        runs.feeding.feed(task)
    runs.decide(run, lambda one: one.finish(LOST, None, now()))
    with pytest.raises(ExecutionEnded):
        runs.feeding.feed(task)
