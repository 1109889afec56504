"""KubernetesSandbox keeps the port's promises on a real cluster, with no more rights than its Role gives."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.kubernetes import KubernetesSandbox, starts
from adapters.kubernetes.cluster import FORBIDDEN, Cluster, Refused
from adapters.kubernetes.namespace import Ceiling, prepare
from adapters.kubernetes.pod import GRANTED, NETWORK, NOBODY, Place, Pod, State, pod_of
from adapters.supervisor.build import build
from application.ports.sandbox import Job, NoCapacity, SandboxNotFound, SandboxUnavailable, SandboxUnreachable
from domain.execution import Limits, Status
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.contracts.running import MIB, outcome, output
from tests.contracts.sandbox import SandboxContract
from tests.contracts.sandbox_input import InputContract
from tests.faults.processes import wait_until
from tests.real_kubernetes import PLACE, RealKubernetes

NAMESPACE = "sandboxes"


def processes_of(uid: int) -> list[Path]:
    """Those that live; the supervisor is not dumpable, so its files are root's and do not tell."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            facts = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
            if facts["Uid"].split()[0] == str(uid) and facts["State"][0] not in "ZX":
                found.append(process)
    return found


@pytest.fixture(scope="module")
def kubeconfig(real_kubernetes: RealKubernetes):
    build()
    return worker_of(real_kubernetes, NAMESPACE, Ceiling())


@pytest.fixture(scope="module")
def operator(real_kubernetes: RealKubernetes) -> Cluster:
    return Cluster(real_kubernetes.kubeconfig(), NAMESPACE)


@pytest.fixture(scope="module")
def shared(kubeconfig: Path) -> KubernetesSandbox:
    """Runs with the usual limits come to a pod that waited, and those with others to a new one."""
    return KubernetesSandbox(Cluster(kubeconfig, NAMESPACE), PLACE, warm=2)


