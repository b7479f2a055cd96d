"""Loads, for every test run from this folder, the rule that no test is skipped, and the day that many tests look at."""

pytest_plugins = ["tests.architecture.no_skips", "tests.played_day"]
