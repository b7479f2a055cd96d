"""The set-based nights are the pure rule: for every day count, tier, method and frequency, whatever the order in which
days are counted and movements are learnt of.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from itertools import count, product
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.database.connections import Database
from engine.savings.model import SetRates
from engine.savings.products import BalanceMethod, DayCount, Frequency, TierMethod
from tests.engine.savings.bank import Bank, assert_as_defined

DAY = timedelta(days=1)
STARTS = (date(2023, 12, 20), date(2024, 2, 12), date(2025, 2, 20))
"""Over the turn into a leap year, over a 29 February, over the end of a short one."""
TIERS = ((0, 125), (150_000, 333), (400_000, 10_000))
_numbers = count(1)


def every_product() -> list[dict[str, object]]:
    """Terms such that every pair of values of two kinds of term stands in one of them at least."""
    combined = list(product(DayCount, BalanceMethod, TierMethod))
    frequencies = [(one, other) for one in Frequency for other in Frequency]
    chance = random.Random(9)
    made: list[dict[str, object]] = []
    for number, (compounding, posting) in enumerate(frequencies):
        day_count, method, tiers = combined[number % len(combined)]
        at_maturity = Frequency.AT_MATURITY in (compounding, posting)
        made.append(
            {
                "day_count": day_count,
                "balance_method": method,
                "tier_method": tiers,
                "compounding": compounding,
                "posting": posting,
                "tiers": TIERS[: 1 + number % 3],
                "minimum_minor": chance.choice((0, 0, 50_000)),
                "overdraft_minor": chance.choice((0, 10**6)),
                "overdraft_bps": 1_999,
                "withholding_bps": chance.choice((0, 2_400)),
                "promotional_bps": chance.choice((0, 0)) if number % 3 == 2 else chance.choice((0, 250)),
                "promotional_days": 9,
                "term_months": 1 if at_maturity else 0,
            }
        )
    return made


PRODUCTS = every_product()


@settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(chance=st.randoms(use_true_random=False), start=st.sampled_from(STARTS))
def test_any_split_into_runs_catch_ups_and_back_datings_gives_the_defined_interest(
    database: Database, tmp_path: Path, chance: random.Random, start: date
) -> None:
    bank = Bank(database, f"equal{next(_numbers)}", tmp_path, start)
    chosen = chance.sample(range(len(PRODUCTS)), 12)
    ids = []
    for number in chosen:
        bank.offer(f"p{number}", **PRODUCTS[number])
        for copy in range(2):
            opening = chance.choice((0, 49_999, 100_000, 399_999, 1_234_567))
            ids.append(bank.save(f"@saver{number}.{copy}", f"p{number}", opening))
    today = start
    for _ in range(9):
        today += DAY * chance.choice((0, 1, 1, 2, 5, 9))
        bank.until(bank.at(today, chance.choice((0, 13)), 20))  # just after midnight, before the night's jobs
        for savings_id in chance.sample(ids, 6):
            amount = chance.choice((1, 777, 120_001, -1, -50_000, -2_000_000, 2_000_000))
            back = chance.choice((0, 0, 1, 3, 20))
            bank.move(savings_id, amount, max(today - DAY * back, start))
        if chance.random() < 0.5:
            number = chance.choice(chosen)
            tiers = tuple((least, rate // 2 + 7) for least, rate in TIERS[: 1 + number % 2])
            rates = SetRates(reference=str(today), product=f"p{number}", effective_on=today + DAY * 2, tiers=tiers)
            assert bank.refused(rates) in ("set", "day_has_come", "key_reused")
        if chance.random() < 0.6:
            bank.nights(today)
            assert bank.clock.now() >= bank.at(today)
    bank.nights(today + DAY)  # all that was skipped, and the last corrections
    bank.nights(today + 2 * DAY)
    assert_as_defined(bank, ids)
    assert all(bank.account(one).recompute_from is None for one in ids)
    assert not bank.findings()
    bank.processor.engine.dispose()


def test_every_pair_of_frequencies_with_every_day_count_counts_as_defined(database: Database, tmp_path: Path) -> None:
    """Ten weeks around a 29 February, in three catch-ups."""
    start = date(2024, 1, 5)
    bank = Bank(database, "every", tmp_path, start)
    ids = []
    for number, terms in enumerate(PRODUCTS):
        bank.offer(f"p{number}", **terms)
        ids.append(bank.save(f"@saver{number}", f"p{number}", 123_456 + 7_919 * number))
    for days in (11, 37, 70):
        bank.nights(start + DAY * days)
        for savings_id in ids:
            bank.move(savings_id, 90_001)
    assert_as_defined(bank, ids)
    assert not bank.findings()
