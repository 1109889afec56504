"""Each example, run by the machine's own Python or Bash, does what its files say."""

import subprocess

import pytest

from tests.examples.example import EXAMPLES, Example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_does_what_its_files_say(example: Example):
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    command = [example.interpreter, str(example.program)]
    done = subprocess.run(command, input=example.stdin, env=environ, capture_output=True, timeout=60, check=False)

    assert done.stderr == example.stderr
    assert example.is_expected(done.stdout)
    assert done.returncode == example.exit_code


def test_there_are_eight_and_the_readme_names_each_with_its_exit_code():
    rows = (EXAMPLES[0].folder.parent / "README.md").read_text().splitlines()
    listed = {
        row.split("]")[0].removeprefix("| ["): row.rstrip(" |").split()[-1] for row in rows if row.startswith("| [")
    }

    assert len(EXAMPLES) == 8
    assert listed == {example.name: str(example.exit_code) for example in EXAMPLES}
