"""What a namespace of sandboxes must hold, and how a cluster's operator makes it so."""

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.kubernetes.cluster import CONFLICT, Cluster, Refused
from adapters.kubernetes.pod import GRANTED, NETWORK, NOBODY

Manifest = dict[str, Any]

ACCOUNT = "runledger"
"""The service account that the workers are: it may do what the Role says, in this namespace alone."""
RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/attach"], "verbs": ["create", "get"]},
]
TOKEN_SECONDS = 3600
RBAC = "rbac.authorization.k8s.io"


class Ceiling(msgspec.Struct, frozen=True):
    """What all sandboxes together may take; as Kubernetes writes quantities."""

    pods: int = 64
    cpus: str = "64"
    memory: str = "64Gi"
    network_ports: tuple[int, ...] = ()
    """Where pods with network may reach public addresses."""


def manifests(namespace: str, ceiling: Ceiling) -> list[Manifest]:
    """In the order in which they can be created."""
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    role = {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT}
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": restricted}},
        _object("networking.k8s.io/v1", "NetworkPolicy", "deny-all", namespace, spec=DENY_ALL),
        _object("networking.k8s.io/v1", "NetworkPolicy", "network", namespace, spec=_network(ceiling.network_ports)),
        _object("v1", "ResourceQuota", "sandboxes", namespace, spec={"hard": _quota(ceiling)}),
        _object("v1", "ServiceAccount", NOBODY, namespace, automountServiceAccountToken=False),
        _object("v1", "ServiceAccount", ACCOUNT, namespace, automountServiceAccountToken=False),
        _object(f"{RBAC}/v1", "Role", ACCOUNT, namespace, rules=RULES),
        _object(f"{RBAC}/v1", "RoleBinding", ACCOUNT, namespace, roleRef=role, subjects=[account]),
    ]


DENY_ALL = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
EVERYWHERE = {
    "0.0.0.0/0": [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    ],
    "2000::/3": ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"],
}
"""Every public address, as what all others are missing from: what `adapters.network.addresses` calls public."""
DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}


def _network(ports: Sequence[int]) -> Manifest:
    """It adds to deny-all, for pods with the label alone, which get it when they are made or never."""
    public = {
        "to": [{"ipBlock": {"cidr": cidr, "except": others}} for cidr, others in EVERYWHERE.items()],
        "ports": [{"protocol": "TCP", "port": port} for port in ports],
    }
    return {
        "podSelector": {"matchLabels": {NETWORK: GRANTED}},
        "policyTypes": ["Egress"],
        "egress": [public, DNS] if ports else [],
    }


def _quota(ceiling: Ceiling) -> dict[str, str]:
    return {
        "pods": str(ceiling.pods),
        "limits.cpu": ceiling.cpus,
        "requests.memory": ceiling.memory,
        "limits.memory": ceiling.memory,
        "services": "0",
        "persistentvolumeclaims": "0",
    }


def _object(version: str, kind: str, name: str, namespace: str, **content: Any) -> Manifest:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        **content,
    }


def prepare(cluster: Cluster, ceiling: Ceiling) -> None:
    """Create what is missing and correct what is there; needs an operator's rights. Raises Refused."""
    for manifest in manifests(cluster.namespace, ceiling):
        collection = _collection(manifest)
        try:
            cluster.request("POST", collection, body=manifest)
        except Refused as refused:
            if refused.status != CONFLICT:
                raise
            name = manifest["metadata"]["name"]
            cluster.request("PATCH", f"{collection}/{name}", body=manifest, content="application/merge-patch+json")


def _collection(manifest: Manifest) -> str:
    version, namespace = manifest["apiVersion"], manifest["metadata"].get("namespace")
    kind = {"NetworkPolicy": "networkpolicies"}.get(manifest["kind"], manifest["kind"].lower() + "s")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{kind}" if namespace else f"{root}/{kind}"


def missing_rights(cluster: Cluster) -> list[str]:
    """What of the Role this account may not do there, in words."""
    spec = {"namespace": cluster.namespace}
    answer = cluster.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body={"spec": spec})
    given = answer["status"]["resourceRules"]
    wanted = [(verb, resource) for rule in RULES for resource in rule["resources"] for verb in rule["verbs"]]
    return [
        f"to {verb} {resource} in {cluster.namespace}"
        for verb, resource in wanted
        if not any(_covers(rule, verb, resource) for rule in given)
    ]


def _covers(rule: dict[str, Any], verb: str, resource: str) -> bool:
    return all(
        {wanted, "*"} & set(rule[of]) for of, wanted in (("verbs", verb), ("resources", resource), ("apiGroups", ""))
    )


def token(cluster: Cluster, seconds: int = TOKEN_SECONDS, account: str = ACCOUNT) -> str:
    """A new token of the workers' account, or another; needs an operator's rights."""
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/{account}/token"
    answer = cluster.request("POST", path, body={"spec": {"expirationSeconds": seconds}})
    given: str = answer["status"]["token"]
    return given
