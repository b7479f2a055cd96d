"""A whole year of savings: what was posted is what was defined, the reports add up, the books are proven."""

from __future__ import annotations

import asyncio

import pytest

from api.settings import Settings
from simulator.demo import fresh_system
from simulator.savings_year import play_year

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_year_of_two_hundred_customers_in_two_time_zones() -> None:
    with fresh_system(Settings(), "bezant_year") as system:
        year = asyncio.run(play_year(system, customers=200, seed=7, tell=lambda _line: None))
    assert not year.findings
    assert (year.customers, year.accounts) == (200, 200)
    assert year.closed > 5
    assert year.purchases > 1_000 and year.rounded_up_minor > 10_000
    assert year.posted_minor == year.reported_minor > 0
    assert year.withheld_minor > 0 and year.charged_minor > 0
    assert len(year.yields) > 100
