"""Scripts stay inside bubblewrap, with network and without."""

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed
from adapters.bubblewrap.network import VARIABLES
from adapters.supervisor.build import build
from tests.security.escape import EscapeSuite


class TestBubblewrapEscape(EscapeSuite):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _open(cls, tmp_path_factory: pytest.TempPathFactory):
        build()
        cls.data_folder = tmp_path_factory.mktemp("data")
        cls.sandbox = BubblewrapSandbox(cls.data_folder, hosts="*")
        cls.python = next(runtime for runtime in installed() if runtime.language == "python")
        yield
        for name in cls.sandbox.list():
            cls.sandbox.remove(name)


class TestBubblewrapEscapeWithNetwork(TestBubblewrapEscape):
    """Where every public address is granted."""

    network = True
    variables = frozenset(VARIABLES)
