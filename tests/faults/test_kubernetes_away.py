"""Runs on a cluster go on when its API server was away, and end as they would have."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from adapters.kubernetes import KubernetesSandbox
from adapters.kubernetes.cluster import GONE, Cluster, Refused
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.namespace import Ceiling
from adapters.kubernetes.pod import STATE, pod_of
from adapters.supervisor.build import build
from application.ports import Frame, Job, SandboxNotFound, SandboxUnreachable
from domain.execution import Limits, Status
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.cluster.system import data_for
from tests.contracts.running import numbers, outcome, output
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, result_of
from tests.real_kubernetes import PLACE, RealKubernetes, running_kubernetes
from tests.system import running_on

NAMESPACE = "away"
RUNS = 20
AWAY_SECONDS = 30
LINES = 200


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKubernetes]:
    """One of its own, as nobody else could use it meanwhile."""
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    build()
    with running_kubernetes(tmp_path_factory.mktemp("away")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(real: RealKubernetes) -> Cluster:
    return Cluster(worker_of(real, NAMESPACE, Ceiling()), NAMESPACE)


def job(number: int) -> Job:
    """Prints for longer than the API server is away; every fourth reaches its time before it is back."""
    script = f"import time\nfor line in range({LINES}): print({number}, line); time.sleep(0.2)"
    return Job(f"run-{number}-1", ROWS[0], script.encode(), b"", Limits(wall_seconds=120 if number % 4 else 15))


def start(sandbox: KubernetesSandbox, wanted: Job) -> None:
    """As the executor does: again, as often as it is told that this is worth it."""
    while True:
        try:
            return sandbox.start(wanted)
        except SandboxUnreachable:
            time.sleep(1)


def watch(sandbox: KubernetesSandbox, name: str) -> list[Frame]:
    """As the monitor does."""
    while True:
        try:
            return list(sandbox.watch(name))
        except SandboxNotFound:
            time.sleep(0.1)


def test_twenty_runs_end_as_they_would_have_though_the_api_server_was_away_for_half_a_minute(
    real: RealKubernetes, cluster: Cluster
):
    sandbox = KubernetesSandbox(Cluster(real.kubeconfig(NAMESPACE), NAMESPACE), PLACE)
    with ThreadPoolExecutor(2 * RUNS) as pool:
        starts = [pool.submit(start, sandbox, job(number)) for number in range(RUNS)]
        watches = [pool.submit(watch, sandbox, job(number).sandbox) for number in range(RUNS)]
        wait_until(lambda: sum(one.done() for one in starts) >= RUNS // 2, "half of them run, and half are about to")
        real.stop_api_server()
        wait_until(lambda: sandbox.free_slots() == 0, "nobody is told of a free slot")
        time.sleep(AWAY_SECONDS)
        real.start_api_server()
        for number, frames in enumerate(one.result() for one in watches):
            assert outcome(frames).status is (Status.SUCCEEDED if number % 4 else Status.TIMED_OUT)
            assert numbers(frames) == list(range(1, outcome(frames).last_frame + 1))
            if number % 4:
                assert output(frames) == b"".join(b"%d %d\n" % (number, line) for line in range(LINES))
    assert len(cluster.list_pods(STATE)) == RUNS
    for name in sandbox.list():
        sandbox.remove(name)


def test_a_system_that_starts_before_its_cluster_runs_what_was_asked_for_meanwhile(
    real: RealKubernetes, tmp_path: Path
):
    real.stop_api_server()
    with (
        running_on(data_for(real, "late", tmp_path / "data")) as system,
        closing(system.log_in()) as api,
    ):
        runs = [execute(api, f"print({number})", version=ROWS[0].version) for number in range(3)]
        time.sleep(5)
        assert api.get(f"/executions/{runs[0]}").json()["status"] == "queued"
        real.start_api_server()
        assert [result_of(api, run)["status"] for run in runs] == ["succeeded"] * 3


def names(mirror: Mirror) -> set[str]:
    return {pod["metadata"]["name"] for pod in mirror.pods()}


def test_a_watch_whose_place_is_forgotten_lists_the_pods_again(real: RealKubernetes, cluster: Cluster):
    """An API server remembers nothing from before its start; it says so in an event."""
    mirror = Mirror(cluster, STATE)
    wait_until(lambda: mirror.lists == 1, "the pods are listed")
    real.stop_api_server()
    real.start_api_server()
    wait_until(lambda: mirror.lists > 1, "the pods are listed after the restart")
    events = list(cluster.watch_pods(STATE, "1", 5))
    assert [(event["type"], event["object"]["code"]) for event in events] == [("ERROR", GONE)]
    assert mirror._watch("1", 5) == ""


@pytest.mark.parametrize(
    "trouble", [Refused(GONE, "too old"), SandboxUnreachable("cut"), Refused(403, "no"), ValueError()]
)
def test_whatever_ends_a_watch_the_pods_are_listed_again(cluster: Cluster, monkeypatch, trouble: Exception):
    broken: list[Exception] = [trouble]
    watch_pods = Cluster.watch_pods

    def watch_or_break(self: Cluster, selector: str, version: str, seconds: int):
        if broken:
            raise broken.pop()
        return watch_pods(self, selector, version, seconds)

    monkeypatch.setattr(Cluster, "watch_pods", watch_or_break)
    mirror = Mirror(cluster, STATE)
    wait_until(lambda: mirror.lists == 2, "they are listed again")
    cluster.create_pod(pod_of(Job("seen-1", ROWS[0], b"", b"", Limits()), PLACE))
    wait_until(lambda: "seen-1" in names(mirror), "the new watch sees a new pod")
    cluster.delete_pod("seen-1")
    wait_until(lambda: "seen-1" not in names(mirror), "and sees it go")


def test_bookmarks_carry_a_watch_on_and_are_no_pods(cluster: Cluster):
    mirror = Mirror(cluster, STATE)
    before = names(mirror)
    bookmark = {"metadata": {"resourceVersion": "123456789"}}
    assert mirror._take("BOOKMARK", bookmark) == "123456789"
    assert names(mirror) == before
