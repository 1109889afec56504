"""Many runs on a cluster, a third of them cancelled at random: every ending is true, and nothing is left of them.

CANCELLED_RUNS says how many; as many as fit into a minute are the usual.
"""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from adapters.kubernetes import Cluster
from adapters.kubernetes.pod import STATE
from adapters.supervisor.build import build
from tests.cluster.image import ROWS
from tests.cluster.outside import cgroups
from tests.cluster.system import data_for
from tests.cluster.witness import Witness
from tests.faults.checker import check_ledger, check_nothing_left, container_of
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, follow, output_of
from tests.real_kubernetes import RealKubernetes
from tests.system import running_on

RUNS = int(os.environ.get("CANCELLED_RUNS", "60"))
SLOTS = 12
CLIENTS = 24
TEXT = "".join(f"{line}\n" for line in range(20))
SCRIPT = "import time, random\nfor line in range(20): print(line); time.sleep(random.random() / 20)"
CONFLICT = 409
"""The run had ended."""


class Told(NamedTuple):
    """What one client saw of one run."""

    run: str
    is_cancelled: bool
    """Whether somebody asked for that, in time as he was told."""
    status: str
    output: str


class Crowd:
    def __init__(self, api: httpx.Client, seed: int) -> None:
        self._api = api
        self._chances = random.Random(seed)

    def run(self, count: int) -> list[Told]:
        with ThreadPoolExecutor(CLIENTS) as clients:
            plans = [self._chances.uniform(0, 4) if self._chances.random() < 1 / 3 else None for _ in range(count)]
            return list(clients.map(self._one, plans))

    def _one(self, cancel_after: float | None) -> Told:
        run = execute(self._api, SCRIPT, version=ROWS[0].version)
        is_cancelled = cancel_after is not None and self._cancel(run, cancel_after)
        messages = list(follow(self._api, run))
        return Told(run, is_cancelled, messages[-1].data["status"], output_of(messages).decode())

    def _cancel(self, run: str, after: float) -> bool:
        time.sleep(after)
        answer = self._api.post(f"/executions/{run}/cancel")
        assert answer.status_code == CONFLICT or answer.is_success
        return answer.is_success


def check_endings(told: list[Told]) -> None:
    for one in told:
        if one.is_cancelled:
            assert one.status in {"cancelled", "succeeded"}, one
        else:
            assert one.status == "succeeded", one
        assert TEXT.startswith(one.output) if one.status == "cancelled" else one.output == TEXT, one
    assert any(one.status == "cancelled" for one in told)


def test_nothing_is_left_of_many_runs_on_a_cluster(real_kubernetes: RealKubernetes, tmp_path: Path):
    build()
    cluster = Cluster(real_kubernetes.kubeconfig(), "crowd")
    witness = Witness(cluster)
    data = data_for(real_kubernetes, "crowd", tmp_path / "data", slots=SLOTS, kubernetes_warm_pods=2)
    with running_on(data) as system, closing(system.log_in()) as api:
        told = Crowd(api, seed=1).run(RUNS)
        check_endings(told)
        container = container_of(system)
        check_nothing_left(system, container)
        check_ledger(container)
        wait_until(lambda: container.sandbox().free_slots() == SLOTS, "all slots are free")
    assert left_of(real_kubernetes, witness.uids()), "those that wait can be seen"
    for waiting in cluster.list_pods(STATE):
        cluster.delete_pod(waiting["metadata"]["name"])
    wait_until(lambda: not cluster.list_pods(""), "no pod is left")
    assert len(witness.uids()) >= sum(bool(one.output) for one in told)
    wait_until(lambda: not left_of(real_kubernetes, witness.uids()), "no cgroup, folder or process of a pod is left")


def left_of(real: RealKubernetes, pods: set[str]) -> list[str]:
    """Those of which this machine has anything."""
    tops = [*cgroups(real.name), real.folder / "kubelet" / "pods"]
    folders = [folder for top in tops for _, names, _ in os.walk(top) for folder in names]  # some go meanwhile
    found = "\n".join([*folders, *cgroups_of_processes()])
    return [uid for uid in pods if uid in found]


def cgroups_of_processes() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (process / "cgroup").read_text()
