"""Pods that run already and wait for a job: they give it back in milliseconds, where a new pod takes seconds."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Thread

from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.pod import (
    Place,
    Pod,
    State,
    age_of,
    is_idle,
    is_of,
    is_over,
    is_running,
    pool_of,
    trouble_of,
    warm_pod,
)
from application.ports.sandbox import Job, Runtime, SandboxUnreachable
from domain.execution import Limits

log = logging.getLogger(__name__)

OLDEST = timedelta(minutes=30)
"""What has waited for so long is replaced: a pod has an hour, and its run's time."""
WANTED_SECONDS = 1800.0
"""A language version that nobody asked for in this time has no pod waiting."""
LOOK_SECONDS = 5.0
REST_SECONDS = 0.5
"""After a claim: a run begins in that pod just now, and the mirror may not know of it yet."""
START_SECONDS = 10.0
PAUSE_SECONDS = 30.0
"""After a start for which there was no room, or a pod that could not be made."""


class Pool:
    """`size` pods wait for each language version that was asked for lately. Each takes one job and is not used again.

    They have the default limits and no network, so a run with others does not get one. All workers of a namespace
    share them.
    """

    def __init__(self, cluster: Cluster, mirror: Mirror, place: Place, limits: Limits, size: int) -> None:
        self._cluster = cluster
        self._mirror = mirror
        self._place = place
        self._limits = limits
        self._size = size
        self._wanted: dict[Runtime, float] = {}
        self._paused_until = 0.0
        self._asked = Event()
        self._filler: Thread | None = None

    def claim(self, job: Job, claimant: str) -> Pod | None:
        """One that is its alone from now on; None when none is there."""
        if not self._size or job.network or not self._fits(job.limits):
            return None
        self._want(job.runtime)
        for pod in self._mirror.pods():
            if is_of(pool_of(job.runtime), pod) and is_idle(pod) and is_running(pod):
                name = pod["metadata"]["name"]
                if self._mirror.change_state(name, State.WAITING, State.CLAIMED, claimant, job.sandbox):
                    return pod
        return None

    def give_way(self) -> None:
        """There was no room for a run: a pod that waits for another goes, and none is made for a while."""
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        for pod in filter(is_idle, self._mirror.pods()):
            self._cluster.delete_unchanged(pod)
            return

    def fill(self) -> None:
        """Make what is missing; remove what has waited too long, cannot start, or is too many.

        Workers that look at the same time make as many each. Which ones stay is the same to all of them.
        """
        idle = sorted(filter(is_idle, self._mirror.pods()), key=_seniority)
        spent = [pod for pod in idle if age_of(pod) > OLDEST or is_over(pod) or trouble_of(pod)]
        for pod in spent:
            self._drop(pod)
        for runtime in self._still_wanted():
            waiting = [pod for pod in idle if is_of(pool_of(runtime), pod) and pod not in spent]
            for pod in waiting[self._size :]:
                self._cluster.delete_unchanged(pod)
            missing = self._size - len(waiting)
            made = [self._cluster.create_pod(warm_pod(runtime, self._limits, self._place)) for _ in range(missing)]
            for pod in made:
                self._mirror.when(pod, is_running, START_SECONDS)

    def _fits(self, limits: Limits) -> bool:
        """What the supervisor limits may be less; what the pod limits must be the same."""
        ours = self._limits
        is_same = (limits.memory_bytes, limits.cpus, limits.disk_bytes) == (
            ours.memory_bytes,
            ours.cpus,
            ours.disk_bytes,
        )
        return is_same and limits.wall_seconds <= ours.wall_seconds

    def _want(self, runtime: Runtime) -> None:
        self._wanted[runtime] = time.monotonic()
        self._asked.set()
        if self._filler is None or not self._filler.is_alive():
            self._filler = Thread(target=self._keep_filled, name="pool", daemon=True)
            self._filler.start()

    def _still_wanted(self) -> Iterator[Runtime]:
        now = time.monotonic()
        for runtime, asked in list(self._wanted.items()):
            if now - asked < WANTED_SECONDS and now >= self._paused_until:
                yield runtime

    def _drop(self, pod: Pod) -> None:
        if trouble := trouble_of(pod):
            log.warning("no pod can wait for runs: %s", trouble)
            self._paused_until = time.monotonic() + PAUSE_SECONDS
        self._cluster.delete_unchanged(pod)

    def _keep_filled(self) -> None:
        while True:
            if self._asked.wait(LOOK_SECONDS):
                time.sleep(REST_SECONDS)
            self._asked.clear()
            try:
                self.fill()
            except SandboxUnreachable as problem:
                log.info("no pods are made to wait for runs: %s", problem)
                self._paused_until = time.monotonic() + PAUSE_SECONDS


def _seniority(pod: Pod) -> tuple[str, str]:
    metadata = pod["metadata"]
    return metadata["creationTimestamp"], metadata["name"]
