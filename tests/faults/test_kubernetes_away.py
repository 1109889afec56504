"""Runs on a cluster go on when its API server was away, and end as they would have."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from adapters.kubernetes.cluster import GONE, Cluster, Refused
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.namespace import Ceiling
from adapters.kubernetes.pod import LABEL, STATE, pod_of
from adapters.supervisor.build import build
from application.ports.sandbox import Job, SandboxUnreachable
from domain.execution import Limits
from tests.cluster.door import door_to
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.cluster.system import data_for
from tests.faults.processes import wait_until
from tests.journeys.conftest import Message, execute, follow, frames_of, output_of, result_of
from tests.real_kubernetes import PLACE, RealKubernetes, running_kubernetes
from tests.system import running_on

NAMESPACE = "away"
RUNS = 20
AWAY_SECONDS = 30
LINES = 200
NODE_GRACE_SECONDS = 20


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKubernetes]:
    """One of its own, as nobody else could use it meanwhile."""
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    build()
    with running_kubernetes(tmp_path_factory.mktemp("away"), node_grace_seconds=NODE_GRACE_SECONDS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster(real: RealKubernetes) -> Cluster:
    return Cluster(worker_of(real, NAMESPACE, Ceiling()), NAMESPACE)


def request(api: httpx.Client, number: int) -> str:
    """Prints for longer than the API server is away; every fourth reaches its time before it is back."""
    script = f"import time\nfor line in range({LINES}): print({number}, line); time.sleep(0.2)"
    limits = {"wall_seconds": 120 if number % 4 else 15}
    return execute(api, script, version=ROWS[0].version, limits=limits)


def statuses(api: httpx.Client, runs: list[str]) -> list[str]:
    return [api.get(f"/executions/{run}").json()["status"] for run in runs]


def test_twenty_runs_end_as_they_would_have_though_the_api_server_was_away_and_the_watch_was_cut(
    real: RealKubernetes, cluster: Cluster, tmp_path: Path
):
    """For half a minute; then a 410 by an event, and one by a status."""
    with (
        door_to(real) as door,
        running_on(
            data_for(real, NAMESPACE, tmp_path / "data", kubeconfig=str(door.kubeconfig(tmp_path)), slots=RUNS)
        ) as system,
        closing(system.log_in()) as api,
        ThreadPoolExecutor(RUNS) as followers,
    ):
        runs = [request(api, number) for number in range(RUNS)]
        followed = [followers.submit(lambda run: list(follow(api, run)), run) for run in runs]
        wait_until(lambda: statuses(api, runs).count("running") >= RUNS // 2, "half of them run, half are about to")
        real.stop_api_server()
        time.sleep(AWAY_SECONDS)
        real.start_api_server()
        wait_until(door.expire_watches, "a watch to cut by an event")
        wait_until(door.refuse_watches, "a watch to cut by a status")
        wait_until(lambda: door.is_done_refusing, "the status was given")
        assert "running" in statuses(api, runs), "all that was in the middle of the runs"
        for number, messages in enumerate(one.result() for one in followed):
            check_run(number, messages)
        wait_until(lambda: not cluster.list_pods(LABEL), "no pod is left")


def check_run(number: int, messages: list[Message]) -> None:
    assert messages[-1].event == "result_stored"
    said = messages[-1].data
    assert said["status"] == ("succeeded" if number % 4 else "timed_out"), said["reason"]
    frames = [frame for frame, _, _ in frames_of(messages)]
    assert frames == list(range(1, len(frames) + 1))
    lines = b"".join(b"%d %d\n" % (number, line) for line in range(LINES))
    assert output_of(messages) == lines if number % 4 else lines.startswith(output_of(messages))


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
        assert "running" not in statuses(api, runs)
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


@pytest.fixture
def another_node(real: RealKubernetes) -> Iterator[None]:
    """It says that it is well, and takes no pods: where no node at all is heard of, Kubernetes blames itself."""
    admin = Cluster(real.kubeconfig(), "kube-node-lease")
    admin.request("POST", "/api/v1/nodes", body={"metadata": {"name": "other"}, "spec": {"unschedulable": True}})
    stop = Event()
    beats = Thread(target=tell_that_it_is_well, args=(admin, stop))
    beats.start()
    yield
    stop.set()
    beats.join()


def tell_that_it_is_well(admin: Cluster, stop: Event) -> None:
    while not stop.is_set():
        now = f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
        ready = {"type": "Ready", "status": "True", "reason": "Well", "message": "", "lastHeartbeatTime": now}
        status = {"status": {"conditions": [ready]}}
        admin.request(
            "PATCH", "/api/v1/nodes/other/status", body=status, content="application/strategic-merge-patch+json"
        )
        stop.wait(3)


@pytest.mark.usefixtures("another_node")
def test_the_runs_of_a_node_that_is_gone_are_lost_and_hold_nothing(
    real: RealKubernetes, cluster: Cluster, tmp_path: Path
):
    """The last one here, as nobody has a node after it."""
    with (
        running_on(data_for(real, NAMESPACE, tmp_path / "data")) as system,
        closing(system.log_in()) as api,
    ):
        run = execute(api, "import time; time.sleep(300)", version=ROWS[0].version)
        wait_until(lambda: statuses(api, [run]) == ["running"], "it runs")
        real.stop_node()
        wait_until(lambda: statuses(api, [run]) == ["lost"], "it is lost", patience=150)
        wait_until(lambda: not cluster.list_pods(LABEL), "its pod is gone", patience=90)
        assert api.get(f"/executions/{run}").json()["reason"].startswith("its sandbox vanished")
