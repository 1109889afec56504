"""The log beside a plain list: however an append is broken off, readers are shown what the list holds."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pymongo.errors import AutoReconnect

from adapters.mongo.commits.commits import Commit, Line, Placed
from adapters.mongo.connection import connect
from adapters.mongo.log.journal import Journal
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.handover import AnswerMissing
from adapters.mongo.writing.sockets import SocketWay
from tests.faults import checker
from tests.faults.processes import wait_until
from tests.servers import running, secantus

LANES = 3
STREAMS = [UUID(int=number) for number in range(1, 6)]
LEADER, FOLLOWER = 0, 1

streams = st.lists(st.sampled_from(STREAMS), min_size=1, max_size=4)
"""Of one commit; a stream that stands there twice gets two events."""
writers = st.integers(0, 2)


class LogMachine(RuleBasedStateMachine):
    """Three journals over one store stand for three processes."""

    address = ""

    @initialize()
    def open(self) -> None:
        self.store = connect(self.address)[f"test_{uuid4().hex}"]
        self.opened: list[Journal] = []
        self.model: list[Line] = []
        self.journals = [self.open_journal() for _ in range(3)]
        self.leading: threading.Thread | None = None

    def open_journal(self) -> Journal:
        self.opened.append(Journal(self.store, LANES, bell_of=lambda _: Bell(), ways=[SocketWay()]))
        return self.opened[-1]

    # What clients do ------------------------------------------------------------------------------------------

    def lines(self, wanted: list[UUID], *, stale: bool = False) -> list[Line]:
        """The next event of each stream, or, `stale`, one that is there already."""
        versions: dict[UUID, int] = defaultdict(int)
        for line in self.model:
            versions[line.stream] = line.version
        if stale:
            versions[wanted[0]] = 0
        made = []
        for stream in wanted:
            versions[stream] += 1
            data = f"{stream}/{versions[stream]}".encode()
            made.append(Line(stream, versions[stream], "Happened", stream.int % LANES, data))
        return made

    def appended(self, lines: list[Line], first: int) -> None:
        assert first == len(self.model) + 1
        self.model += lines

    @rule(writer=writers, wanted=streams)
    def append(self, writer: int, wanted: list[UUID]) -> None:
        lines = self.lines(wanted)
        self.appended(lines, self.journals[writer].append(lines))

    @rule(writer=writers, wanted=streams)
    def conflict(self, writer: int, wanted: list[UUID]) -> None:
        """None of a commit is stored when one event of it cannot be."""
        if all(line.stream != wanted[0] for line in self.model):
            return
        with pytest.raises(IntegrityError):
            self.journals[writer].append(self.lines([*wanted, wanted[0]], stale=True))

    @rule(order=st.permutations(STREAMS), clash=st.booleans())
    def append_at_once(self, order: list[UUID], clash: bool) -> None:
        """Each writer changes a stream of its own, and, with a clash, all of them one more: one of them gets it."""
        commits = [self.lines([order[writer], *([order[3]] * clash)]) for writer in range(3)]
        with ThreadPoolExecutor(3) as threads:
            answers = list(threads.map(self._attempt, self.journals, commits))
        stored = sorted((first, lines) for first, lines in zip(answers, commits, strict=True) if first)
        assert len(stored) == (1 if clash else 3)
        for first, lines in stored:
            self.appended(lines, first)

    @staticmethod
    def _attempt(journal: Journal, lines: list[Line]) -> int:
        try:
            return journal.append(lines)
        except IntegrityError:
            return 0

    # What breaks ----------------------------------------------------------------------------------------------

    @rule(writer=writers, wanted=streams, is_stored=st.booleans(), is_alone=st.booleans())
    def the_connection_breaks(self, writer: int, wanted: list[UUID], is_stored: bool, is_alone: bool) -> None:
        """Before the insert arrived, or before its answer did; that of a caller who is alone, or of the writer."""
        journal = self.journals[writer]
        commits = journal.writer._tail._commits
        journal.writer._tail._commits = Breaking(commits, is_stored=is_stored)
        lines = self.lines(wanted)
        try:
            store = journal.writer.store if is_alone else lambda commit: journal.writer.submit(commit).result()
            self.appended(lines, store(Commit(lines)))
        finally:
            journal.writer._tail._commits = commits

    @rule(writer=writers)
    def a_writer_is_abandoned(self, writer: int) -> None:
        """Its successor knows nothing."""
        if writer == LEADER:
            self.stop_leading()
        self.journals[writer] = self.open_journal()

    @rule(wanted=streams, stores=st.sampled_from(["never", "before", "after"]))
    def the_leader_vanishes(self, wanted: list[UUID], stores: str) -> None:
        """It took the commit and answered nothing; it stored it before, never, or stores it when it is too late."""
        journal, leader, lines = self.journals[FOLLOWER], self.open_journal(), self.lines(wanted)
        vanishing = Vanishing(leader, is_stored=stores == "before")
        handover, journal._handover = journal._handover, vanishing
        try:
            self.appended(lines, journal.append(lines))
        finally:
            journal._handover = handover
        if stores == "after":
            late = leader.writer.submit(Commit(lines, vanishing.took))
            assert isinstance(late.exception(), IntegrityError)

    # Who writes -----------------------------------------------------------------------------------------------

    @rule()
    def lead(self) -> None:
        """The others hand over to the first one from now on, or do so no longer."""
        if self.leading:
            self.stop_leading()
            return
        self.stop = threading.Event()
        leadership = self.journals[LEADER].leadership
        self.leading = threading.Thread(target=leadership.run, args=[self.stop])
        self.leading.start()
        wait_until(lambda: leadership.is_held, "the leader")

    def stop_leading(self) -> None:
        if self.leading:
            self.stop.set()
            self.leading.join()
            self.leading = None

    # What readers are shown -----------------------------------------------------------------------------------

    @invariant()
    def the_log_is_the_list(self) -> None:
        reader = self.open_journal()
        placed = self.placed()
        assert list(reader.reading.after(0, 1_000)) == placed
        assert reader.head.find() == len(placed)
        assert dict(reader.lane_heads.find()) == {line.lane: position for position, line in placed}
        reader.close()

    @rule(reader=writers, limit=st.integers(1, 7))
    def follow(self, reader: int, limit: int) -> None:
        """From every position: all that is asked for from the store, and what this process remembers of it."""
        for after in range(len(self.model) + 1):
            assert list(self.journals[reader].reading.after(after, limit)) == self.placed()[after : after + limit]
            remembered = list(self.journals[reader].recent.after(after))
            assert remembered == self.placed()[after : after + len(remembered)]

    @rule(reader=writers, lane=st.integers(0, LANES - 1), after=st.integers(0, 60), width=st.integers(0, 40))
    def read_a_lane(self, reader: int, lane: int, after: int, width: int) -> None:
        mine = [one for one in self.placed() if one[1].lane == lane and after < one[0] <= after + width]
        assert list(self.journals[reader].reading.of_lane(lane, after, after + width, 1_000)) == mine
        assert list(self.journals[reader].reading.of_lane(lane, after, after + width, 2)) == mine[:2]

    @rule(reader=writers, stream=st.sampled_from(STREAMS))
    def read_a_stream(self, reader: int, stream: UUID) -> None:
        mine = [one for one in self.placed() if one[1].stream == stream]
        assert list(self.journals[reader].reading.history(stream)) == mine

    @rule(reader=writers)
    def read_the_ends(self, reader: int) -> None:
        """By one that remembers where they were."""
        assert self.journals[reader].head.find() == len(self.model)
        assert dict(self.journals[reader].lane_heads.find()) == {line.lane: at for at, line in self.placed()}

    def placed(self) -> list[Placed]:
        return list(enumerate(self.model, 1))

    def teardown(self) -> None:
        self.stop_leading()
        checker.check_log(self.store)
        for journal in self.opened:
            journal.close()
        self.store.client.close()


class Breaking:
    """A collection whose first insert breaks off."""

    def __init__(self, commits: Any, *, is_stored: bool) -> None:
        self._commits = commits
        self._is_stored = is_stored
        self._is_broken = False

    def insert_one(self, document: Any) -> Any:
        if self._is_broken:
            return self._commits.insert_one(document)
        self._is_broken = True
        if self._is_stored:
            self._commits.insert_one(document)
        raise AutoReconnect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._commits, name)


class Vanishing:
    """The way to a leader that is gone before it answers."""

    def __init__(self, leader: Journal, *, is_stored: bool) -> None:
        self._leader = leader
        self._is_stored = is_stored
        self.took = UUID(int=0)

    def hand(self, commit: Commit) -> int:
        self.took = commit.id
        if self._is_stored:
            self._leader.writer.submit(Commit(commit.lines, commit.id)).result()
        raise AnswerMissing


def test_the_log_is_a_list_that_is_only_appended_to(tmp_path):
    with running(secantus(tmp_path), tmp_path) as server:
        LogMachine.address = server.address
        run_state_machine_as_test(
            LogMachine,
            settings=settings(
                max_examples=40,
                stateful_step_count=20,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
