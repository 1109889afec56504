"""Where `CI` is `true`, a skipped test is a failed one."""

import os
from collections.abc import Generator

import pytest

Report = pytest.TestReport | pytest.CollectReport


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Report, Report]:
    return without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Report, Report]:
    return without_skips((yield))


def without_skips(report: Report) -> Report:
    """A test that is expected to fail (xfail) was run, so it stays what it is."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped where CI=true: {report.longrepr}"
    return report
