"""Loads, for every test run from this folder, the rule that no test is skipped."""

pytest_plugins = ["tests.architecture.no_skips"]
