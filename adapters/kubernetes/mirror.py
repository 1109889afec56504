"""What pods there are, kept up to date by one watch for all who wait."""

import logging
import os
import time
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from typing import Any

from adapters.kubernetes.cluster import GONE, Cluster, Refused
from adapters.kubernetes.pod import Pod, State
from application.ports.sandbox import SandboxUnreachable

log = logging.getLogger(__name__)

LIST_EVERY_SECONDS = 60.0
"""A watch that has missed something is put right so soon."""
FIRST_LIST_SECONDS = 15.0
TRY_AGAIN_SECONDS = (0.1, 2.0)
"""At first, and at most: twice as long each time."""


class Mirror:
    """Lists the pods with a label, then watches them from there on.

    It lists them again when the watch breaks, when the API server has forgotten where the watch was (410, as a status
    or as an event), and every minute.
    """

    def __init__(self, cluster: Cluster, label: str) -> None:
        self._cluster = cluster
        self._label = label
        self._process = 0
        self._begin()

    def _begin(self) -> None:
        """Once in this process: a fork takes no threads with it."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        self._pods: dict[str, Pod] = {}
        self._changed = Condition()
        self._trouble: Exception | None = SandboxUnreachable("the pods have not been listed yet")
        self._may_come = True
        self._seen = 0
        """Up to which version of the cluster's state this is what there is."""
        self.lists = 0
        """How often all of them were listed."""
        Thread(target=self._run, name="pods", daemon=True).start()

    def pods(self) -> list[Pod]:
        """As far as is known here. Raises SandboxUnreachable while that is nothing certain."""
        self._begin()
        with self._changed:
            self._changed.wait_for(lambda: not self._may_come, FIRST_LIST_SECONDS)
            if self._trouble:
                raise SandboxUnreachable(str(self._trouble)) from self._trouble
            return list(self._pods.values())

    def when(self, pod: Pod, is_so: Callable[[Pod], object], seconds: float) -> Pod | None:
        """This pod, as soon as that is so; None when it is gone, or it takes longer than this."""
        self._begin()
        now = pod

        def is_decided() -> bool:
            nonlocal now
            known = self._pods.get(pod["metadata"]["name"])
            is_there = known is not None and known["metadata"]["uid"] == pod["metadata"]["uid"]
            if known and is_there and version_of(known) > version_of(now):
                now = known
            is_gone = not is_there and version_of(now) <= self._seen
            return bool(is_so(now)) or is_gone

        with self._changed:
            self._changed.wait_for(is_decided, seconds)
        return now if is_so(now) else None

    def find(self, is_so: Callable[[Pod], object], seconds: float) -> Pod | None:
        """A pod of which that is so, as soon as there is one; None after so long, and while nothing is certain."""
        self._begin()
        with self._changed:
            return self._changed.wait_for(lambda: next(filter(is_so, self._certain()), None), seconds)

    def _certain(self) -> Iterable[Pod]:
        return () if self._trouble else self._pods.values()

    def change_state(self, name: str, before: State, after: State, claimant: str, sandbox: str) -> Pod | None:
        """As the cluster's, and known here sooner than the watch tells it."""
        changed = self._cluster.change_state(name, before, after, claimant, sandbox)
        if changed:
            self._learn(changed)
        return changed

    def _learn(self, pod: Pod) -> None:
        """Of a pod that is known; one that is not has gone, or is to come by the watch."""
        name = pod["metadata"]["name"]
        with self._changed:
            if name in self._pods and version_of(pod) > version_of(self._pods[name]):
                self._pods[name] = pod
                self._changed.notify_all()

    def _run(self) -> None:
        first, longest = TRY_AGAIN_SECONDS
        wait = first
        while True:
            try:
                self._follow()
                wait = first
            except Exception as problem:  # noqa: BLE001  # whatever it is, others wait for this thread
                self._note(problem)
                time.sleep(wait)
                wait = min(2 * wait, longest)

    def _note(self, problem: Exception | None) -> None:
        if problem and not self._trouble:
            log.warning("the pods cannot be followed: %s", problem)
        elif self._trouble and not problem:
            log.info("the pods are followed")
        with self._changed:
            self._trouble, self._may_come = problem, False
            self._changed.notify_all()

    def _follow(self) -> None:
        """Until it is time to list again."""
        version = self._list()
        until = time.monotonic() + LIST_EVERY_SECONDS
        while version and (left := until - time.monotonic()) > 0:
            version = self._watch(version, int(left) + 1)

    def _list(self) -> str:
        pods, version = self._cluster.list_with_version(self._label)
        with self._changed:
            self._pods = {pod["metadata"]["name"]: pod for pod in pods}
            self._seen = int(version)
            self.lists += 1
        self._note(None)
        return version

    def _watch(self, version: str, seconds: int) -> str:
        """Returns how far it came; empty when the API server has forgotten where it was."""
        try:
            for event in self._cluster.watch_pods(self._label, version, seconds):
                if event["type"] == "ERROR":
                    raise Refused(event["object"]["code"], event["object"]["message"])  # noqa: TRY301  # as its status would
                version = self._take(event["type"], event["object"])
        except Refused as refused:
            if refused.status != GONE:
                raise
            log.info("the pods are listed again: %s", refused)
            return ""
        return version

    def _take(self, kind: str, pod: Pod) -> str:
        metadata: dict[str, Any] = pod["metadata"]
        with self._changed:
            if kind == "DELETED":
                self._pods.pop(metadata["name"], None)
            elif kind != "BOOKMARK":
                self._pods[metadata["name"]] = pod
            version: str = metadata["resourceVersion"]
            self._seen = int(version)
            self._changed.notify_all()
        return version


def version_of(pod: Pod) -> int:
    """Higher is later."""
    return int(pod["metadata"]["resourceVersion"])
