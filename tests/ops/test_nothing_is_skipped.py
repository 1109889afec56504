"""Where CI=true, whatever would be skipped fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = {
    "by a mark": "import pytest\n@pytest.mark.skip(reason='reason')\ndef test(): pass",
    "by the test": "import pytest\ndef test(): pytest.skip('reason')",
    "by a fixture": "import pytest\n@pytest.fixture\ndef a(): pytest.skip('reason')\ndef test(a): pass",
    "by the module": "import pytest\npytest.skip('reason', allow_module_level=True)",
}


def run(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env={**os.environ, "CI": ci}, capture_output=True, text=True)


@pytest.mark.parametrize("how", TESTS)
def test_a_skip_fails_in_ci_alone(tmp_path, how):
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS[how])

    in_ci, elsewhere = run(tmp_path, "true"), run(tmp_path, "")

    assert in_ci.returncode != 0
    assert "Nothing may be skipped where CI=true" in in_ci.stdout
    assert "reason" in in_ci.stdout
    assert "1 skipped" in elsewhere.stdout


def test_an_expected_failure_is_no_skip(tmp_path):
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.xfail\ndef test(): assert 0")

    assert "1 xfailed" in run(tmp_path, "true").stdout
