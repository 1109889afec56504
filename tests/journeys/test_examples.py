"""The examples in docs/, through the API and the command line: the same bytes as when they run directly."""

import pytest

from tests.examples.example import EXAMPLES, Example
from tests.journeys.conftest import execute, follow, output_of

LANGUAGES = {"python3": "python", "bash": "bash"}
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


@each_example
def test_through_the_api(example: Example, api):
    script, language = example.program.read_text(), LANGUAGES[example.interpreter]
    messages = list(follow(api, execute(api, script, language, stdin=example.stdin.decode())))
    assert output_of(messages, 2) == example.stderr
    assert example.is_expected(output_of(messages, 1))
    assert messages[-1].data["exit_code"] == example.exit_code


@each_example
def test_through_the_command_line(example: Example, running_system):
    options = ["--stdin", example.folder / "stdin"] if example.stdin else []
    done = running_system.cli("run", example.program, *options)
    assert done.stderr == example.stderr
    assert example.is_expected(done.stdout)
    assert done.returncode == example.exit_code