class TestKubernetes(SandboxContract, InputContract):
    sandbox: KubernetesSandbox

    @pytest.fixture(autouse=True)
    def _open(self, kubeconfig, operator, shared) -> Iterator[None]:
        self.kubeconfig, self.operator, self.sandbox = kubeconfig, operator, shared
        self.python, self.bash = ROWS
        yield
        for name in shared.list():
            shared.remove(name)

    def allow(self, pods: int) -> None:
        prepare(self.operator, Ceiling(pods=pods))
        path = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/sandboxes"
        status = lambda: self.operator.request("GET", path)["status"]  # noqa: E731
        wait_until(lambda: status().get("hard", {}).get("pods") == str(pods), "the quota is in force")

    def test_the_namespace_takes_no_pod_that_is_less_hard(self):
        soft = {"serviceAccountName": NOBODY, "containers": [{"name": "run", "image": "any"}]}
        with pytest.raises(Refused, match="violates PodSecurity") as refused:
            self.operator.create_pod({"metadata": {"name": "soft"}, "spec": soft})
        assert refused.value.status == FORBIDDEN

    @pytest.mark.parametrize(
        "path",
        ["/api/v1/namespaces/default/pods", f"/api/v1/namespaces/{NAMESPACE}/secrets", "/api/v1/nodes"],
    )
    def test_the_workers_account_sees_its_pods_and_nothing_else(self, path: str):
        worker = Cluster(self.kubeconfig, NAMESPACE)
        assert worker.list_pods("") is not None
        with pytest.raises(Refused) as refused:
            worker.request("GET", path)
        assert refused.value.status == FORBIDDEN

    def test_preparing_a_namespace_twice_changes_nothing(self):
        prepare(self.operator, Ceiling())
        prepare(self.operator, Ceiling())
        policies = self.operator.request("GET", f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies")
        assert {policy["metadata"]["name"]: policy["spec"] for policy in policies["items"]} == {
            "deny-all": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            "network": {"podSelector": {"matchLabels": {NETWORK: GRANTED}}, "policyTypes": ["Egress"]},
        }

    def test_no_pod_above_the_quota(self):
        self.allow(pods=0)
        try:
            with pytest.raises(NoCapacity, match=r"the quota of the namespace is used up: .*exceeded quota"):
                self.start(b"pass", memory_bytes=64 * MIB)
        finally:
            self.allow(pods=Ceiling().pods)

    def test_a_pod_for_which_no_node_has_room_is_no_capacity_and_leaves_nothing(self):
        name = "run-too-large-1"
        with pytest.raises(NoCapacity, match=r"no node of the cluster has room for its pod: .*Insufficient memory"):
            self.start(b"pass", name=name, memory_bytes=50 * 1024 * MIB)
        assert name not in self.sandbox.list()

    def test_an_image_that_cannot_be_had_is_said_and_leaves_nothing(self):
        self.sandbox = KubernetesSandbox(Cluster(self.kubeconfig, NAMESPACE), Place("127.0.0.1:1/{language}:{version}"))
        with pytest.raises(SandboxUnavailable, match=r"the image 127.0.0.1:1/python:3[.0-9]+ cannot be had"):
            self.start(b"pass", name="run-no-image-1")
        assert self.sandbox.list() == []

    def test_an_unreachable_cluster_is_said(self, tmp_path):
        elsewhere = tmp_path / "kubeconfig"
        elsewhere.write_text(re.sub(r"127.0.0.1:\d+", "127.0.0.1:1", self.kubeconfig.read_text()))
        self.sandbox = KubernetesSandbox(Cluster(elsewhere, NAMESPACE), PLACE)
        assert "cannot be reached" in self.sandbox.find_problems()[0]
        assert self.sandbox.free_slots() == 0
        with pytest.raises(SandboxUnreachable, match="cannot be reached"):
            self.start(b"pass")

    @pytest.mark.parametrize(
        "act",
        [
            lambda sandbox: sandbox.list(),
            lambda sandbox: sandbox.stop("run-any-1"),
            lambda sandbox: sandbox.feed("run-any-1", 0, b"x", is_last=True),
            lambda sandbox: sandbox.remove("run-any-1"),
        ],
        ids=["list", "stop", "feed", "remove"],
    )
    def test_what_the_api_server_refuses_can_be_tried_again(self, act):
        elsewhere = KubernetesSandbox(Cluster(self.kubeconfig, "default"), PLACE)
        with pytest.raises(SandboxUnreachable, match='cannot list resource "pods"'):
            act(elsewhere)

    def test_the_kernel_kills_the_scripts_processes_before_the_supervisor(self):
        """As long as one of them is larger: to a node all processes of a pod that asked for little are worth little."""
        child = b'python3 -c \'x = b"x" * 50 * 2**20\' ; echo "child: $?"'
        frames = self.run(child, stdin=bytes(15 * MIB), runtime=self.bash, memory_bytes=64 * MIB)
        assert output(frames) == b"child: 137\n"
        assert outcome(frames).status is Status.SUCCEEDED, "the script itself went on and exited with 0"

    def test_a_supervisor_that_is_killed_for_memory_is_out_of_memory_as_well(self):
        end = outcome(self.run(b"x = b'x' * 40 * 2**20", stdin=bytes(40 * MIB), memory_bytes=64 * MIB))
        assert end.status is Status.OUT_OF_MEMORY

    def uid_of(self, name: str) -> int:
        uid: int = self.operator.pods_of(name)[0]["spec"]["containers"][0]["securityContext"]["runAsUser"]
        return uid

    def test_after_a_stop_only_the_supervisor_is_left_and_after_a_removal_nothing(self):
        name = self.start(b"import os; os.fork(); print('up'); os.fork()\nwhile True: pass")
        self.wait_for_output(name, b"up\n")
        uid = self.uid_of(name)
        assert len(processes_of(uid)) > 2
        self.sandbox.stop(name)
        assert len(processes_of(uid)) == 1
        self.sandbox.remove(name)
        wait_until(lambda: not processes_of(uid), "the pod's processes are gone")

    def test_a_running_pod_that_is_removed_has_no_process_a_second_later(self):
        name = self.start(b"print('up')\nwhile True: pass")
        self.wait_for_output(name, b"up\n")
        uid = self.uid_of(name)
        self.sandbox.remove(name)
        wait_until(lambda: not processes_of(uid), "the pod's processes are gone", patience=3)

    def test_a_slow_watcher_holds_up_neither_the_run_nor_the_others(self):
        name = self.start(b"print('x' * 5_000_000)")
        slow = self.sandbox.watch(name)
        next(slow)
        assert outcome(list(self.sandbox.watch(name))).status is Status.SUCCEEDED
        assert len(output(list(slow))) == 5_000_001

    def job(self, name: str, script: bytes) -> Job:
        return Job(name, self.python, script, b"", Limits())

    def test_a_starter_that_died_before_it_gave_the_job_is_followed_by_the_next(self):
        job = self.job("run-orphan-1", b"print('given')")
        self.sandbox._starts._created(job)
        self.sandbox.start(job)
        assert output(list(self.sandbox.watch(job.sandbox))) == b"given\n"

    def test_a_starter_that_was_cut_off_from_the_pod_it_claimed_makes_it_anew(self):
        job = self.job("run-cut-off-1", b"print('given')")
        assert self.sandbox._cluster.create_pod(pod_of(job, PLACE))
        assert self.sandbox._cluster.change_state(
            job.sandbox, State.WAITING, State.CLAIMED, self.sandbox._starts._me, job.sandbox
        )
        self.sandbox.start(job)
        assert output(list(self.sandbox.watch(job.sandbox))) == b"given\n"

    def test_a_pod_that_a_dead_starter_claimed_is_made_anew(self, monkeypatch):
        monkeypatch.setattr(starts, "GIVE_SECONDS", 0.5)
        job = self.job("run-dead-starter-1", b"print('given')")
        assert self.sandbox._cluster.create_pod(pod_of(job, PLACE))
        assert self.sandbox._cluster.change_state(job.sandbox, State.WAITING, State.CLAIMED, "somebody", job.sandbox)
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(lambda: list(self.sandbox.watch(job.sandbox)))
            self.sandbox.start(job)
        with suppress(SandboxNotFound):  # in the moment between the two pods
            assert output(watched.result()) == b"given\n"
        assert output(list(self.sandbox.watch(job.sandbox))) == b"given\n"

    def test_a_pod_that_starts_slowly_is_waited_for_by_the_next_try(self, monkeypatch):
        job = Job("run-slow-1", self.python, b"print('slow')", b"", Limits(wall_seconds=20))
        monkeypatch.setattr(starts, "TURN_SECONDS", 0)
        with pytest.raises(SandboxUnreachable, match="not started yet"):
            self.sandbox.start(job)
        (pod,) = self.operator.pods_of(job.sandbox)
        monkeypatch.undo()
        self.sandbox.start(job)
        assert [one["metadata"]["uid"] for one in self.operator.pods_of(job.sandbox)] == [pod["metadata"]["uid"]]
        assert output(list(self.sandbox.watch(job.sandbox))) == b"slow\n"

    def test_a_starter_that_was_stopped_until_the_run_had_ended_runs_nothing(self, monkeypatch):
        job = self.job("run-over-by-now-1", b"print('again')")
        monkeypatch.setattr(self.sandbox._starts, "_is_wanted", lambda name: name != job.sandbox)
        self.sandbox.start(job)
        with pytest.raises(SandboxNotFound):
            list(self.sandbox.watch(job.sandbox))

    def test_a_job_that_was_given_while_the_answer_was_lost_is_not_given_again(self, monkeypatch):
        job = self.job("run-lost-answer-1", b"import uuid; print(uuid.uuid4())")
        change_state = Cluster.change_state

        def lose_the_answer(cluster: Cluster, name: str, before: State, after: State, *whose: str) -> Pod | None:
            if after is State.GIVEN:
                raise SandboxUnreachable
            return change_state(cluster, name, before, after, *whose)

        monkeypatch.setattr(Cluster, "change_state", lose_the_answer)
        with pytest.raises(SandboxUnreachable):
            self.sandbox.start(job)
        uid = self.operator.pods_of(job.sandbox)[0]["metadata"]["uid"]
        monkeypatch.undo()
        self.sandbox.start(job)
        assert self.operator.pods_of(job.sandbox)[0]["metadata"]["uid"] == uid
        assert outcome(list(self.sandbox.watch(job.sandbox))).status is Status.SUCCEEDED
