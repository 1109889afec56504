"""Where CI=true, whatever would be skipped fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ["-p", "no:cacheprovider", "-p", "tests.no_skips"]
TESTS = {
    "mark": "import pytest\n@pytest.mark.skip(reason='reason')\ndef test(): pass",
    "call": "import pytest\ndef test(): pytest.skip('reason')",
    "fixture": "import pytest\n@pytest.fixture\ndef a(): pytest.skip('reason')\ndef test(a): pass",
    "module": "import pytest\npytest.skip('reason', allow_module_level=True)",
    "expected": "import pytest\n@pytest.mark.xfail\ndef test(): assert 0",
}


def run(folder: Path, ci: str) -> str:
    command = [sys.executable, "-m", "pytest", *PLUGINS, "--continue-on-collection-errors", str(folder)]
    environ = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TESTS.items():
        (tmp_path / f"test_{name}.py").write_text(text)
    return tmp_path


def test_a_skip_fails_in_ci(folder):
    closing = run(folder, ci="true")

    assert closing.count("Nothing may be skipped where CI=true") >= 4
    assert "1 failed, 1 xfailed, 3 errors" in closing or "2 failed, 1 xfailed, 2 errors" in closing


def test_a_skip_is_a_skip_elsewhere(folder):
    assert "4 skipped, 1 xfailed" in run(folder, ci="")
