"""Scripts on a cluster, as a person runs them."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.kubernetes import Cluster
from adapters.kubernetes.pod import LABEL
from adapters.supervisor.build import build
from tests.cluster.image import ROWS
from tests.cluster.system import data_for
from tests.examples.example import EXAMPLES, Example
from tests.faults.processes import wait_until
from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.journeys.endings import BY_ITSELF, ENDINGS, WALL_SECONDS, Ending
from tests.journeys.test_standard_input import ASKS
from tests.real_kubernetes import PLACE, RealKubernetes
from tests.system import System, running_on

NAMESPACE = "journeys"
PYTHON = {"language": "python", "version": ROWS[0].version}


@pytest.fixture(scope="module")
def system(real_kubernetes: RealKubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    build()
    with running_on(data_for(real_kubernetes, NAMESPACE, tmp_path_factory.mktemp("cluster") / "data")) as running:
        yield running


@pytest.fixture(scope="module")
def api(system: System) -> Iterator[httpx.Client]:
    with closing(system.log_in()) as client:
        yield client


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.program.suffix == ".py"], ids=lambda example: example.name
)
def test_an_example_prints_the_same_bytes_on_a_cluster(example: Example, api: httpx.Client):
    run = execute(api, example.program.read_text(), **PYTHON, stdin=example.stdin.decode())
    messages = list(follow(api, run))
    assert output_of(messages, 2) == example.stderr
    assert example.is_expected(output_of(messages, 1))
    assert messages[-1].data["exit_code"] == example.exit_code


def test_a_run_is_cancelled_while_it_prints(api: httpx.Client):
    run = execute(api, "import time\nwhile True: print('up', flush=True); time.sleep(0.001)", **PYTHON)
    messages = follow(api, run)
    assert any(message.event == "output" for message in messages)
    assert api.post(f"/executions/{run}/cancel").status_code < 300
    assert result_of(api, run)["status"] == "cancelled"


@pytest.mark.parametrize("ending", [one for one in ENDINGS if one.reason in BY_ITSELF], ids=lambda one: one.cause)
def test_a_script_ends_as_the_table_of_endings_says(ending: Ending, api: httpx.Client):
    run = execute(api, BY_ITSELF[ending.reason], **PYTHON, limits={"wall_seconds": WALL_SECONDS})
    result = result_of(api, run)
    assert (result["status"], result["reason"]) == (ending.status, ending.reason)


def test_a_script_asks_and_is_answered_on_a_cluster(api: httpx.Client):
    run = execute(api, ASKS, **PYTHON, stdin="one\n", stdin_open=True)
    for fields in ({"text": "two\n"}, {"text": "three", "end": True}):
        assert api.post(f"/executions/{run}/stdin", json=fields).status_code == 202
    assert output_of(list(follow(api, run))) == b"you said one\nyou said two\nyou said three\nand no more\n"


def test_an_image_that_no_node_has_is_said(api: httpx.Client):
    result = result_of(api, execute(api, "print(1)", language="python", version="3.9"))
    assert result["status"] == "internal_error"
    assert PLACE.image.format(language="python", version="3.9") in result["reason"]


def test_every_language_of_the_catalogue_is_offered(api: httpx.Client):
    assert all(row["is_available"] for row in api.get("/runtimes").json()["runtimes"])


def sandbox_problem(system: System, kubeconfig: Path) -> Any:
    """What `doctor` says of the sandbox."""
    said = system.cli("doctor", "--json", more={"RUNLEDGER_KUBECONFIG": str(kubeconfig)}).stdout
    return {finding["name"]: finding["problem"] for finding in json.loads(said)}["sandbox"]


def test_doctor_says_whether_the_cluster_is_there(system: System, real_kubernetes: RealKubernetes, tmp_path: Path):
    assert sandbox_problem(system, real_kubernetes.kubeconfig()) is None
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text("no YAML: [")
    assert f"{nowhere} says nothing of a cluster" in sandbox_problem(system, nowhere)
    nowhere.write_text(re.sub(r"127.0.0.1:\d+", "127.0.0.1:1", real_kubernetes.kubeconfig().read_text()))
    assert "the Kubernetes API server cannot be reached" in sandbox_problem(system, nowhere)


def test_no_pod_of_a_run_is_left(real_kubernetes: RealKubernetes, api: httpx.Client):
    assert api.get("/executions").status_code == 200
    cluster = Cluster(real_kubernetes.kubeconfig(), NAMESPACE)
    wait_until(lambda: not cluster.list_pods(LABEL), "the pods of all runs are gone")
