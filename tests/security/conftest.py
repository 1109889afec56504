"""What is built once for the tests of security."""

from pathlib import Path

import pytest

from adapters.supervisor.build import KEEPER_SOURCES, SOURCES, compile_program
from tests.security.supervising import SANITIZERS, find_sanitizers


@pytest.fixture(scope="session")
def sanitizers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A compiler that has them."""
    return find_sanitizers(tmp_path_factory.mktemp("compiler"))


@pytest.fixture(scope="session")
def supervisor(sanitizers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with sanitizers."""
    program = tmp_path_factory.mktemp("sanitized") / "supervisor"
    compile_program(program, SOURCES, sanitizers, SANITIZERS)
    return program


@pytest.fixture(scope="session")
def keeper(sanitizers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with sanitizers."""
    program = tmp_path_factory.mktemp("sanitized") / "keeper"
    compile_program(program, KEEPER_SOURCES, sanitizers, SANITIZERS)
    return program
