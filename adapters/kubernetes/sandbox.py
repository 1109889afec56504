"""The Sandbox port on a cluster.

A pod's supervisor keeps all frames until the pod is removed, and sends them again to whoever attaches. A pod comes to
its job in three states, each a label: `waiting`, `claimed` (by one starter, in one step), `given`. Before it is given
nobody watches it, so a claimed pod whose starter is dead, or was cut off, is removed and made anew.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from adapters.kubernetes.attachment import NotAttached
from adapters.kubernetes.cluster import CONFLICT, FORBIDDEN, NOT_FOUND, Cluster, Refused
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.pod import (
    LABEL,
    STATE,
    Place,
    Pod,
    State,
    claimant_of,
    ending_of,
    has_no_place,
    is_leaving,
    is_over,
    is_running,
    pod_of,
    sandbox_of,
    state_of,
    trouble_of,
)
from adapters.supervisor.records import encode_job
from adapters.supervisor.seen import Seen
from application.ports import (
    Ended,
    Frame,
    Job,
    NoCapacity,
    SandboxNotFound,
    SandboxUnavailable,
    SandboxUnreachable,
)

log = logging.getLogger(__name__)

START_SECONDS = 60
"""A cold pod takes two seconds, more where its image has to be pulled first."""
GIVE_SECONDS = 15
"""Who claimed a pod and has not given it its job for so long is dead."""
TRY_AGAIN_SECONDS = 0.1
AWAY_SECONDS = 1.0
"""How soon an API server that is away is asked again."""


class KubernetesSandbox:
    """Runs in one namespace, at most `slots` at once."""

    def __init__(self, cluster: Cluster, place: Place, slots: int = 64) -> None:
        self._cluster = cluster
        self._place = place
        self._slots = slots
        self._me = secrets.token_hex(8)
        self._giving: set[str] = set()
        self._given: set[str] = set()
        """Those that have their job, and whose label does not say so yet."""
        self._mirrored: tuple[int, Mirror] | None = None

    def start(self, job: Job) -> None:
        try:
            while not self._is_started(job):
                log.info("the pod of %s is made anew", job.sandbox)
        except Refused as refused:
            raise SandboxUnreachable(f"{job.sandbox} is interrupted: {refused}") from refused

    def free_slots(self) -> int:
        """None while the API server is away."""
        try:
            return max(0, self._slots - len(self._mirror().pods()))
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

    def stop(self, sandbox: str) -> None:
        try:
            pod = self._existing(sandbox)
            if not is_over(pod) and not is_over(self._with_job(pod, START_SECONDS + GIVE_SECONDS) or pod):
                self._cancel(pod)
        except SandboxNotFound:
            return

    def list(self) -> Sequence[str]:
        """Asked of the API server, not of the mirror: what is missing in it is lost."""
        return sorted({sandbox_of(pod) for pod in self._cluster.list_pods(LABEL) if not is_leaving(pod)})

    def remove(self, sandbox: str) -> None:
        for pod in self._cluster.list_pods(f"{LABEL}={sandbox}"):
            self._delete(pod)

    def find_problems(self) -> Sequence[str]:
        """Sentences for people; empty when pods can be asked for."""
        try:
            self._cluster.list_pods(LABEL)
        except (Refused, SandboxUnreachable) as problem:
            return [f"Kubernetes: {problem}."]
        return []

    # To its job -----------------------------------------------------------------------------------------------

    def _is_started(self, job: Job) -> bool:
        pod = self._created(job)
        if not (placed := self._mirror().when(pod, _is_decided, START_SECONDS)):
            return self._has_gone(pod)
        if state_of(placed) is State.WAITING and not is_running(placed):
            self._give_up(placed)
        if state_of(placed) is State.WAITING and self._claim(placed, job.sandbox):
            self._give(placed, job)
            return True
        return self._is_given_by_another(placed, job.sandbox)

    def _created(self, job: Job) -> Pod:
        """Now, or at an earlier try."""
        try:
            return self._cluster.create_pod(pod_of(job, self._place))
        except Refused as refused:
            if refused.status == FORBIDDEN and "exceeded quota" in refused.message:
                raise NoCapacity from refused
            if refused.status == FORBIDDEN and "cannot create resource" in refused.message:
                raise SandboxUnreachable(refused.message) from refused  # so says one that has just been started, too
            if refused.status != CONFLICT:
                raise SandboxUnavailable(refused.message) from refused
        return self._cluster.read_pod(job.sandbox)

    def _has_gone(self, pod: Pod) -> bool:
        """False where there can be another; a pod that cannot start is deleted, as its name is for the next try."""
        if is_leaving(pod) or pod["metadata"]["name"] not in {one["metadata"]["name"] for one in self._mirror().pods()}:
            return False
        self._delete(pod)
        raise SandboxUnavailable(f"the pod did not start within {START_SECONDS} seconds")

    def _give_up(self, pod: Pod) -> None:
        self._delete(pod)
        raise NoCapacity if has_no_place(pod) else SandboxUnavailable(trouble_of(pod))

    def _claim(self, pod: Pod, sandbox: str) -> bool:
        self._giving.add(sandbox)
        try:
            return self._cluster.change_state(pod["metadata"]["name"], State.WAITING, State.CLAIMED, self._me)
        except BaseException:
            self._giving.discard(sandbox)
            raise

    def _give(self, pod: Pod, job: Job) -> None:
        name = pod["metadata"]["name"]
        try:
            with self._cluster.attach(name) as attachment:
                attachment.give(encode_job(job, job.runtime.command, keeps_frames=True))
            self._given.add(job.sandbox)
            self._cluster.change_state(name, State.CLAIMED, State.GIVEN, self._me)
            self._given.discard(job.sandbox)
        except NotAttached as problem:
            raise SandboxUnreachable(f"{job.sandbox} cannot be given its job: {problem}") from problem
        finally:
            self._giving.discard(job.sandbox)

    def _is_given_by_another(self, pod: Pod, sandbox: str) -> bool:
        """Or by us, at an earlier try. One that nobody gives its job any more is removed."""
        name = pod["metadata"]["name"]
        if sandbox in self._given:
            self._cluster.change_state(name, State.CLAIMED, State.GIVEN, self._me)
            self._given.discard(sandbox)
            return True
        if claimant_of(pod) == self._me and sandbox not in self._giving:
            is_given = _has_its_job(self._cluster.read_pod(name))
        else:
            is_given = self._with_job(pod, GIVE_SECONDS) is not None
        if is_given:
            return True
        log.warning("the starter of %s is gone", sandbox)
        self._delete(pod)
        self._mirror().when(pod, lambda _: False, START_SECONDS)
        return False

    # With its job ---------------------------------------------------------------------------------------------

    def _some_frames(self, sandbox: str, after: int) -> Iterator[Frame]:
        """Until the end, or until the connection breaks."""
        try:
            pod = self._with_job(self._existing(sandbox), START_SECONDS)
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
        try:
            with self._cluster.attach(pod["metadata"]["name"]) as attachment:
                attachment.cancel()
        except NotAttached as problem:
            log.warning("%s does not obey and is removed: %s", sandbox_of(pod), problem)
            self._delete(pod)

    def _with_job(self, pod: Pod, seconds: float) -> Pod | None:
        return self._mirror().when(pod, _has_its_job, seconds)

    def _existing(self, sandbox: str) -> Pod:
        for pod in self._cluster.list_pods(f"{LABEL}={sandbox}"):
            if not is_leaving(pod):
                return pod
        raise SandboxNotFound(sandbox)

    def _delete(self, pod: Pod) -> None:
        try:
            self._cluster.delete_pod(pod["metadata"]["name"])
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise

    def _mirror(self) -> Mirror:
        """Of this process."""
        if self._mirrored is None or self._mirrored[0] != os.getpid():
            self._mirrored = (os.getpid(), Mirror(self._cluster, STATE))
        return self._mirrored[1]


def _has_its_job(pod: Pod) -> bool:
    return state_of(pod) is State.GIVEN


def _is_decided(pod: Pod) -> bool:
    """Whether it is known what becomes of it."""
    is_known = is_running(pod) or state_of(pod) is not State.WAITING or has_no_place(pod) or trouble_of(pod)
    return bool(is_known) and not is_leaving(pod)
