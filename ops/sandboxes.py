"""Where scripts run, as the settings say. A cluster's client takes memory, so it is imported where there is one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.bubblewrap.sandbox import BubblewrapSandbox
from application.ports import Runtime, Runtimes, Sandbox
from ops.settings import Settings


class Examined(Sandbox, Protocol):
    def find_problems(self) -> Sequence[str]:
        """Sentences for people; empty when runs can be started."""


class Catalogue(Runtimes, Protocol):
    @property
    def rows(self) -> Sequence[tuple[Runtime, str | None]]:
        """Every row, and why it cannot run if it cannot."""


def sandbox(settings: Settings) -> Examined:
    if settings.sandbox == "bubblewrap":
        return BubblewrapSandbox(settings.data, settings.slots, settings.allow_weak_sandbox)
    from adapters.kubernetes import Account, Ceiling, Cluster, KubernetesSandbox, Place  # noqa: PLC0415

    kubeconfig = Path(settings.kubeconfig) if settings.kubeconfig else None
    namespace = settings.kubernetes_namespace
    account = Account(Cluster(kubeconfig, namespace), Ceiling(pods=settings.slots))
    place = Place(
        settings.kubernetes_image,
        settings.kubernetes_runtime_class,
        user_namespaces=settings.kubernetes_user_namespaces,
    )
    return KubernetesSandbox(Cluster(kubeconfig, namespace, account), place, settings.slots)


def runtimes(settings: Settings) -> Catalogue:
    if settings.sandbox == "bubblewrap":
        return LocalRuntimes()
    from adapters.kubernetes.runtimes import ClusterRuntimes  # noqa: PLC0415

    return ClusterRuntimes()
