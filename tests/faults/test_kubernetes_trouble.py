"""A cluster that does not do what it should: what the owner of a run is told, and what `doctor` says."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from adapters.kubernetes import Ceiling, Cluster
from adapters.kubernetes.namespace import RBAC, prepare, token
from adapters.kubernetes.pod import LABEL, NOBODY
from adapters.supervisor.build import build
from application import executor
from application.orchestrator import created, sandbox_of
from application.ports.work import Task, TaskKind
from application.run_requests import LimitWishes
from domain.execution import Execution, Limits, Outcome, Status
from ops.cli.access import workers
from ops.containers.workers import Workers
from ops.loading import load
from ops.sandboxes import sandbox
from tests.cluster.image import ROWS
from tests.cluster.keys import write_kubeconfig
from tests.cluster.system import data_for
from tests.faults.checker import held
from tests.faults.processes import wait_until
from tests.faults.test_saga_kill import Partly
from tests.real_kubernetes import RealKubernetes
from tests.system import running

NAMESPACE = "trouble"
GIB = 1 << 30
HALF = "half"
"""An account that may do everything with pods but attach to them."""


class OnCluster(Partly):
    def request(self, script: str, **more: Any) -> UUID:
        return super().request(script, version=ROWS[0].version, **more)


@pytest.fixture(scope="module")
def cluster(real_kubernetes: RealKubernetes) -> Cluster:
    made = Cluster(real_kubernetes.kubeconfig(), NAMESPACE)
    prepare(made, Ceiling())
    return made


@pytest.fixture(scope="module")
def system(
    real_kubernetes: RealKubernetes, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnCluster]:
    build()
    folder = tmp_path_factory.mktemp("trouble")
    started = OnCluster(data_for(real_kubernetes, NAMESPACE, folder / "data", max_memory_bytes=64 * GIB))
    with running(started):
        yield started


def test_a_run_whose_pod_somebody_deletes_is_lost(system: OnCluster, cluster: Cluster):
    run = system.request("import time; time.sleep(300)")
    wait_until(lambda: system.run(run).status is Status.RUNNING, "it runs")
    (pod,) = cluster.pods_of(sandbox_of(run))
    cluster.delete_pod(pod["metadata"]["name"])
    assert ending(system, run) == Outcome(Status.LOST, "its sandbox vanished before it told how the run ended")


def ending(system: OnCluster, run: UUID) -> Outcome:
    wait_until(lambda: system.run(run).status.is_final, "its end")
    return next(
        event.data.outcome for event in system.parts.log().history(run) if isinstance(event.data, Execution.Finished)
    )


# Runs that cannot start --------------------------------------------------------------------------------------


class Trouble(NamedTuple):
    """Who the workers are, what is asked for, and in which words they say that it cannot be had."""

    kubeconfig: Callable[[RealKubernetes, Cluster, Path], None]
    told: str
    doctor: str | None
    limits: LimitWishes | None = None


def usual(real: RealKubernetes, _: Cluster, written: Path) -> None:
    written.write_bytes(real.kubeconfig().read_bytes())


def away(real: RealKubernetes, _: Cluster, written: Path) -> None:
    written.write_text(re.sub(r"127.0.0.1:\d+", "127.0.0.1:1", real.kubeconfig().read_text()))


def no_file(real: RealKubernetes, _: Cluster, written: Path) -> None:
    written.write_text("no YAML: [")


def with_token(real: RealKubernetes, written: Path, words: str) -> None:
    write_kubeconfig(written, real.server, real.folder / "authority.crt", words)


def ended(real: RealKubernetes, _: Cluster, written: Path) -> None:
    with_token(real, written, "ended")


def rightless(real: RealKubernetes, cluster: Cluster, written: Path) -> None:
    with_token(real, written, token(cluster, account=NOBODY))


def unable_to_attach(real: RealKubernetes, cluster: Cluster, written: Path) -> None:
    with_token(real, written, token(cluster, account=HALF))


TROUBLES = {
    "no node has room for it": Trouble(
        usual,
        "no node of the cluster has room for its pod: .*Insufficient memory",
        None,
        LimitWishes(memory_bytes=50 * GIB),
    ),
    "the cluster is away": Trouble(away, "the Kubernetes API server cannot be reached", "cannot be reached"),
    "the kubeconfig is none": Trouble(no_file, "kubeconfig says nothing of a cluster", "says nothing of a cluster"),
    "the token has ended": Trouble(ended, "does not know these credentials", "does not know these credentials"),
    "the account has no right": Trouble(rightless, "cannot list resource", "cannot list resource"),
    "the account may not attach": Trouble(
        unable_to_attach,
        "cannot be given its job: 403: .*pods/attach",
        f"to get pods/attach in {NAMESPACE} is not allowed",
    ),
}


@pytest.fixture(scope="module")
def half(cluster: Cluster) -> None:
    """Its Role lacks a line."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]
    subjects = [{"kind": "ServiceAccount", "name": HALF, "namespace": NAMESPACE}]
    role = {"apiGroup": RBAC, "kind": "Role", "name": HALF}
    for group, kind, content in (
        ("/api/v1", "serviceaccounts", {}),
        (f"/apis/{RBAC}/v1", "roles", {"rules": rules}),
        (f"/apis/{RBAC}/v1", "rolebindings", {"roleRef": role, "subjects": subjects}),
    ):
        cluster.request("POST", f"{group}/namespaces/{NAMESPACE}/{kind}", body={"metadata": {"name": HALF}, **content})


@contextmanager
def executing(container: Workers) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=container.executor().run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def start_of(system: OnCluster, run: UUID) -> Task:
    """As soon as it has a place."""
    wait_until(lambda: system.run(run).status is Status.STARTING, "it has a place")
    cause = created(system.parts.log(), run)
    return Task(cause.id, TaskKind.START, run, cause.correlation, cause.trace)


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=list(TROUBLES))
def test_a_run_that_cannot_start_says_why(
    real_kubernetes: RealKubernetes,
    system: OnCluster,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
):
    monkeypatch.setattr(executor, "IN_VAIN_SECONDS", 2.0)
    system.workers["executor"].kill()
    trouble.kubeconfig(real_kubernetes, cluster, tmp_path / "kubeconfig")
    settings = load({"RUNLEDGER_DATA": str(system.data), "RUNLEDGER_KUBECONFIG": str(tmp_path / "kubeconfig")})
    container = workers(settings)
    with executing(container):
        run = system.request("print(1)", limits=trouble.limits)
        start = start_of(system, run)
        wait_until(lambda: container.executor().take([start]) or system.run(run).status.is_final, "its end")
        problems = sandbox(settings, Limits(), lambda _: True).find_problems()
    assert ending(system, run).status is Status.INTERNAL_ERROR
    assert re.match(f"no sandbox could be started: .*{trouble.told}", ending(system, run).reason)
    assert re.search(trouble.doctor, " ".join(problems)) if trouble.doctor else problems == []
    wait_until(lambda: held(system.parts.log()) == {}, "its place is free")
    wait_until(lambda: not cluster.list_pods(LABEL), "no pod is left")
