"""The pod of one run, and what its status says."""

import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from adapters import etc
from adapters.supervisor.records import WORK
from application.ports.sandbox import Job, Runtime
from domain.execution import Limits, Outcome, Status

Pod = dict[str, Any]
"""As the API server gives it."""

SUPERVISOR = "/usr/libexec/runledger/supervisor"
"""Where an image has it; it is the only thing an image needs besides the language."""
LAST_WORDS = "/usr/libexec/runledger/private/last-words"
"""A file of the node's disk that everybody in a pod may write to, in a folder of the image that is root's alone."""
LABEL = "runledger.dev/sandbox"
STATE = "runledger.dev/state"
CLAIMANT = "runledger.dev/claimant"
POOL = "runledger.dev/pool"
NETWORK, GRANTED = "runledger.dev/network", "granted"
"""The label that a NetworkPolicy looks for."""
NOBODY = "sandbox"
"""The service account that the pods are: it may do nothing, and its token is not mounted."""
FIRST_UID = 100_000
UIDS = 1_000_000_000
"""Each gets a uid of its own, at random: a node counts the processes of a uid, not those of a pod. The container gets
it and not the pod, where the runtime has a process of its own that would be counted as well."""
NET_SECONDS = 3600
"""How long a pod may stand after its run's time: its output is read in this hour or lost."""
SECONDS_TO_LEAVE = 1
NODE_SECONDS = 30
"""How long a node may be away before its pods are given up; Kubernetes itself takes most of a minute to notice."""
STUCK_AFTER = timedelta(seconds=15)
"""A pod that should have left so long ago is on a node that does not answer."""
CANNOT_START = {"CreateContainerError", "CreateContainerConfigError", "RunContainerError"}
CANNOT_PULL = {"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}


FILES = {"passwd": etc.passwd, "group": etc.group}
"""In /etc, by its uid, which no image can know; /etc/hosts is Kubernetes' own."""
ETC = "etc"
"""The volume that shows them: they come as annotations, and neither a ConfigMap nor a right is needed."""


class Place(msgspec.Struct, frozen=True):
    """How pods are on this cluster."""

    image: str
    """A pattern with {language} and {version}."""
    runtime_class: str = ""
    """Such as gVisor's; empty for the cluster's usual one."""
    user_namespaces: bool = False
    """Each pod in a user namespace of its own: needs containerd 2 or CRI-O, and Linux 6.3."""
    grants_network: bool = False
    """Runs that ask for network get it."""

    def image_of(self, runtime: Runtime) -> str:
        return self.image.format(language=runtime.language, version=runtime.version)


class State(StrEnum):
    """How far a pod is with its job."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    GIVEN = "given"


def pod_of(job: Job, place: Place) -> Pod:
    """Hardened as the policy `restricted` wants it, and further."""
    uid = FIRST_UID + secrets.randbelow(UIDS)
    folders = {"work": WORK, "tmp": "/tmp", "shm": "/dev/shm"}  # noqa: S108  # the sandbox's own
    return {
        "metadata": {
            "name": job.sandbox,
            "labels": {LABEL: job.sandbox, STATE: State.WAITING, **({NETWORK: GRANTED} if job.network else {})},
            "annotations": {_annotation(name): content(uid) for name, content in FILES.items()},
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": NOBODY,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostname": etc.NAME,
            "tolerations": [_for_a_while(taint) for taint in ("not-ready", "unreachable")],
            **({"runtimeClassName": place.runtime_class} if place.runtime_class else {}),
            **({"hostUsers": False} if place.user_namespaces else {}),
            "activeDeadlineSeconds": int(job.limits.wall_seconds) + NET_SECONDS,
            "terminationGracePeriodSeconds": SECONDS_TO_LEAVE,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [*(_in_memory(name, job.limits.disk_bytes) for name in folders), _etc()],
            "containers": [
                {
                    "name": "run",
                    "image": place.image_of(job.runtime),
                    "imagePullPolicy": "IfNotPresent",
                    "command": [SUPERVISOR],
                    "workingDir": WORK,
                    "terminationMessagePath": LAST_WORDS,
                    "stdin": True,
                    "stdinOnce": False,
                    "volumeMounts": [
                        *({"name": name, "mountPath": path} for name, path in folders.items()),
                        *map(_etc_mount, FILES),
                    ],
                    "resources": _resources(job.limits),
                    "securityContext": {
                        "runAsUser": uid,
                        "runAsGroup": uid,
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def warm_pod(runtime: Runtime, limits: Limits, place: Place) -> Pod:
    """Nobody's yet: it waits for the job of a run with these limits."""
    pod = pod_of(Job(f"warm-{secrets.token_hex(8)}", runtime, b"", b"", limits), place)
    pod["metadata"]["labels"] = {STATE: State.WAITING, POOL: pool_of(runtime)}
    return pod


def pool_of(runtime: Runtime) -> str:
    return f"{runtime.language}-{runtime.version}"


def is_idle(pod: Pod) -> bool:
    """It waits in a pool."""
    return POOL in pod["metadata"]["labels"] and state_of(pod) is State.WAITING and not is_leaving(pod)


def is_of(pool: str, pod: Pod) -> bool:
    return bool(pod["metadata"]["labels"].get(POOL) == pool)


def age_of(pod: Pod) -> timedelta:
    return datetime.now(UTC) - _time(pod["metadata"]["creationTimestamp"])


def _time(written: str) -> datetime:
    return datetime.fromisoformat(written)


def _for_a_while(taint: str) -> dict[str, Any]:
    key = f"node.kubernetes.io/{taint}"
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_SECONDS}


