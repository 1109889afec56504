"""What is built once for the tests of security."""

from pathlib import Path

import pytest

from adapters.supervisor.build import SOURCES, compile_program, find_compiler
from tests.security.supervising import SANITIZERS


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with sanitizers."""
    program = tmp_path_factory.mktemp("sanitized") / "supervisor"
    compile_program(program, SOURCES, find_compiler(), SANITIZERS)
    return program
