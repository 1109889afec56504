"""One namespace of a cluster, over its API server."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from kubernetes import client, config

from adapters.kubernetes.attachment import Attachment
from adapters.kubernetes.pod import CLAIMANT, LABEL, STATE, Pod, State, is_leaving
from application.ports.sandbox import SandboxUnreachable

Event = dict[str, Any]
"""Of a watch: its `type` and its `object`."""

REQUEST_SECONDS = 10.0
JSON = "application/json"
RETRIES = 1
"""A connection that was kept may have been closed; one that cannot be made is not tried for long."""
CONNECTIONS = 64
"""So many are kept: every watcher asks by himself."""
UNREACHABLE = "the Kubernetes API server cannot be reached"
UNKNOWN = "the Kubernetes API server does not know these credentials (any more)"
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
CONFLICT, GONE, INVALID, TOO_MANY, SERVER_ERROR = 409, 410, 422, 429, 500


class Refused(SandboxUnreachable):
    """The API server does not do it. Whoever can do nothing about it tries again in a moment."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Credentials(Protocol):
    """Others than those of the kubeconfig."""

    def token(self) -> str | None: ...

    def forget(self) -> None: ...


class Cluster:
    """Every method may raise SandboxUnreachable: the API server is away, busy, knows us no more, or has Refused."""

    def __init__(self, kubeconfig: Path | None, namespace: str, account: "Credentials | None" = None) -> None:
        """Without a kubeconfig, the cluster is the one that this process is a pod of."""
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._account = account
        self._connected: tuple[int, client.ApiClient] | None = None

    def create_pod(self, pod: Pod) -> Pod:
        created: Pod = self.request("POST", self._pods(), body=pod)
        return created

    def read_pod(self, name: str) -> Pod:
        pod: Pod = self.request("GET", self._pods(name))
        return pod

    def list_pods(self, selector: str) -> Sequence[Pod]:
        return self.list_with_version(selector)[0]

    def pods_of(self, sandbox: str) -> Sequence[Pod]:
        """One, save when two starters began at once."""
        return [pod for pod in self.list_pods(f"{LABEL}={sandbox}") if not is_leaving(pod)]

    def list_with_version(self, selector: str) -> tuple[Sequence[Pod], str]:
        """And from where on to watch them."""
        answer = self.request("GET", self._pods(labelSelector=selector))
        return answer["items"], answer["metadata"]["resourceVersion"]

    def watch_pods(self, selector: str, version: str, seconds: int) -> Iterator[Event]:
        """What happens after `version`, for so long at most; bookmarks are among it, and errors."""
        query = {"labelSelector": selector, "resourceVersion": version, "timeoutSeconds": str(seconds)}
        path = self._pods(watch="true", allowWatchBookmarks="true", **query)
        response = self._open("GET", path, None, JSON, timeout=seconds + REQUEST_SECONDS)
        try:
            yield from map(msgspec.json.decode, _lines(response))
        except urllib3.exceptions.HTTPError as problem:
            raise SandboxUnreachable(f"{UNREACHABLE}: {problem}") from problem
        finally:
            response.close()

    def change_state(self, name: str, before: State, after: State, claimant: str, sandbox: str) -> Pod | None:
        """The pod as it is then; None when it was not what it should have been before."""
        labels = {STATE: after, CLAIMANT: claimant, LABEL: sandbox}
        patch = [{"op": "test", "path": _label(STATE), "value": before}]
        patch += [{"op": "add", "path": _label(name), "value": value} for name, value in labels.items()]
        try:
            changed: Pod = self.request("PATCH", self._pods(name), body=patch, content=f"{JSON}-patch+json")
        except Refused as refused:
            if refused.status not in {CONFLICT, INVALID}:
                raise
            return None
        return changed

    def delete_pod(self, name: str, must_end_first: bool = True) -> None:
        """Harmless when there is none. What does not end first may still run on a node that does not answer."""
        self._delete(name, None if must_end_first else {"gracePeriodSeconds": 0})

    def delete_unchanged(self, pod: Pod) -> None:
        """Only as it is here: one that was claimed meanwhile stays."""
        metadata = pod["metadata"]
        self._delete(metadata["name"], {"preconditions": {"resourceVersion": metadata["resourceVersion"]}})

    def _delete(self, name: str, options: Any) -> None:
        try:
            self.request("DELETE", self._pods(name), body=options)
        except Refused as refused:
            if refused.status not in {NOT_FOUND, CONFLICT}:
                raise

    @contextmanager
    def attach(self, name: str) -> Iterator[Attachment]:
        """To its standard input and output. Raises NotAttached."""
        api = self._api()
        path = self._pods(name, "attach", container="run", stdin="true", stdout="true", stderr="false")
        address = api.configuration.host.replace("http", "ws", 1) + path
        attachment = Attachment.open(address, self._headers(api), _tls(api.configuration), REQUEST_SECONDS)
        try:
            yield attachment
        finally:
            attachment.close()

    def request(self, method: str, path: str, body: Any = None, content: str = JSON) -> Any:
        """The answer's JSON."""
        return msgspec.json.decode(self._open(method, path, body, content).data)

    def _open(self, method: str, path: str, body: Any, content: str, timeout: float = REQUEST_SECONDS) -> Any:
        response = self._send(method, path, body, content, timeout)
        if response.status == UNAUTHORIZED:
            self._renew()
            response = self._send(method, path, body, content, timeout)
        if response.status == UNAUTHORIZED:
            raise SandboxUnreachable(f"{UNKNOWN}: {_refusal(response.status, response.data).message}")
        if response.status == TOO_MANY or response.status >= SERVER_ERROR:
            raise SandboxUnreachable(f"{UNREACHABLE}: {_refusal(response.status, response.data).message}")
        if response.status >= BAD_REQUEST:
            raise _refusal(response.status, response.data)
        return response

    def _send(self, method: str, path: str, body: Any, content: str, timeout: float) -> Any:
        api = self._api()
        headers = {"Accept": JSON, "Content-Type": content, **self._headers(api)}
        try:
            return api.call_api(method, api.configuration.host + path, headers, body, _request_timeout=timeout).response
        except urllib3.exceptions.HTTPError as problem:
            raise SandboxUnreachable(f"{UNREACHABLE}: {problem}") from problem

    def _renew(self) -> None:
        """What says who we are has ended; the file may have another by now, and so may who gave it."""
        self._connected = None
        if self._account:
            self._account.forget()

    def _api(self) -> client.ApiClient:
        """Of this process: after a fork two would write into one connection."""
        if self._connected is None or self._connected[0] != os.getpid():
            self._connected = (os.getpid(), client.ApiClient(self._configuration()))
        return self._connected[1]

    def _configuration(self) -> client.Configuration:
        configuration = client.Configuration(retries=RETRIES)
        configuration.connection_pool_maxsize = CONNECTIONS
        try:
            _load(self._kubeconfig, configuration)
        except Exception as problem:  # whatever reading YAML, base64 and PEM may raise
            where = self._kubeconfig or "what a pod is given"
            raise SandboxUnreachable(f"{where} says nothing of a cluster: {problem}") from problem
        if self._account and self._account.token():
            configuration.cert_file = configuration.key_file = None  # a certificate would come before the token
        return configuration

    def _headers(self, api: client.ApiClient) -> dict[str, str]:
        if self._account and (token := self._account.token()):
            return {"Authorization": f"Bearer {token}"}
        headers: dict[str, str] = {}
        api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return headers

    def _pods(self, *names: str, **query: str) -> str:
        path = "/".join([f"/api/v1/namespaces/{self.namespace}/pods", *(quote(name, safe="") for name in names)])
        return f"{path}?{urlencode(query)}" if query else path


def _load(kubeconfig: Path | None, into: client.Configuration) -> None:
    if kubeconfig is None:
        config.load_incluster_config(into)  # type: ignore[no-untyped-call]
    else:
        config.load_kube_config(str(kubeconfig), None, into, False)  # type: ignore[no-untyped-call]


def _label(name: str) -> str:
    """Its place in a pod, for a JSON patch."""
    return f"/metadata/labels/{name.replace('/', '~1')}"


def _refusal(status: int, body: bytes) -> Refused:
    try:
        return Refused(status, json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return Refused(status, body.decode(errors="replace"))


def _tls(configuration: client.Configuration) -> dict[str, Any]:
    files = {
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
    }
    return {name: file for name, file in files.items() if file}


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
