"""What is built once for the tests of security, and a room whose machine runs scripts with network."""

import os
from pathlib import Path

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.supervisor.build import KEEPER_SOURCES, SOURCES, build, compile_program
from tests.security.networked import HOSTS, PORT, Runs
from tests.security.room import Room
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


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory):
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces with a cable between them")
    build()
    room = Room(tmp_path_factory.mktemp("room"))
    room.open()
    with room.server(PORT), room.server(9090), room.server(80), room.server(PORT, "machine"):
        yield room
    room.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def sandbox(folder: Path):
    sandbox = BubblewrapSandbox(folder, hosts=HOSTS)
    yield sandbox
    for name in sandbox.list():
        sandbox.remove(name)


@pytest.fixture
def runs(room: Room, sandbox: BubblewrapSandbox) -> Runs:
    return Runs(room, sandbox)
