"""One namespace of a cluster, over its API server."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from kubernetes import client, config

from adapters.kubernetes.attachment import Attachment
from adapters.kubernetes.pod import Pod
from application.ports import SandboxUnavailable

REQUEST_SECONDS = 10.0
JSON = "application/json"
UNREACHABLE = "the Kubernetes API server cannot be reached"
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, INVALID = 400, 403, 404, 409, 422


class Refused(Exception):
    """The API server does not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Cluster:
    """Every method may raise Refused, or SandboxUnavailable where the API server is not reached."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._connected: tuple[int, client.ApiClient] | None = None

    def create_pod(self, pod: Pod) -> Pod:
        created: Pod = self.request("POST", self._pods(), body=pod)
        return created

    def read_pod(self, name: str) -> Pod:
        pod: Pod = self.request("GET", self._pods(name))
        return pod

    def list_pods(self, selector: str) -> Sequence[Pod]:
        pods: list[Pod] = self.request("GET", self._pods(labelSelector=selector))["items"]
        return pods

    def watch_pod(self, name: str, seconds: int) -> Iterator[Pod]:
        """As it is now, then at each change; ends after `seconds`, or when it is deleted."""
        path = self._pods(watch="true", fieldSelector=f"metadata.name={name}", timeoutSeconds=str(seconds))
        response = self._open("GET", path, None, JSON, timeout=seconds + REQUEST_SECONDS)
        try:
            for line in _lines(response):
                event = msgspec.json.decode(line)
                if event["type"] not in {"ADDED", "MODIFIED"}:
                    return
                yield event["object"]
        except urllib3.exceptions.HTTPError as problem:
            raise SandboxUnavailable(f"{UNREACHABLE}: {problem}") from problem
        finally:
            response.close()

    def change_label(self, name: str, label: str, before: str, after: str) -> bool:
        """False when it was not what it should have been before."""
        path = f"/metadata/labels/{label.replace('/', '~1')}"
        patch = [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
        try:
            self.request("PATCH", self._pods(name), body=patch, content=f"{JSON}-patch+json")
        except Refused as refused:
            if refused.status not in {CONFLICT, INVALID}:
                raise
            return False
        return True

    def delete_pod(self, name: str) -> None:
        self.request("DELETE", self._pods(name))

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
        api = self._api()
        headers = {"Accept": JSON, "Content-Type": content, **self._headers(api)}
        url = api.configuration.host + path
        try:
            response = api.call_api(method, url, headers, body, _request_timeout=timeout).response
            if response.status >= BAD_REQUEST:
                raise _refusal(response.status, response.data)
        except urllib3.exceptions.HTTPError as problem:
            raise SandboxUnavailable(f"{UNREACHABLE}: {problem}") from problem
        return response

    def _api(self) -> client.ApiClient:
        """Of this process: after a fork two would write into one connection."""
        if self._connected is None or self._connected[0] != os.getpid():
            made = config.new_client_from_config(str(self._kubeconfig), persist_config=False)  # type: ignore[no-untyped-call]
            self._connected = (os.getpid(), made)
        return self._connected[1]

    def _headers(self, api: client.ApiClient) -> dict[str, str]:
        headers: dict[str, str] = {}
        api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return headers

    def _pods(self, *names: str, **query: str) -> str:
        path = "/".join([f"/api/v1/namespaces/{self.namespace}/pods", *(quote(name, safe="") for name in names)])
        return f"{path}?{urlencode(query)}" if query else path


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
