"""Keeper and supervisor, both under sanitizers, keep the port's promises on one machine.

A finding would end the process that has it: the run would be lost, or end as an internal error.
"""

from pathlib import Path

import pytest

from adapters.bubblewrap import BubblewrapSandbox, sandbox
from adapters.bubblewrap import keeper as keepers
from adapters.bubblewrap.catalogue import installed
from tests.contracts.sandbox import SandboxContract
from tests.contracts.sandbox_input import InputContract


class TestSanitized(SandboxContract, InputContract):
    @pytest.fixture(autouse=True)
    def _open(self, supervisor: Path, keeper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        for module in (keepers, sandbox):
            monkeypatch.setattr(module, "KEEPER", keeper)
        monkeypatch.setattr(sandbox, "SUPERVISOR", supervisor)
        self.sandbox = BubblewrapSandbox(tmp_path)
        self.python, self.bash = (
            next(runtime for runtime in installed() if runtime.language == language) for language in ("python", "bash")
        )
        yield
        for name in self.sandbox.list():
            self.sandbox.remove(name)
