"""Somebody who sees every pod that there ever was in a namespace."""

from contextlib import suppress
from threading import Thread

from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.pod import STATE, Pod
from application.ports.sandbox import SandboxUnreachable

SECONDS = 3600


class Witness:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.seen: list[Pod] = []
        """Each as it was after each change."""
        Thread(target=self._note, name="witness", daemon=True).start()

    def uids(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in list(self.seen)}

    def _note(self) -> None:
        with suppress(SandboxUnreachable):  # it ends with the cluster
            for event in self._cluster.watch_pods(STATE, "0", SECONDS):
                if event["type"] != "BOOKMARK":
                    self.seen.append(event["object"])
