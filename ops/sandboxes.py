"""Where scripts run, as the settings say. A cluster's client takes memory, so it is imported where there is one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.bubblewrap.sandbox import BubblewrapSandbox
from application.ports import Runtime, Runtimes, Sandbox
from domain.execution import Limits
from ops.settings import Settings

WARM_AT_ONCE = 16
"""The pods that wait for a run, beyond those that have one; a run for which there is no room takes such a place."""


class Examined(Sandbox, Protocol):
    def find_problems(self) -> Sequence[str]:
        """Sentences for people; empty when runs can be started."""


class Catalogue(Runtimes, Protocol):
    @property
    def rows(self) -> Sequence[tuple[Runtime, str | None]]:
        """Every row, and why it cannot run if it cannot."""


def sandbox(settings: Settings, limits: Limits) -> Examined:
    """`limits`: what most runs have."""
    if settings.sandbox == "bubblewrap":
        return BubblewrapSandbox(settings.data, settings.slots, settings.allow_weak_sandbox)
    from adapters.kubernetes import Account, Ceiling, Cluster, KubernetesSandbox, Place  # noqa: PLC0415

    kubeconfig = Path(settings.kubeconfig) if settings.kubeconfig else None
    namespace = settings.kubernetes_namespace
    account = Account(Cluster(kubeconfig, namespace), Ceiling(pods=settings.slots + WARM_AT_ONCE))
    place = Place(
        settings.kubernetes_image,
        settings.kubernetes_runtime_class,
        user_namespaces=settings.kubernetes_user_namespaces,
    )
    workers = Cluster(kubeconfig, namespace, account)
    return KubernetesSandbox(workers, place, settings.slots, settings.kubernetes_warm_pods, limits)


def runtimes(settings: Settings) -> Catalogue:
    if settings.sandbox == "bubblewrap":
        return LocalRuntimes()
    from adapters.kubernetes.runtimes import ClusterRuntimes  # noqa: PLC0415

    return ClusterRuntimes()