def _in_memory(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}


def _annotation(file: str) -> str:
    return f"runledger.dev/{file}"


def _etc_mount(file: str) -> dict[str, Any]:
    return {"name": ETC, "mountPath": f"/etc/{file}", "subPath": file, "readOnly": True}


def _etc() -> dict[str, Any]:
    items = [
        {"path": name, "mode": 0o444, "fieldRef": {"fieldPath": f"metadata.annotations['{_annotation(name)}']"}}
        for name in FILES
    ]
    return {"name": ETC, "downwardAPI": {"items": items}}


def _resources(limits: Limits) -> dict[str, Any]:
    """All of its memory is set aside; of the cores a twentieth, as most scripts wait."""
    memory = str(limits.memory_bytes)
    limited = {"cpu": f"{int(limits.cpus * 1000)}m", "memory": memory}
    return {"limits": limited, "requests": {"cpu": f"{max(1, int(limits.cpus * 50))}m", "memory": memory}}


def state_of(pod: Pod) -> State:
    return State(pod["metadata"]["labels"][STATE])


def has_its_job(pod: Pod) -> bool:
    return state_of(pod) is State.GIVEN


def sandbox_of(pod: Pod) -> str:
    """The sandbox that it is; empty while it is nobody's."""
    name: str = pod["metadata"]["labels"].get(LABEL, "")
    return name


def claimant_of(pod: Pod) -> str:
    """Which starter's it is, or was."""
    claimant: str = pod["metadata"]["labels"].get(CLAIMANT, "")
    return claimant


def is_leaving(pod: Pod) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_stuck(pod: Pod) -> bool:
    """It is to leave, and nobody makes it."""
    return is_leaving(pod) and datetime.now(UTC) - _time(pod["metadata"]["deletionTimestamp"]) > STUCK_AFTER


def _container_state(pod: Pod) -> dict[str, Any]:
    statuses = pod["status"].get("containerStatuses") or [{}]
    state: dict[str, Any] = statuses[0].get("state", {})
    return state


def is_running(pod: Pod) -> bool:
    return "running" in _container_state(pod)


def is_over(pod: Pod) -> bool:
    return pod["status"].get("phase") in {"Succeeded", "Failed"} or "terminated" in _container_state(pod)


def has_no_place(pod: Pod) -> bool:
    return bool(without_place_because(pod))


def without_place_because(pod: Pod) -> str:
    """What the scheduler says; empty while there may be a place."""
    conditions = pod["status"].get("conditions") or []
    refusals = (one for one in conditions if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable")
    return next((one.get("message") or one["reason"] for one in refusals), "")


def trouble_of(pod: Pod) -> str:
    """Why it cannot start, in words; empty while it may."""
    waiting = _container_state(pod).get("waiting", {})
    if waiting.get("reason") in CANNOT_PULL:
        image = pod["spec"]["containers"][0]["image"]
        return f"the image {image} cannot be had: {waiting.get('message') or waiting['reason']}"
    if waiting.get("reason") in CANNOT_START:
        return f"the pod cannot start: {waiting.get('message')}"
    return f"the pod ended before it had a job: {ending_of(pod)[0].reason}" if is_over(pod) else ""


def ending_of(pod: Pod) -> tuple[Outcome, datetime | None]:
    """Of a pod whose supervisor is gone without a word: what Kubernetes says, and since when."""
    terminated = _container_state(pod).get("terminated", {})
    reason = pod["status"].get("reason") or terminated.get("reason") or "unknown"
    at = _time(terminated["finishedAt"]) if terminated.get("finishedAt") else None
    if terminated.get("reason") == "OOMKilled":
        return Outcome(Status.OUT_OF_MEMORY, "it reached its memory limit"), at
    if reason == "DeadlineExceeded":
        return Outcome(Status.TIMED_OUT, "it reached its time limit"), at
    return Outcome(Status.LOST, f"its pod ended: {pod['status'].get('message') or reason}"), at
