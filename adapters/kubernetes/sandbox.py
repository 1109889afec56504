"""The Sandbox port on a cluster.

A pod's supervisor keeps all frames until the pod is removed, and sends them again to whoever attaches. A pod comes to
its job in three states, each a label: `waiting`, `claimed` (by one starter, in one step), `given`.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.kubernetes.attachment import NotAttached
from adapters.kubernetes.cluster import CONFLICT, FORBIDDEN, NOT_FOUND, Cluster, Refused
from adapters.kubernetes.pod import (
    LABEL,
    STATE,
    Pod,
    State,
    ending_of,
    has_no_place,
    is_leaving,
    is_over,
    is_running,
    pod_of,
    state_of,
    trouble_of,
)
from adapters.supervisor.records import encode_job
from adapters.supervisor.seen import Seen
from application.ports import Ended, Frame, Job, NoCapacity, Runtime, SandboxNotFound, SandboxUnavailable

log = logging.getLogger(__name__)

START_SECONDS = 60
"""A cold pod takes two seconds, more where its image has to be pulled first."""
GIVE_SECONDS = 15
"""Who claimed a pod and has not given it its job for so long is dead."""
TRY_AGAIN_SECONDS = 0.1


class KubernetesSandbox:
    """Runs in one namespace, at most `slots` at once. `image` is a pattern with {language} and {version}."""

    def __init__(self, kubeconfig: Path, namespace: str, image: str, slots: int = 64) -> None:
        self._cluster = Cluster(kubeconfig, namespace)
        self._image = image
        self._slots = slots

    def start(self, job: Job) -> None:
        self._create(job)
        pod = self._wait_for_place(job.sandbox)
        if state_of(pod) is State.WAITING and self._move(job.sandbox, State.WAITING, State.CLAIMED):
            self._give(job)

    def free_slots(self) -> int:
        return max(0, self._slots - len(self._cluster.list_pods(LABEL)))

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        seen = Seen(after)
        while True:
            pod = self._wait_for_job(sandbox)
            for frame in self._frames(pod, seen.last):
                if seen.is_new(frame):
                    yield frame
                if isinstance(frame, Ended):
                    return
            time.sleep(TRY_AGAIN_SECONDS)

    def stop(self, sandbox: str) -> None:
        try:
            if not is_over(self._wait_for_job(sandbox)):
                self._cancel(sandbox)
        except SandboxNotFound:
            return

    def list(self) -> Sequence[str]:
        pods = self._cluster.list_pods(LABEL)
        return sorted(pod["metadata"]["labels"][LABEL] for pod in pods if not is_leaving(pod))

    def remove(self, sandbox: str) -> None:
        try:
            self._cluster.delete_pod(sandbox)
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise

    def image_of(self, runtime: Runtime) -> str:
        return self._image.format(language=runtime.language, version=runtime.version)

    def _create(self, job: Job) -> None:
        try:
            self._cluster.create_pod(pod_of(job, self.image_of(job.runtime)))
        except Refused as refused:
            if refused.status == FORBIDDEN and "exceeded quota" in refused.message:
                raise NoCapacity from refused
            if refused.status != CONFLICT:
                raise SandboxUnavailable(refused.message) from refused

    def _wait_for_place(self, sandbox: str) -> Pod:
        """Until it runs. One that cannot is deleted: its name is for the next try."""
        try:
            return self._placed(sandbox)
        except (NoCapacity, SandboxUnavailable):
            self.remove(sandbox)
            raise

    def _placed(self, sandbox: str) -> Pod:
        for pod in self._cluster.watch_pod(sandbox, START_SECONDS):
            if is_running(pod) or state_of(pod) is not State.WAITING:
                return pod
            if has_no_place(pod):
                raise NoCapacity
            if trouble := trouble_of(pod):
                raise SandboxUnavailable(trouble)
        raise SandboxUnavailable(f"the pod did not start within {START_SECONDS} seconds")

    def _move(self, sandbox: str, before: State, after: State) -> bool:
        return self._cluster.change_label(sandbox, STATE, before, after)

    def _give(self, job: Job) -> None:
        try:
            with self._cluster.attach(job.sandbox) as attachment:
                attachment.give(encode_job(job, job.runtime.command, keeps_frames=True))
        except NotAttached as problem:
            self.remove(job.sandbox)
            raise SandboxUnavailable(f"the pod cannot be given its job: {problem}") from problem
        self._move(job.sandbox, State.CLAIMED, State.GIVEN)

    def _cancel(self, sandbox: str) -> None:
        """Where the supervisor does not obey, the pod goes."""
        try:
            with self._cluster.attach(sandbox) as attachment:
                attachment.cancel()
        except NotAttached as problem:
            log.warning("%s does not obey and is removed: %s", sandbox, problem)
            self.remove(sandbox)

    def _wait_for_job(self, sandbox: str) -> Pod:
        """Until it has its job, or whoever should have given it is dead. Raises SandboxNotFound."""
        pod = self._existing(sandbox)
        if state_of(pod) is State.GIVEN or is_over(pod):
            return pod
        for pod in self._cluster.watch_pod(sandbox, START_SECONDS + GIVE_SECONDS):
            if state_of(pod) is State.GIVEN or is_over(pod):
                return pod
        return self._existing(sandbox)

    def _existing(self, sandbox: str) -> Pod:
        try:
            pod = self._cluster.read_pod(sandbox)
        except Refused as refused:
            if refused.status == NOT_FOUND:
                raise SandboxNotFound(sandbox) from refused
            raise
        if is_leaving(pod):
            raise SandboxNotFound(sandbox)
        return pod

    def _frames(self, pod: Pod, after: int) -> Iterator[Frame]:
        """Until the end, or until the connection breaks."""
        if is_over(pod):
            outcome, at = ending_of(pod)
            yield Ended(outcome, at or datetime.now(UTC))
            return
        try:
            with self._cluster.attach(pod["metadata"]["name"]) as attachment:
                yield from attachment.frames(after)
        except NotAttached as problem:
            log.info("attaching to %s again: %s", pod["metadata"]["name"], problem)
