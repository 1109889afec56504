"""Pods with network carry a label, and a NetworkPolicy looks for it.

The cluster of the tests enforces no NetworkPolicy and has no way out, so this shows what is asked of a cluster, and
not that one does it.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from adapters.kubernetes import Ceiling, Cluster, KubernetesSandbox
from adapters.kubernetes.namespace import EVERYWHERE, prepare
from adapters.kubernetes.pod import GRANTED, NETWORK, STATE, is_idle, is_running
from adapters.supervisor.build import build
from application.ports.sandbox import Job, NetworkWithdrawn
from domain.execution import Limits, Status
from tests.cluster.image import ROWS
from tests.cluster.namespaces import worker_of
from tests.contracts.running import outcome
from tests.faults.processes import wait_until
from tests.real_kubernetes import PLACE, RealKubernetes
from tests.security.test_addresses import PUBLIC, SPECIAL

NAMESPACE = "networks"
GRANTING = Ceiling(network_ports=(80, 443))
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"


def is_let_through(text: str) -> bool:
    address = ip_address(text)
    return any(
        address in ip_network(block) and not any(address in ip_network(other) for other in others)
        for block, others in EVERYWHERE.items()
        if ip_network(block).version == address.version
    )


@pytest.mark.parametrize("text", SPECIAL)
def test_the_policy_lets_nothing_special_through(text: str):
    assert not is_let_through(text)


@pytest.mark.parametrize("text", PUBLIC)
def test_the_policy_lets_through_what_is_public(text: str):
    assert is_let_through(text)


class TestNetwork:
    @pytest.fixture(autouse=True)
    def _open(self, real_kubernetes: RealKubernetes) -> Iterator[None]:
        build()
        self.operator = Cluster(real_kubernetes.kubeconfig(), NAMESPACE)
        self.workers = Cluster(worker_of(real_kubernetes, NAMESPACE, GRANTING), NAMESPACE)
        self.granting = msgspec.structs.replace(PLACE, grants_network=True)
        self.sandbox = KubernetesSandbox(self.workers, self.granting, warm=1)
        yield
        self.sandbox._pool._wanted.clear()
        for pod in self.workers.list_pods(STATE):
            self.workers.delete_pod(pod["metadata"]["name"])

    def start(self, *, network: bool) -> str:
        name = f"run-{uuid4()}-1"
        self.sandbox.start(Job(name, ROWS[0], b"print('up')", b"", Limits(), network=network))
        return name

    def label_of(self, name: str) -> str | None:
        (pod,) = self.workers.pods_of(name)
        found: str | None = pod["metadata"]["labels"].get(NETWORK)
        return found

    def policies(self) -> dict[str, Any]:
        items = self.operator.request("GET", POLICIES)["items"]
        return {item["metadata"]["name"]: item["spec"] for item in items}

    def test_the_label_alone_lets_out_and_all_else_stays_denied(self):
        policies = self.policies()
        assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        network = policies["network"]
        assert network["podSelector"] == {"matchLabels": {NETWORK: GRANTED}}
        public, names = network["egress"]
        assert {block["ipBlock"]["cidr"]: block["ipBlock"]["except"] for block in public["to"]} == EVERYWHERE
        assert [port["port"] for port in public["ports"]] == [80, 443]
        assert {port["port"] for port in names["ports"]} == {53}

    def test_where_it_is_withdrawn_the_label_lets_out_no_more(self):
        prepare(self.operator, Ceiling())
        assert not self.policies()["network"].get("egress")
        self.sandbox = KubernetesSandbox(self.workers, PLACE)
        with pytest.raises(NetworkWithdrawn):
            self.start(network=True)
        assert self.workers.list_pods(STATE) == []

    def test_who_asks_gets_the_label_with_the_rights_that_workers_have(self):
        with_network, without = self.start(network=True), self.start(network=False)
        assert (self.label_of(with_network), self.label_of(without)) == (GRANTED, None)
        assert outcome(list(self.sandbox.watch(with_network))).status is Status.SUCCEEDED

    def test_a_pod_that_waits_is_for_runs_without_network(self):
        self.start(network=False)
        wait_until(lambda: any(is_idle(pod) and is_running(pod) for pod in self.workers.list_pods(STATE)), "one waits")
        asked = self.start(network=True)
        assert [pod["metadata"]["name"] for pod in self.workers.pods_of(asked)] == [asked], "a pod of its own"
        taken = self.start(network=False)
        assert [pod["metadata"]["name"] for pod in self.workers.pods_of(taken)] != [taken], "the one that waited"
