"""A test either runs and passes or it fails: skipped, expected to fail, and unexpectedly passing all count as failures.

A pytest plugin, loaded by `conftest.py` at the root. A run without any test already fails by itself (exit status 5).
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

RULE = "no test may be skipped or expected to fail: let it run, or delete it"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the report of a skipped, xfailed or xpassed test into a failure."""
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {RULE} ({_reason(report)})"
        report.__dict__.pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module or class that skips itself while it is collected."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {RULE} ({_reason(report)})"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(getattr(report, "wasxfail", "") or "no reason given")
