"""Workers are killed -9 between the steps of runs on a cluster: one ending each, in one pod."""

import signal
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from adapters.kubernetes import Cluster
from adapters.kubernetes.pod import LABEL, has_its_job, sandbox_of
from adapters.supervisor.build import build
from application.orchestrator import sandbox_of as sandbox_for
from domain.execution import Execution, Status
from tests.cluster.image import ROWS
from tests.cluster.system import data_for
from tests.cluster.witness import Witness
from tests.faults import working
from tests.faults.checker import check_ledger, held
from tests.faults.processes import Program, wait_until
from tests.faults.test_saga_kill import Partly, check_output, check_saga, come_to
from tests.real_kubernetes import RealKubernetes
from tests.system import running

NAMESPACE = "kills"
POINTS = (
    "after the place is reserved",
    "before the sandbox is made",
    "after the sandbox is made",
    "after output is passed on",
    "before the start is recorded",
    "before the end is recorded",
    "before the sandbox is removed",
)


class OnCluster(Partly):
    """And everything that happens to its pods is noted."""

    cluster: Cluster

    def start(self) -> None:
        super().start()
        self.witness = Witness(self.cluster)

    def request(self, script: str, **more: Any) -> UUID:
        return super().request(script, version=ROWS[0].version, **more)

    def given(self, id: UUID) -> set[str]:
        """The pods that had this run's job."""
        ours = (pod for pod in list(self.witness.seen) if sandbox_of(pod) == sandbox_for(id) and has_its_job(pod))
        return {pod["metadata"]["uid"] for pod in ours}


@pytest.fixture(scope="module")
def system(real_kubernetes: RealKubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCluster]:
    build()
    started = OnCluster(data_for(real_kubernetes, NAMESPACE, tmp_path_factory.mktemp("kills") / "data"))
    started.cluster = Cluster(real_kubernetes.kubeconfig(), NAMESPACE)
    with running(started):
        yield started


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_is_killed_between_two_steps_costs_a_run_on_a_cluster_nothing(system: OnCluster, point: str):
    name = working.worker_of(point)
    armed = system.replace(name, "SIGKILL", point)
    runs = come_to(system, lambda: armed.process.poll() == -signal.SIGKILL, point)
    system.workers[name] = Program("working", system.data, name)
    wait_until(lambda: all(system.run(id).status.is_final for id in runs), "the end")
    wait_until(lambda: held(system.parts.log()) == {}, "that its place is free")
    wait_until(lambda: not system.cluster.list_pods(LABEL), "that its pod is gone")
    wait_until(lambda: system.parts.sandbox().free_slots() == system.parts.settings().slots, "that its slot is free")
    for id in runs:
        check_ended(system, id)


def check_ended(system: OnCluster, id: UUID) -> None:
    events = system.parts.log().history(id)
    assert sum(isinstance(event.data, Execution.Finished) for event in events) == 1
    assert system.run(id).status is Status.SUCCEEDED
    check_output(system, id)
    assert len(system.given(id)) == 1
    check_saga(system, id)


def test_all_of_it_is_right_in_the_log(system: OnCluster):
    check_ledger(system.parts)
