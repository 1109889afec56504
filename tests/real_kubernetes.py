"""Kubernetes itself, one node on loopback, where `.ci/kubernetes` has built it; needs root.

The API server and what serves it are processes of the tests. The kubelet and containerd live in a PID and a mount
namespace of their own, and all that they ever start or mount ends with those. Outside of them stand a bridge and a
cgroup, which are removed.
"""

import os
import secrets
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from adapters.embedded.server import LOOPBACK, free_port
from adapters.kubernetes import Place
from tests.cluster.image import ROWS, write_image
from tests.cluster.keys import write_keys, write_user
from tests.cluster.node import PAUSE_IMAGE, write_node
from tests.cluster.outside import standing_outside
from tests.real_kafka import CACHE

PROGRAM = CACHE / "runledger" / "kubernetes-1.34.4" / "node"
PLACE = Place("localhost/runledger/{language}:{version}")
IMAGES = tuple(map(PLACE.image_of, ROWS))
START_SECONDS = 120
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "system:masters",
    "system:kube-scheduler": "system:masters",
    "system:node:localhost": "system:nodes",
}


class RealKubernetes:
    """A cluster with its files in a folder."""

    def __init__(self, folder: Path, node_grace_seconds: int = 50) -> None:
        """A node is given up when nothing was heard of it for so long."""
        self.folder = folder
        self._node_grace_seconds = node_grace_seconds
        self.port = free_port()
        self._etcd, self._peers, self._kubelet = free_port(), free_port(), free_port()
        self.name = f"rl{secrets.token_hex(4)}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @staticmethod
    def missing() -> str:
        """Why there can be none here; empty when there can."""
        if os.geteuid() != 0:
            return "a Kubernetes node needs root"
        return "" if PROGRAM.is_file() else "Kubernetes has not been built"

    @property
    def server(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.folder / f"{user}.kubeconfig"

    def start(self) -> None:
        """Returns when pods can be created. Raises RuntimeError with what was said when that does not come."""
        write_keys(self.folder)
        for user, group in USERS.items():
            write_user(self.folder, self.server, user, group)
        self.start_program("etcd", self._etcd_options())
        self.start_api_server()
        write_node(self.folder, PROGRAM, self._kubelet, self.name, self.name)
        write_image(self.folder / "image.tar", [*IMAGES, PAUSE_IMAGE])  # a second, while the API server gets ready
        self._start_node()
        self._wait_for("the API server", lambda: self._get("/readyz").is_success)
        for name in ("kube-controller-manager", "kube-scheduler"):
            self.start_program(name, self._controller_options(name))
        self._wait_for("the node", self._node_is_ready)

    def start_api_server(self) -> None:
        self.start_program("kube-apiserver", self._api_server_options())

    def stop_api_server(self) -> None:
        self._end("kube-apiserver")

    def stop_node(self) -> None:
        """As by a cut power line."""
        self._end("node")

    def start_program(self, name: str, options: Sequence[str]) -> None:
        self._spawn(name, [str(PROGRAM), name, *options])

    def stop(self) -> None:
        for name in reversed(list(self._processes)):
            self._end(name)

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            dies_with_us = ["setpriv", "--pdeathsig", "KILL", "--", *command]
            self._processes[name] = subprocess.Popen(
                dies_with_us, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    def _start_node(self) -> None:
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self._spawn("node", [*namespaces, "bash", str(self.folder / "node.sh")])

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        for child in first_children(process.pid) if name == "node" else [process.pid]:
            os.kill(child, signal.SIGKILL)
        process.wait()

    def _wait_for(self, what: str, is_there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._holds(is_there):
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f"{what} does not come; {dead or 'nobody'} died:\n{self._last_words()}")
            time.sleep(0.05)

    def _holds(self, is_there: Callable[[], bool]) -> bool:
        try:
            return is_there()
        except httpx.TransportError:
            return False

    def _get(self, path: str) -> httpx.Response:
        token = msgspec.json.decode(self.kubeconfig().read_bytes())["users"][0]["user"]["token"]
        authority = ssl.create_default_context(cafile=self.folder / "authority.crt")
        return httpx.get(self.server + path, verify=authority, headers={"Authorization": f"Bearer {token}"}, timeout=5)

    def _node_is_ready(self) -> bool:
        """And nothing keeps pods away from it any more, which takes a moment longer."""
        answer = self._get("/api/v1/nodes/localhost")
        node = answer.json() if answer.is_success else {"status": {}}
        conditions = node["status"].get("conditions", [])
        is_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return is_ready and not node["spec"].get("taints")

    def _last_words(self) -> str:
        logs = (log.read_text(errors="replace").splitlines()[-8:] for log in sorted(self.folder.glob("*.log")))
        return "\n".join(line for lines in logs for line in lines)

    def _etcd_options(self) -> list[str]:
        clients, peers = f"http://{LOOPBACK}:{self._etcd}", f"http://{LOOPBACK}:{self._peers}"
        return [
            *("--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        ]

    def _api_server_options(self) -> list[str]:
        return [
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd}",
            *(f"--bind-address={LOOPBACK}", f"--secure-port={self.port}", f"--advertise-address={LOOPBACK}"),
            *("--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16", "--profiling=false"),
            *("--tls-cert-file=server.crt", "--tls-private-key-file=server.key"),
            *("--client-ca-file=authority.crt", "--token-auth-file=users.csv", "--authorization-mode=Node,RBAC"),
            *("--enable-admission-plugins=NodeRestriction", "--service-account-issuer=https://kubernetes.default.svc"),
            *("--service-account-key-file=tokens.pub", "--service-account-signing-key-file=tokens.key"),
            *("--kubelet-client-certificate=client.crt", "--kubelet-client-key=client.key"),
            "--kubelet-preferred-address-types=Hostname",
        ]

    def _controller_options(self, name: str) -> list[str]:
        options = [f"--kubeconfig={name}.kubeconfig", "--leader-elect=false", f"--bind-address={LOOPBACK}"]
        options += [f"--secure-port={free_port()}"]
        if name == "kube-controller-manager":
            options += ["--service-account-private-key-file=tokens.key", "--root-ca-file=authority.crt"]
            options += [f"--node-monitor-grace-period={self._node_grace_seconds}s"]
        return options


def first_children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running_kubernetes(folder: Path, **options: int) -> Iterator[RealKubernetes]:
    """Leaves nothing behind but the logs."""
    cluster = RealKubernetes(folder, **options)
    with ExitStack() as stack:
        stack.enter_context(standing_outside(cluster.name))
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.suffix == ".tar":
            left.unlink()


@pytest.fixture(scope="session")
def real_kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKubernetes]:
    """All tests share it, so each has sandboxes or a namespace of its own."""
    if missing := RealKubernetes.missing():
        pytest.skip(missing)
    with running_kubernetes(tmp_path_factory.mktemp("kubernetes")) as cluster:
        yield cluster
