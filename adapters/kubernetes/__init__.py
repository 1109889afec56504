"""Sandboxes on a Kubernetes cluster: one pod per run, in a namespace of their own."""

from adapters.kubernetes.account import Account
from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.namespace import Ceiling
from adapters.kubernetes.pod import Place
from adapters.kubernetes.sandbox import KubernetesSandbox

__all__ = ["Account", "Ceiling", "Cluster", "KubernetesSandbox", "Place"]
