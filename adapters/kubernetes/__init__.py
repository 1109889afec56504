"""Sandboxes on a Kubernetes cluster: one pod per run, in a namespace of their own."""

from adapters.kubernetes.sandbox import KubernetesSandbox

__all__ = ["KubernetesSandbox"]
