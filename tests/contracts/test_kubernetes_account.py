"""The workers use no more rights than their Role gives, whoever's the kubeconfig is, and their token does not end."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.kubernetes import Account, Ceiling, Cluster, Place
from adapters.kubernetes.cluster import FORBIDDEN, Refused
from adapters.kubernetes.namespace import ACCOUNT
from adapters.kubernetes.pod import is_running, pod_of
from application.ports.sandbox import Job, SandboxUnreachable
from domain.execution import Limits
from tests.cluster.image import ROWS
from tests.cluster.keys import write_kubeconfig
from tests.cluster.namespaces import worker_of
from tests.faults.processes import wait_until
from tests.real_kubernetes import PLACE, RealKubernetes

NAMESPACE = "accounts"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
SECONDS = 600
"""No API server gives a token for less."""


@pytest.fixture
def operator(real_kubernetes: RealKubernetes) -> Cluster:
    return Cluster(real_kubernetes.kubeconfig(), NAMESPACE)


@pytest.fixture
def account(operator: Cluster) -> Account:
    return Account(operator, Ceiling(), SECONDS)


@pytest.fixture
def workers(real_kubernetes: RealKubernetes, account: Account) -> Cluster:
    return Cluster(real_kubernetes.kubeconfig(), NAMESPACE, account)


def ends_at(token: str) -> float:
    body = token.split(".")[1]
    ends: float = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"]
    return ends


def test_with_an_operators_kubeconfig_the_workers_may_not_what_the_operator_may(operator: Cluster, workers: Cluster):
    assert workers.list_pods("") == []
    assert operator.request("GET", SECRETS)["items"] == []
    with pytest.raises(Refused, match=f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}") as refused:
        workers.request("GET", SECRETS)
    assert refused.value.status == FORBIDDEN


def test_a_certificate_of_the_operators_does_not_make_the_workers_operators(
    real_kubernetes: RealKubernetes, account: Account, tmp_path: Path
):
    written = json.loads(real_kubernetes.kubeconfig().read_bytes())
    folder = real_kubernetes.folder
    pair = {"client-certificate": str(folder / "client.crt"), "client-key": str(folder / "client.key")}
    written["users"][0]["user"] = pair
    (tmp_path / "kubeconfig").write_text(json.dumps(written))
    assert Cluster(tmp_path / "kubeconfig", NAMESPACE).request("GET", SECRETS)["items"] == []
    with pytest.raises(Refused):
        Cluster(tmp_path / "kubeconfig", NAMESPACE, account).request("GET", SECRETS)


def test_a_token_is_renewed_before_its_end(account: Account, monkeypatch: pytest.MonkeyPatch):
    first, now = account.token(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.75 * SECONDS)
    assert account.token() == first
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.85 * SECONDS)
    assert account.token() not in {first, None}
    assert ends_at(first or "") - time.time() > 0.85 * SECONDS


def test_while_it_cannot_be_renewed_the_token_is_used_to_its_end(
    account: Account, operator: Cluster, monkeypatch: pytest.MonkeyPatch
):
    first, now = account.token(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.85 * SECONDS)
    operator._kubeconfig, operator._connected = Path("/nowhere"), None
    assert account.token() == first
    account.forget()
    with pytest.raises(SandboxUnreachable, match="/nowhere says nothing of a cluster"):
        account.token()


def is_refused(worker: Cluster) -> bool:
    try:
        worker.list_pods("")
    except SandboxUnreachable:
        return True
    return False


def test_a_token_that_is_refused_is_replaced(
    real_kubernetes: RealKubernetes, workers: Cluster, account: Account, operator: Cluster, tmp_path: Path
):
    """The API server believes a token for ten seconds more."""
    authority = real_kubernetes.folder / "authority.crt"
    write_kubeconfig(tmp_path / "old", real_kubernetes.server, authority, account.token() or "")
    assert not is_refused(Cluster(tmp_path / "old", NAMESPACE))
    operator.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}")
    wait_until(lambda: is_refused(Cluster(tmp_path / "old", NAMESPACE)), "the old token is refused")
    assert not is_refused(workers)


def test_a_token_that_has_ended_is_read_again_from_the_kubeconfig(real_kubernetes: RealKubernetes, tmp_path: Path):
    good = worker_of(real_kubernetes, NAMESPACE, Ceiling())
    written = tmp_path / "kubeconfig"
    write_kubeconfig(written, real_kubernetes.server, real_kubernetes.folder / "authority.crt", "ended")
    worker = Cluster(written, NAMESPACE)
    with pytest.raises(SandboxUnreachable, match="Unauthorized"):
        worker.list_pods("")
    written.write_bytes(good.read_bytes())
    assert worker.list_pods("") == []


def test_a_kubeconfig_of_the_workers_own_is_used_as_it_is(real_kubernetes: RealKubernetes):
    written = worker_of(real_kubernetes, NAMESPACE, Ceiling())
    account = Account(Cluster(written, NAMESPACE), Ceiling())
    assert account.token() is None
    assert Cluster(written, NAMESPACE, account).list_pods("") == []


AS_A_POD = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp "$1" /run/secrets/kubernetes.io/serviceaccount/ca.crt
printf %s "$2" >/run/secrets/kubernetes.io/serviceaccount/token
exec "$3" -c "$4"
"""
LIST = f"""
from adapters.kubernetes import Account, Ceiling, Cluster
cluster = Cluster(None, {NAMESPACE!r})
print(Account(cluster, Ceiling()).token(), Cluster(None, {NAMESPACE!r}, Account(cluster, Ceiling())).list_pods(""))
"""


def test_without_a_kubeconfig_the_workers_are_who_their_pod_is(real_kubernetes: RealKubernetes, account: Account):
    """What a pod is given, at its places, in a mount namespace: the pods of this cluster have no route to its API."""
    given = [str(real_kubernetes.folder / "authority.crt"), account.token() or "", sys.executable, LIST]
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(real_kubernetes.port)}
    command = ["unshare", "--mount", "sh", "-c", AS_A_POD, "sh", *given]
    ran = subprocess.run(command, env=os.environ | where, check=False, capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("None []\n", 0), ran.stderr


def test_pods_get_the_runtime_class_that_is_set(operator: Cluster, workers: Cluster):
    metadata = {"name": "own"}
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": "runc"}
    operator.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", body=runtime_class)
    job = Job("classed-1", ROWS[0], b"", b"", Limits())
    workers.create_pod(pod_of(job, Place(PLACE.image, runtime_class="own")))
    assert workers.read_pod("classed-1")["spec"]["runtimeClassName"] == "own"
    assert any(is_running(event["object"]) for event in workers.watch_pods("", "0", 30))
    workers.delete_pod("classed-1")
    with pytest.raises(Refused, match='RuntimeClass "none" not found'):
        workers.create_pod(pod_of(job, Place(PLACE.image, runtime_class="none")))


def test_pods_get_a_user_namespace_where_that_is_set(workers: Cluster):
    job = Job("mapped-1", ROWS[0], b"", b"", Limits())
    assert "hostUsers" not in pod_of(job, PLACE)["spec"]
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"
    answer = workers.request("POST", path, body=pod_of(job, Place(PLACE.image, user_namespaces=True)))
    assert answer["spec"]["hostUsers"] is False
