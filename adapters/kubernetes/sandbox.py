"""The Sandbox port on a cluster.

A pod's supervisor keeps all frames until the pod is removed, and sends them again to whoever attaches. A pod comes to
its job in three states, each a label: `waiting`, `claimed` (by one starter, in one step), `given`. Before it is given
nobody watches it, so a claimed pod whose starter is dead, or was cut off, is removed and made anew.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from adapters.kubernetes.attachment import NotAttached
from adapters.kubernetes.cluster import Cluster
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.namespace import missing_rights
from adapters.kubernetes.pod import (
    LABEL,
    STATE,
    Place,
    Pod,
    ending_of,
    has_its_job,
    is_leaving,
    is_over,
    is_stuck,
    sandbox_of,
)
from adapters.kubernetes.pool import Pool
from adapters.kubernetes.starts import GIVE_SECONDS, START_SECONDS, Starts
from adapters.supervisor.records import check_taken
from adapters.supervisor.seen import Seen
from application.ports.sandbox import Ended, Frame, Job, SandboxNotFound, SandboxUnreachable
from domain.execution import Limits

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 0.1
GIVEN_SECONDS = 0.25
"""Who watches a run knows of it sooner than it has a pod."""
AWAY_SECONDS = 1.0
"""How soon an API server that is away is asked again."""


class KubernetesSandbox:
    """Runs in one namespace, at most `slots` at once.

    Of each language version that was asked for lately, `warm` pods wait for runs with these limits.
    `is_wanted` tells whether a run still is to have the sandbox of this name.
    """

    def __init__(
        self,
        cluster: Cluster,
        place: Place,
        slots: int = 64,
        warm: int = 0,
        limits: Limits | None = None,
        is_wanted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._cluster = cluster
        self._slots = slots
        self._mirror = Mirror(cluster, STATE)
        self._pool = Pool(cluster, self._mirror, place, limits or Limits(), warm)
        self._starts = Starts(cluster, self._mirror, place, self._pool, is_wanted)

    def start(self, job: Job) -> None:
        self._starts.start(job)

    def free_slots(self) -> int:
        """None while the API server is away."""
        try:
            return max(0, self._slots - len([pod for pod in self._mirror.pods() if sandbox_of(pod)]))
        except SandboxUnreachable:
            return 0

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        """Waits while the API server is away: the run goes on meanwhile, and its frames are kept."""
        seen = Seen(after)
        while True:
            for frame in self._some_frames(sandbox, seen.last):
                if seen.is_new(frame):
                    yield frame
                if isinstance(frame, Ended):
                    return
            time.sleep(TRY_AGAIN_SECONDS)

    def feed(self, sandbox: str, offset: int, data: bytes, is_last: bool) -> None:
        pod = self._with_job(self._existing(sandbox), START_SECONDS + GIVE_SECONDS)
        if pod is None:
            raise SandboxUnreachable(f"{sandbox} has not got its job yet, or no more")
        if is_over(pod):
            return
        try:
            with self._cluster.attach(pod["metadata"]["name"]) as attachment:
                check_taken(attachment.feed(offset, data, is_last), offset, len(data))
        except NotAttached as problem:
            raise SandboxUnreachable(f"{sandbox} cannot be given its input: {problem}") from problem

    def stop(self, sandbox: str) -> None:
        try:
            pod = self._existing(sandbox)
            if not is_over(pod) and not is_over(self._with_job(pod, START_SECONDS + GIVE_SECONDS) or pod):
                self._cancel(pod)
        except SandboxNotFound:
            return

    def list(self) -> Sequence[str]:
        """Asked of the API server, not of the mirror: what is missing here is lost. Drops what no node lets go of."""
        pods = self._cluster.list_pods(STATE)
        for pod in filter(is_stuck, pods):
            log.warning("%s is dropped: its node does not answer", pod["metadata"]["name"])
            self._cluster.delete_pod(pod["metadata"]["name"], must_end_first=False)
        return sorted({sandbox_of(pod) for pod in pods if sandbox_of(pod) and not is_leaving(pod)})

    def remove(self, sandbox: str) -> None:
        for pod in self._cluster.pods_of(sandbox):
            self._cluster.delete_pod(pod["metadata"]["name"])

    def find_problems(self) -> Sequence[str]:
        """Sentences for people; empty when pods can be asked for."""
        try:
            self._cluster.list_pods(LABEL)
            return [f"Kubernetes: {what} is not allowed here." for what in missing_rights(self._cluster)]
        except SandboxUnreachable as problem:
            return [f"Kubernetes: {problem}."]

    def _some_frames(self, sandbox: str, after: int) -> Iterator[Frame]:
        """Until the end, or until the connection breaks."""
        try:
            pod = self._given(sandbox) or self._with_job(self._existing(sandbox), START_SECONDS)
            if pod and is_over(pod):
                outcome, at = ending_of(pod)
                yield Ended(outcome, at or datetime.now(UTC))
            elif pod:
                with self._cluster.attach(pod["metadata"]["name"]) as attachment:
                    yield from attachment.frames(after)
        except NotAttached as problem:
            log.info("attaching to %s again: %s", sandbox, problem)
        except SandboxUnreachable as problem:
            log.info("%s is watched again: %s", sandbox, problem)
            time.sleep(AWAY_SECONDS)

    def _cancel(self, pod: Pod) -> None:
        """Where the supervisor does not obey, the pod goes."""
        name = pod["metadata"]["name"]
        try:
            with self._cluster.attach(name) as attachment:
                attachment.cancel()
        except NotAttached as problem:
            log.warning("%s does not obey and is removed: %s", sandbox_of(pod), problem)
            self._cluster.delete_pod(name)

    def _given(self, sandbox: str) -> Pod | None:
        """Without asking the API server, where it gets its job about now."""
        return self._mirror.find(
            lambda pod: sandbox_of(pod) == sandbox and has_its_job(pod) and not is_leaving(pod), GIVEN_SECONDS
        )

    def _with_job(self, pod: Pod, seconds: float) -> Pod | None:
        return self._mirror.when(pod, has_its_job, seconds)

    def _existing(self, sandbox: str) -> Pod:
        pods = sorted(self._cluster.pods_of(sandbox), key=has_its_job)
        if not pods:
            raise SandboxNotFound(sandbox)
        return pods[-1]
