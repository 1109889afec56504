"""Pods wait for runs: each takes one, whoever asks at once, and others come after it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox, pool
from adapters.kubernetes.pod import LABEL, STATE, State, is_idle, is_running, warm_pod
from adapters.supervisor.build import build
from application.ports.sandbox import Job, NoCapacity
from domain.execution import Limits, Status
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.contracts.running import MIB, outcome, output
from tests.faults.processes import wait_until
from tests.real_kubernetes import PLACE, RealKubernetes

NAMESPACE = "pools"
SIZE = 2


class TestPool:
    @pytest.fixture(autouse=True)
    def _open(self, real_kubernetes: RealKubernetes) -> Iterator[None]:
        build()
        self.cluster = Cluster(worker_of(real_kubernetes, NAMESPACE, Ceiling()), NAMESPACE)
        self.real = real_kubernetes
        self.made: list[KubernetesSandbox] = []
        self.sandbox = self.another()
        yield
        for sandbox in self.made:
            sandbox._pool._wanted.clear()
        for pod in self.cluster.list_pods(STATE):
            self.cluster.delete_pod(pod["metadata"]["name"])
        wait_until(lambda: not self.cluster.list_pods(STATE), "all pods are gone")

    def another(self, slots: int = 64) -> KubernetesSandbox:
        """As in another process."""
        self.made.append(KubernetesSandbox(self.cluster, PLACE, slots, warm=SIZE))
        return self.made[-1]

    def start(self, script: bytes = b"print('up')", name: str = "", **limits: int) -> str:
        name = name or f"run-{uuid4()}-1"
        self.sandbox.start(Job(name, ROWS[0], script, b"", Limits(**limits)))
        return name

    def idle(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.cluster.list_pods(STATE) if is_idle(pod) and is_running(pod)}

    def fill(self) -> set[str]:
        """Ask once, and wait until as many wait as should."""
        asked = self.start()
        self.sandbox.remove(asked)
        wait_until(lambda: len(self.idle()) == SIZE, "the pool is full")
        wait_until(lambda: not self.cluster.list_pods(f"{LABEL}={asked}"), "the run is gone")
        return self.idle()

    def pod_of(self, sandbox: str) -> str:
        (pod,) = self.cluster.pods_of(sandbox)
        name: str = pod["metadata"]["name"]
        return name

    def test_a_run_comes_to_a_pod_that_waits_and_another_waits_in_its_place(self):
        first = self.start()
        assert self.pod_of(first) == first, "nobody had asked for this language before"
        waiting = self.fill()
        run = self.start()
        assert self.pod_of(run) in waiting
        assert output(list(self.sandbox.watch(run))) == b"up\n"
        wait_until(lambda: len(self.idle()) == SIZE, "the pool is full again")
        assert self.pod_of(run) not in self.idle()

    def test_no_pod_takes_a_second_run(self):
        self.fill()
        pods = set()
        for _ in range(3 * SIZE):
            run = self.start(b"import os; print(os.listdir('/tmp')); open('/tmp/mine', 'w')")
            assert output(list(self.sandbox.watch(run))) == b"[]\n"
            pods.add(self.pod_of(run))
        assert len(pods) == 3 * SIZE

    def test_a_run_with_other_limits_gets_a_pod_of_its_own(self):
        waiting = self.fill()
        run = self.start(memory_bytes=64 * MIB)
        assert self.pod_of(run) == run
        longer = self.start(wall_seconds=301)
        assert self.pod_of(longer) == longer
        shorter = self.start(wall_seconds=1)
        assert self.pod_of(shorter) in waiting

    def test_what_waits_is_no_sandbox_and_takes_no_slot(self):
        self.fill()
        small = self.another(slots=1)
        assert small.list() == []
        assert small.free_slots() == 1
        self.start()
        wait_until(lambda: small.free_slots() == 0, "the slot is taken")

    def test_of_starters_in_two_processes_one_wins(self):
        for _ in range(3):
            self.fill()
            name, others = f"run-{uuid4()}-1", [self.sandbox, self.another()]
            jobs = [Job(name, ROWS[0], b"print(%d)" % number, b"", Limits()) for number in range(6)]
            with ThreadPoolExecutor(6) as threads:
                starts = [threads.submit(others[number % 2].start, job) for number, job in enumerate(jobs)]
            assert [start.result() for start in starts] == [None] * 6
            frames = list(self.sandbox.watch(name))
            assert outcome(frames).status is Status.SUCCEEDED
            assert len(output(frames)) == 2
            assert len(self.cluster.pods_of(name)) == 1
            self.sandbox.remove(name)

    def test_of_those_that_several_workers_have_made_the_younger_go_unless_they_were_claimed(self):
        first, claimed, other = self.fill(), self.one_too_many(), self.one_too_many()
        assert self.cluster.change_state(claimed, State.WAITING, State.CLAIMED, "somebody", "run-x-1")
        wait_until(lambda: other not in self.names(), "the other one is gone")
        assert self.names() == {*first, claimed}

    def names(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.cluster.list_pods(STATE)}

    def one_too_many(self) -> str:
        name: str = self.cluster.create_pod(warm_pod(ROWS[0], Limits(), PLACE))["metadata"]["name"]
        return name

    def test_a_pod_that_has_waited_too_long_is_replaced(self, monkeypatch: pytest.MonkeyPatch):
        waiting = self.fill()
        monkeypatch.setattr(pool, "OLDEST", timedelta(0))
        self.sandbox._pool.fill()
        monkeypatch.undo()
        wait_until(lambda: not self.idle() & waiting, "the old ones are gone")
        wait_until(lambda: len(self.idle()) == SIZE, "others wait")

    def test_for_a_run_without_room_a_pod_that_waits_goes(self):
        self.fill()
        worker_of(self.real, NAMESPACE, Ceiling(pods=SIZE))
        try:
            with pytest.raises(NoCapacity):
                self.start(memory_bytes=64 * MIB)
            wait_until(lambda: len(self.idle()) == SIZE - 1, "one has gone")
            wait_until(self.is_started, "its place is free")
            (run,) = self.sandbox.list()
            assert output(list(self.sandbox.watch(run))) == b"up\n"
        finally:
            worker_of(self.real, NAMESPACE, Ceiling())

    def is_started(self) -> bool:
        try:
            return bool(self.start(memory_bytes=64 * MIB))
        except NoCapacity:
            return False
