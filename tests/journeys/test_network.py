"""Network is for runs that ask for it where the operator grants it, and leads to nothing of the machine itself."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed
from application.ports.sandbox import Job
from domain.execution import Limits
from tests.contracts.running import output
from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.security.networked import ASK_EACH
from tests.system import System, configured, running_on

ASK = ASK_EACH.replace("sys.stdin.read()", "'CONNECT 127.0.0.1:443 HTTP/1.1'")
REFUSAL = "Runs have no network here; whoever operates this installation can name hosts in the setting network_hosts."


@pytest.fixture(scope="module")
def granting(tmp_path_factory) -> Iterator[System]:
    data = configured(tmp_path_factory.mktemp("granting") / "data", network_hosts="*, example.org:8443")
    with running_on(data) as system:
        yield system


@pytest.fixture
def granted(granting) -> Iterator[httpx.Client]:
    client = granting.log_in()
    yield client
    client.close()


def test_where_nobody_has_network_asking_for_it_is_refused(api):
    assert api.get("/k8s-limits").json()["network_hosts"] == []
    wanted = {"language": "python", "script": "print(1)", "network": True}
    answer = api.post("/execute", json=wanted)
    assert (answer.status_code, answer.json()["detail"]) == (422, REFUSAL)
    items = api.post("/execute/batch", json={"items": [wanted, wanted | {"network": False}]}).json()["items"]
    assert (items[0]["problem"]["detail"], items[1].get("problem")) == (REFUSAL, None)


def test_on_the_command_line_it_is_refused_in_a_line(running_system):
    done = running_system.cli("run", "-", "--language", "python", "--network", input=b"print(1)")
    assert (done.returncode, done.stderr.decode()) == (125, f"Not run: {REFUSAL}\n")


def test_a_granted_run_has_the_proxy_and_says_so(granted):
    assert granted.get("/k8s-limits").json()["network_hosts"] == ["*", "example.org:8443"]
    run = execute(granted, ASK, network=True)
    assert output_of(list(follow(granted, run))).decode().startswith("403")
    assert granted.get(f"/executions/{run}").json()["network"] is True
    first = granted.get(f"/executions/{run}/events").json()["items"][0]
    assert first["words"].endswith(" with network")


def test_a_run_that_does_not_ask_has_none(granted):
    run = execute(granted, "import os; print([name for name in os.environ if 'PROXY' in name.upper()])")
    assert output_of(list(follow(granted, run))) == b"[]\n"
    assert granted.get(f"/executions/{run}").json()["network"] is False


def test_on_the_command_line_it_is_asked_for_by_an_option(granting):
    done = granting.cli("run", "-", "--language", "python", "--network", input=ASK.encode())
    assert (done.returncode, done.stdout[:3]) == (0, b"403"), done.stderr


def test_a_key_is_bound_to_it(granted):
    key = {"Idempotency-Key": "network"}
    body = {"language": "python", "script": "print(1)"}
    answers = [
        granted.post("/execute", json=body | more, headers=key) for more in ({}, {"network": False}, {"network": True})
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 409]


def test_the_proxy_outlives_the_workers(granting, granted):
    run = execute(granted, f"print('up')\nimport time; time.sleep(5)\n{ASK}", network=True)
    next(message for message in follow(granted, run) if message.event == "output")
    os.kill(granting.running.processes["worker"], signal.SIGKILL)
    assert output_of(list(follow(granted, run))).decode().startswith("up\n403")


def test_a_repeated_run_has_it_again_under_the_policy_of_today(granting, granted):
    old = execute(granted, ASK, network=True)
    result_of(granted, old)
    new = granted.post(f"/executions/{old}/retry").json()["execution_id"]
    assert output_of(list(follow(granted, new))).decode().startswith("403")
    (granting.data / "runledger.toml").write_text("")
    refused = granting.cli("executions", "retry", old)
    assert (refused.returncode, REFUSAL in refused.stderr.decode()) == (1, True)


def ports_of(system: System) -> list[int]:
    """Of everything that a machine runs here and that listens."""
    running = system.running
    urls = [running.api_url, running.mongo_url, running.redis_url]
    kafka = [f"kafka://{server}" for server in running.kafka_servers.split(",")]
    return [port for url in urls + kafka if (port := urlsplit(url).port)]


def test_the_servers_of_the_machine_are_out_of_reach_whatever_is_granted(running_system, tmp_path: Path):
    ports = ports_of(running_system)
    assert len(ports) >= 3
    for port in ports:
        socket.create_connection(("127.0.0.1", port), 5).close()
    sandbox = BubblewrapSandbox(tmp_path, hosts=",".join(f"*:{port}" for port in ports))
    python = next(row for row in installed() if row.language == "python")
    names = ("127.0.0.1", "localhost", socket.gethostname(), "2130706433", "[::1]", "[::ffff:127.0.0.1]")
    lines = [f"CONNECT {name}:{port} HTTP/1.1" for name in names for port in ports]
    sandbox.start(Job("run-1", python, ASK_EACH.encode(), "\n".join(lines).encode(), Limits(), network=True))
    said = output(list(sandbox.watch("run-1"))).decode().splitlines()
    assert len(said) == len(lines)
    assert {line[:3] for line in said} <= {"403", "502"}, said
    sandbox.remove("run-1")


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ("https://example.org", "is no host"),
        ("10.0.0.1", "is no public address"),
        ("*:0", "is no host"),
    ],
)
def test_a_policy_that_means_nothing_is_refused_at_the_start(running_system, hosts: str, why: str):
    done = running_system.cli("config", "show", more={"RUNLEDGER_NETWORK_HOSTS": hosts})
    assert done.returncode == 2
    assert f"The setting network_hosts = '{hosts}' cannot be used: " in done.stderr.decode()
    assert why in done.stderr.decode()


def test_on_a_cluster_a_policy_with_names_is_refused_at_the_start(running_system, tmp_path: Path):
    (tmp_path / "kubeconfig").write_text(json.dumps({}))
    cluster = {"RUNLEDGER_SANDBOX": "kubernetes", "RUNLEDGER_KUBECONFIG": str(tmp_path / "kubeconfig")}
    done = running_system.cli("config", "show", more=cluster | {"RUNLEDGER_NETWORK_HOSTS": "*,example.org"})
    assert done.returncode == 2
    assert "a NetworkPolicy knows addresses and no names" in done.stderr.decode()
    assert running_system.cli("config", "show", more=cluster | {"RUNLEDGER_NETWORK_HOSTS": "*:443"}).returncode == 0
