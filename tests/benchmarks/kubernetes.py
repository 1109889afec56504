"""A run on a cluster: in a pod that waited and in a new one, each beside the same without us."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx

from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox
from adapters.kubernetes.pod import STATE, State, is_idle, is_running, pod_of, state_of
from application.ports.sandbox import Job, Output
from domain.execution import Limits
from tests.benchmarks.bare import HELLO
from tests.benchmarks.report import Row, p50_p99
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.cluster.system import data_for
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, follow
from tests.real_kubernetes import PLACE, RealKubernetes, running_kubernetes
from tests.system import running_on

NAMESPACE, WHOLE = "bench", "bench-whole"
ROUNDS = 5
WARM_PER_ROUND = 4
COLD_PER_ROUND = 2
CALM_SECONDS = 2.0
LIMITS = Limits()
OTHERS = Limits(memory_bytes=64 * 1024 * 1024)
"""No pod waits for these."""


def table() -> list[Row]:
    if missing := RealKubernetes.missing():
        return [Row("start -> first output byte", missing)]
    with tempfile.TemporaryDirectory() as folder, running_kubernetes(Path(folder)) as real:
        cluster = Cluster(worker_of(real, NAMESPACE, Ceiling()), NAMESPACE)
        sandbox = KubernetesSandbox(cluster, PLACE, warm=WARM_PER_ROUND)
        of_sandbox = list(rows("start", cluster, lambda limits: first_output(sandbox, limits)))
        data = data_for(real, WHOLE, Path(folder) / "data", kubernetes_warm_pods=WARM_PER_ROUND)
        with running_on(data) as system, closing(system.log_in()) as client:
            cluster = Cluster(real.kubeconfig(), WHOLE)
            return [*of_sandbox, *rows("POST", cluster, lambda limits: first_message(client, limits))]


def rows(begin: str, cluster: Cluster, first_byte: Callable[[Limits], object]) -> Iterator[Row]:
    """From what begins it to the first byte of a script's output."""
    warm: list[float] = []
    cold: list[float] = []
    attached: list[float] = []
    made: list[float] = []
    first_byte(LIMITS)
    for _ in range(ROUNDS):
        settle(cluster)
        names = [bare_pod(cluster) for _ in range(WARM_PER_ROUND)]
        attached += [milliseconds(lambda name=name: bare_attach(cluster, name)) for name in names]
        for _ in range(WARM_PER_ROUND):
            settle(cluster)
            warm.append(milliseconds(lambda: first_byte(LIMITS)))
        settle(cluster)
        made += [milliseconds(lambda: bare_attach(cluster, bare_pod(cluster))) for _ in range(COLD_PER_ROUND)]
        cold += [milliseconds(lambda: first_byte(OTHERS)) for _ in range(COLD_PER_ROUND)]
        remove_all(cluster)
    beside = f"attach to a pod that runs bash, there python3: {p50_p99(attached)}"
    yield Row(
        f"{begin} -> first byte, a pod waited", p50_p99(warm), beside, median(warm) / median(attached), "p50 80 ms"
    )
    beside = f"a new pod that runs bash, there python3: {p50_p99(made)}"
    yield Row(f"{begin} -> first byte, a new pod", p50_p99(cold), beside, median(cold) / median(made), "1.3 times")


def first_message(client: httpx.Client, limits: Limits) -> None:
    run = execute(client, HELLO, version=ROWS[0].version, limits={"memory_bytes": limits.memory_bytes})
    next(message for message in follow(client, run) if message.event == "output")


def first_output(sandbox: KubernetesSandbox, limits: Limits) -> None:
    name = f"run-{uuid4()}-1"
    sandbox.start(Job(name, ROWS[0], HELLO.encode(), b"", limits))
    next(frame for frame in sandbox.watch(name) if isinstance(frame, Output))


def bare_pod(cluster: Cluster) -> str:
    """Runs the shell itself; its state keeps it apart from those that wait for runs."""
    name = f"bare-{uuid4()}"
    pod = pod_of(Job(name, ROWS[0], b"", b"", OTHERS), PLACE)
    pod["metadata"]["labels"] = {STATE: State.GIVEN}
    pod["spec"]["containers"][0]["command"] = ["bash"]
    cluster.create_pod(pod)
    wait_until(lambda: is_running(cluster.read_pod(name)), "it runs")
    return name


def bare_attach(cluster: Cluster, name: str) -> None:
    with cluster.attach(name) as attachment:
        attachment._send(b"python3 -c 'print(1)'\n")
        attachment._read(1)


def settle(cluster: Cluster) -> None:
    """Until no pod is being made or removed: that takes both cores of a small machine for a second."""
    wait_until(lambda: waiting(cluster) == WARM_PER_ROUND, "pods wait")
    time.sleep(CALM_SECONDS)


def waiting(cluster: Cluster) -> int:
    return sum(is_idle(pod) and is_running(pod) for pod in cluster.list_pods(STATE))


def remove_all(cluster: Cluster) -> None:
    """Those that had a job."""
    for pod in cluster.list_pods(STATE):
        if state_of(pod) is State.GIVEN:
            cluster.delete_pod(pod["metadata"]["name"])


def milliseconds(act: Callable[[], object]) -> float:
    since = time.perf_counter()
    act()
    return (time.perf_counter() - since) * 1000
