"""How a pod comes to its job, though starters are cut off, die, or begin at once."""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.kubernetes.attachment import NotAttached
from adapters.kubernetes.cluster import CONFLICT, FORBIDDEN, Cluster, Refused
from adapters.kubernetes.mirror import Mirror
from adapters.kubernetes.pod import (
    Place,
    Pod,
    State,
    claimant_of,
    has_its_job,
    has_no_place,
    is_leaving,
    is_running,
    pod_of,
    sandbox_of,
    state_of,
    trouble_of,
    without_place_because,
)
from adapters.kubernetes.pool import Pool
from adapters.supervisor.records import encode_job
from application.ports.sandbox import Job, NetworkWithdrawn, NoCapacity, SandboxUnavailable, SandboxUnreachable

log = logging.getLogger(__name__)

START_SECONDS = 60
"""A cold pod takes two seconds, more where its image has to be pulled first."""
TURN_SECONDS = 15
"""A start that takes longer is looked at again after others have had their turn."""
GIVE_SECONDS = 15
"""Who claimed a pod and has not given it its job for so long is dead."""
YIELD_SECONDS = 0.2
PLACE_SECONDS = 3.0
FULL_SECONDS = 0.5
"""How soon a full namespace is asked again."""


class Starts:
    """Those of one process. A claim says whose it is, in one step; nobody watches a pod before it has its job."""

    def __init__(
        self, cluster: Cluster, mirror: Mirror, place: Place, pool: Pool, is_wanted: Callable[[str], bool]
    ) -> None:
        self._cluster = cluster
        self._mirror = mirror
        self._place = place
        self._pool = pool
        self._is_wanted = is_wanted
        self._me = secrets.token_hex(8)
        self._giving: list[str] = []
        self._given: set[str] = set()
        """Those that have their job, and whose label does not say so yet."""

    def start(self, job: Job) -> None:
        """Raises NoCapacity, SandboxUnavailable, SandboxUnreachable."""
        if job.network and not self._place.grants_network:
            raise NetworkWithdrawn
        while not self._is_started(job):
            log.info("%s is started anew", job.sandbox)

    def _is_started(self, job: Job) -> bool:
        pod = self._known(job.sandbox)
        with self._giving_it(job.sandbox):
            if pod is None and (warm := self._pool.claim(job, self._me)):
                return self._give_alone(warm, job)
        pod = pod or self._created(job)
        if not (placed := self._placed(pod)):
            self._check_gone(pod)
            return False
        if state_of(placed) is State.WAITING and not is_running(placed):
            self._give_up(placed)
        with self._giving_it(job.sandbox):
            if state_of(placed) is State.WAITING and self._moved(placed, State.WAITING, State.CLAIMED, job.sandbox):
                return self._give_alone(placed, job)
        return self._is_given_by_another(placed, job.sandbox)

    def _known(self, sandbox: str) -> Pod | None:
        known = (pod for pod in self._mirror.pods() if sandbox_of(pod) == sandbox and not is_leaving(pod))
        return next(known, None)

    def _created(self, job: Job) -> Pod:
        """Now, or at an earlier try."""
        try:
            return self._cluster.create_pod(pod_of(job, self._place))
        except Refused as refused:
            if refused.status == FORBIDDEN and "exceeded quota" in refused.message:
                self._pool.give_way()
                time.sleep(FULL_SECONDS)
                raise NoCapacity(f"the quota of the namespace is used up: {refused.message}") from refused
            if refused.status == FORBIDDEN and "cannot create resource" in refused.message:
                raise SandboxUnreachable(refused.message) from refused  # so says one that has just been started, too
            if refused.status != CONFLICT:
                raise SandboxUnavailable(refused.message) from refused
        return self._cluster.read_pod(job.sandbox)

    def _placed(self, pod: Pod) -> Pod | None:
        """When it is known what becomes of it. One without a place waits a moment for that of another."""
        placed = self._mirror.when(pod, _is_decided, TURN_SECONDS)
        if placed and has_no_place(placed):
            self._pool.give_way()
            return (
                self._mirror.when(placed, lambda pod: _is_decided(pod) and not has_no_place(pod), PLACE_SECONDS)
                or placed
            )
        return placed

    def _check_gone(self, pod: Pod) -> None:
        """So that there can be another. One that still starts is found by the next try."""
        name = pod["metadata"]["name"]
        if not is_leaving(pod) and name in {one["metadata"]["name"] for one in self._mirror.pods()}:
            raise SandboxUnreachable("its pod has not started yet")

    def _give_up(self, pod: Pod) -> None:
        self._cluster.delete_pod(pod["metadata"]["name"])
        if why := without_place_because(pod):
            raise NoCapacity(f"no node of the cluster has room for its pod: {why}")
        raise SandboxUnavailable(trouble_of(pod))

    # Claims ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _giving_it(self, sandbox: str) -> Iterator[None]:
        """Marked from before the claim until it has its job; several threads may try."""
        self._giving.append(sandbox)
        try:
            yield
        finally:
            self._giving.remove(sandbox)

    def _moved(self, pod: Pod, before: State, after: State, sandbox: str) -> bool:
        return bool(self._mirror.change_state(pod["metadata"]["name"], before, after, self._me, sandbox))

    def _give_alone(self, pod: Pod, job: Job) -> bool:
        """Claims of two pods do not exclude each other: a starter who is not alone gives way, and looks again.

        Whoever claims later sees the one before; where both see each other, both give way.

        A name is free again when its pod is gone: whoever was stopped until the run had ended asks, with the pod there,
        and gives no job. Where the run ends after that, its pod is removed, and can be given none.
        """
        if len(self._cluster.pods_of(job.sandbox)) > 1:
            log.info("%s is being started by another, too", job.sandbox)
            self._cluster.delete_pod(pod["metadata"]["name"])
            time.sleep(random.uniform(0, YIELD_SECONDS))  # noqa: S311  # so that not both do it again at once
            return False
        if self._is_wanted(job.sandbox):
            self._give(pod, job)
        else:
            log.info("nobody wants %s any more", job.sandbox)
            self._cluster.delete_pod(pod["metadata"]["name"])
        return True

    def _give(self, pod: Pod, job: Job) -> None:
        try:
            with self._cluster.attach(pod["metadata"]["name"]) as attachment:
                attachment.give(encode_job(job, job.runtime.command, keeps_frames=True))
        except NotAttached as problem:
            raise SandboxUnreachable(f"{job.sandbox} cannot be given its job: {problem}") from problem
        self._given.add(job.sandbox)
        self._moved(pod, State.CLAIMED, State.GIVEN, job.sandbox)
        self._given.discard(job.sandbox)

    def _is_given_by_another(self, pod: Pod, sandbox: str) -> bool:
        """Or by us, at an earlier try. One that nobody gives its job any more is removed."""
        if sandbox in self._given:
            self._moved(pod, State.CLAIMED, State.GIVEN, sandbox)
            self._given.discard(sandbox)
            return True
        if claimant_of(pod) == self._me and sandbox not in self._giving:
            is_given = has_its_job(self._cluster.read_pod(pod["metadata"]["name"]))
        else:
            is_given = self._mirror.when(pod, has_its_job, GIVE_SECONDS) is not None
        if is_given:
            return True
        log.warning("the starter of %s is gone", sandbox)
        self._cluster.delete_pod(pod["metadata"]["name"])
        self._mirror.when(pod, lambda _: False, START_SECONDS)
        return False


def _is_decided(pod: Pod) -> bool:
    """Whether it is known what becomes of it."""
    is_known = is_running(pod) or state_of(pod) is not State.WAITING or has_no_place(pod) or trouble_of(pod)
    return bool(is_known) and not is_leaving(pod)
