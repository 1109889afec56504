"""Namespaces of a test cluster, each with an account for the workers."""

from pathlib import Path

from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.namespace import Ceiling, prepare, token
from tests.cluster.keys import write_kubeconfig
from tests.real_kubernetes import RealKubernetes


def worker_of(real: RealKubernetes, namespace: str, ceiling: Ceiling) -> Path:
    """A kubeconfig that may do what workers may, and nothing else; the namespace is made, or changed."""
    operator = Cluster(real.kubeconfig(), namespace)
    prepare(operator, ceiling)
    written = real.folder / f"{namespace}.kubeconfig"
    write_kubeconfig(written, real.server, real.folder / "authority.crt", token(operator))
    return written
