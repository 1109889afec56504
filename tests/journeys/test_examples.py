"""The examples in docs/, through the API and the command line: the same bytes as when they run directly."""

import httpx
import pytest

from tests.examples.example import EXAMPLES, Example
from tests.journeys.conftest import execute, follow, output_of

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


def skip_unless_it_can_run(example: Example, api: httpx.Client) -> None:
    runtimes = api.get("/runtimes").json()["runtimes"]
    if not any(runtime["is_available"] for runtime in runtimes if runtime["language"] == example.language):
        pytest.skip(f"{example.language} is not installed here")


def test_every_example_is_in_the_catalogue_in_a_language_of_it(running_system):
    with running_system.client() as stranger:
        offered = stranger.get("/example-scripts").json()["examples"]
        languages = {runtime["language"] for runtime in stranger.get("/runtimes").json()["runtimes"]}
    assert sorted(one["name"] for one in offered) == [example.name for example in EXAMPLES]
    assert {one["language"] for one in offered} == languages
    assert all(one["description"] and "`" not in one["description"] for one in offered)


@each_example
def test_through_the_api(example: Example, api):
    """As the catalogue offers it."""
    skip_unless_it_can_run(example, api)
    (offered,) = (one for one in api.get("/example-scripts").json()["examples"] if one["name"] == example.name)
    assert (offered["language"], offered["file_name"]) == (example.language, example.program.name)
    messages = list(follow(api, execute(api, offered["script"], offered["language"], stdin=offered["stdin"])))
    assert output_of(messages, 2) == example.stderr
    assert example.is_expected(output_of(messages, 1))
    assert messages[-1].data["exit_code"] == example.exit_code


@each_example
def test_through_the_command_line(example: Example, running_system, api):
    skip_unless_it_can_run(example, api)
    options = ["--stdin", example.folder / "stdin"] if example.stdin else []
    done = running_system.cli("run", example.program, *options)
    assert done.stderr == example.stderr
    assert example.is_expected(done.stdout)
    assert done.returncode == example.exit_code
