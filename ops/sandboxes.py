"""Where scripts run, as the settings say. A cluster's client takes memory, so it is imported where there is one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.bubblewrap.sandbox import BubblewrapSandbox
from adapters.network.hosts import parse, ports
from application.ports.sandbox import Runtime, Runtimes, Sandbox
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


def sandbox(settings: Settings, limits: Limits, is_wanted: Callable[[str], bool]) -> Examined:
    """`limits`: what most runs have. `is_wanted`: whether an open run has a sandbox of this name."""
    hosts = network_hosts(settings)
    if settings.sandbox == "bubblewrap":
        return BubblewrapSandbox(settings.data, settings.slots, settings.allow_weak_sandbox, ",".join(hosts))
    from adapters.kubernetes import Account, Ceiling, Cluster, KubernetesSandbox, Place  # noqa: PLC0415

    kubeconfig = Path(settings.kubeconfig) if settings.kubeconfig else None
    namespace = settings.kubernetes_namespace
    ceiling = Ceiling(pods=settings.slots + WARM_AT_ONCE, network_ports=ports(parse(settings.network_hosts)))
    account = Account(Cluster(kubeconfig, namespace), ceiling)
    place = Place(
        settings.kubernetes_image,
        settings.kubernetes_runtime_class,
        user_namespaces=settings.kubernetes_user_namespaces,
        grants_network=bool(hosts),
    )
    workers = Cluster(kubeconfig, namespace, account)
    return KubernetesSandbox(workers, place, settings.slots, settings.kubernetes_warm_pods, limits, is_wanted)


def network_hosts(settings: Settings) -> list[str]:
    """What runs may reach, each as it may be written."""
    return [str(host) for host in parse(settings.network_hosts)]


def runtimes(settings: Settings) -> Catalogue:
    if settings.sandbox == "bubblewrap":
        return LocalRuntimes()
    from adapters.kubernetes.runtimes import ClusterRuntimes  # noqa: PLC0415

    return ClusterRuntimes()
