"""Each example, run by the machine's own interpreters, does what its files say."""

import subprocess
from pathlib import Path

import pytest

from adapters.bubblewrap.catalogue import locate
from adapters.bubblewrap.runtimes import LocalRuntimes
from tests.examples.example import EXAMPLES, Example


def command(example: Example, folder: Path) -> list[Path]:
    row = LocalRuntimes().find(example.language, None)
    if row is None:
        pytest.skip(f"{example.language} is not installed here")
    program = locate(row.program, row.version).path
    if example.language != "go":
        return [program, example.program]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GODEBUG": "installgoroot=all"}
    subprocess.run([program, "build", "-o", folder / "program", example.program], env=environ, check=True)
    return [folder / "program"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_does_what_its_files_say(example: Example, tmp_path: Path):
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        command(example, tmp_path), input=example.stdin, env=environ, capture_output=True, timeout=60, check=False
    )

    assert done.stderr == example.stderr
    assert example.is_expected(done.stdout)
    assert done.returncode == example.exit_code


def test_there_are_eleven_and_the_readme_names_each_with_its_exit_code():
    rows = (EXAMPLES[0].folder.parent / "README.md").read_text().splitlines()
    listed = {
        row.split("]")[0].removeprefix("| ["): row.rstrip(" |").split()[-1] for row in rows if row.startswith("| [")
    }

    assert len(EXAMPLES) == 11
    assert listed == {example.name: str(example.exit_code) for example in EXAMPLES}
