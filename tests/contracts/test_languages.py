"""Each language of the catalogue: found where it is installed, and run as its row says."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import COMPILED, NotInstalled, installed, locate
from adapters.bubblewrap.runtimes import LocalRuntimes
from adapters.languages import ROWS
from adapters.supervisor.build import build
from application.ports.sandbox import STDERR, Frame, Job, Runtime
from domain.execution import Limits, Status
from tests.contracts.running import outcome, output

LANGUAGES = list(dict.fromkeys(row.language for row in ROWS))
EXIT_WITH_7 = {
    "python": "raise SystemExit(7)",
    "node": "process.exit(7)",
    "ruby": "exit 7",
    "bash": "exit 7",
    "go": 'package main\n\nimport "os"\n\nfunc main() { os.Exit(7) }',
}
ECHO = {
    "python": "print(input())",
    "node": "process.stdin.pipe(process.stdout)",
    "ruby": "puts gets",
    "bash": "cat",
    "go": 'package main\n\nimport ("io"; "os")\n\nfunc main() { io.Copy(os.Stdout, os.Stdin) }',
}
MIB = 1024 * 1024


def row_of(language: str) -> Runtime:
    row = LocalRuntimes().find(language, None)
    if row is None:
        pytest.skip(f"{language} is not installed here")
    return row


@pytest.fixture
def sandbox(tmp_path: Path) -> BubblewrapSandbox:
    build()
    return BubblewrapSandbox(tmp_path)


def run(sandbox: BubblewrapSandbox, row: Runtime, script: str, stdin: bytes = b"", **limits: float) -> list[Frame]:
    name = f"run-{uuid4()}-1"
    sandbox.start(Job(name, row, script.encode(), stdin, Limits(**limits)))
    return list(sandbox.watch(name))


@pytest.mark.parametrize("row", installed(), ids=lambda row: f"{row.language} {row.version}")
def test_every_version_that_is_installed_runs_its_example_and_is_that_version(row: Runtime, sandbox: BubblewrapSandbox):
    frames = run(sandbox, row, row.example)
    hello, *counted = output(frames).decode().splitlines()
    assert row.version in hello
    assert counted == ["still here: 1", "still here: 2", "still here: 3"]
    assert len(frames) >= 5, "each line comes when it is printed"
    assert outcome(frames).status is Status.SUCCEEDED


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_exit_code_is_the_scripts_own(language: str, sandbox: BubblewrapSandbox):
    end = outcome(run(sandbox, row_of(language), EXIT_WITH_7[language]))
    assert (end.status, end.exit_code) == (Status.FAILED, 7)


@pytest.mark.parametrize("language", LANGUAGES)
def test_stdin_is_for_the_script_and_nobody_else(language: str, sandbox: BubblewrapSandbox):
    assert output(run(sandbox, row_of(language), ECHO[language], b"to the script\n")) == b"to the script\n"


def test_what_cannot_be_compiled_is_told_with_its_line(sandbox: BubblewrapSandbox):
    frames = run(sandbox, row_of("go"), "package main\n\nfunc main() { return 1 }")
    assert b"script.go:3:" in output(frames, STDERR)
    assert outcome(frames).status is Status.FAILED


def test_a_compiler_has_the_limits_of_the_run(sandbox: BubblewrapSandbox):
    go = row_of("go")
    assert outcome(run(sandbox, go, go.example, memory_bytes=16 * MIB)).status is Status.OUT_OF_MEMORY
    assert outcome(run(sandbox, go, go.example, wall_seconds=0.05)).status is Status.TIMED_OUT


# Where they are found ------------------------------------------------------------------------------------------


@pytest.fixture
def public_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where everybody may look, and where programs are searched first after the system's own."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    locate.cache_clear()
    yield folder
    locate.cache_clear()
    shutil.rmtree(folder)


def install(folder: Path, program: str, says: str) -> Path:
    place = folder / "bin" / program
    place.write_text(f"#!/bin/sh\necho '{says}'\n")
    place.chmod(0o755)
    return place


def test_a_version_is_found_behind_others_of_the_same_name(public_folder: Path):
    program = install(public_folder, "ruby", "ruby 77.5.1p20 (2077-04-12)")
    found = locate("ruby", "77.5")
    assert (found.path, found.prefix) == (program, public_folder)


@pytest.mark.parametrize("version", ["7", "77.50", "77.5.2"])
def test_a_version_is_not_taken_for_one_that_begins_alike(version: str, public_folder: Path):
    install(public_folder, "node", "v77.5.1")
    with pytest.raises(NotInstalled, match=rf"is version [0-9.]+, not {version}\."):
        locate("node", version)


def test_what_others_may_not_read_is_not_there_for_a_sandbox(public_folder: Path):
    install(public_folder, "zinc", "zinc 1.0")
    public_folder.chmod(0o700)
    with pytest.raises(NotInstalled, match="cannot be read by other users"):
        locate("zinc")


def test_go_needs_its_standard_library_compiled(public_folder: Path):
    install(public_folder, "go", "go version go1.77.1 linux/amd64")
    with pytest.raises(NotInstalled, match=r"installgoroot=all .*/go install std"):
        locate("go", "1.77")
    library = public_folder / COMPILED["go"]
    library.parent.mkdir(parents=True)
    library.touch()
    assert locate("go", "1.77").prefix == public_folder


# For pods ------------------------------------------------------------------------------------------------------


def test_every_language_has_an_image_that_is_named_after_it_and_its_version():
    dockerfile = (Path(__file__).parents[2] / "images" / "Dockerfile").read_text()
    stages = [line.split(" AS ")[1] for line in dockerfile.splitlines() if line.startswith("FROM ")]
    assert stages == ["supervisor", *LANGUAGES]
    assert all(row.image == f"runledger/{row.language}:{row.version}" for row in ROWS)
