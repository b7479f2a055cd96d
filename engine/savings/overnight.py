"""The nights of savings in set-based SQL: a day's accrual of every account, and the posting of every period that ends.

What it computes is `accrual.py`'s rule, statement for expression; a property test holds the two equal. What it writes
is what a decision would: entries, events, balances, a request and a batch with its digest, a chunk of accounts at a
time, each chunk one transaction. A chunk is found by what its accounts say (accrued and posted through which day), so
that a night that was cut short goes on where it stopped, and a second one finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from engine.ledger.book import Book
from engine.savings.accrual import parts_of
from engine.savings.posting import Chain, post_chunk
from engine.savings.products import (
    DAY,
    MICRO,
    BalanceMethod,
    Frequency,
    RateVersion,
    SavingsProduct,
    ends,
    in_force,
    segments,
)
from engine.savings.store import read_marks, read_offered, read_rates
from engine.vocabulary.money import BPS

ACCRUAL_CHUNK = 250_000
"""Accounts whose interest is counted in one transaction; for as long as it takes nobody moves money on them."""
AT_ONCE = 2
"""Chunks that are counted at a time: the arithmetic is most of the work, and a database has another core for it."""

Watch = Callable[[int, int], object]
"""Told how many accounts of how many are done."""

_ROOM = text("set local work_mem = '64MB'")
"""For a join of a chunk with its balances to stay in memory."""
_ABOUT = text("select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass('savings_accounts')")
"""How many accounts there are, as the planner thinks: enough for a progress bar, and for nothing."""
_UPTO = text("select id from savings_accounts where id > :after order by id offset :most limit 1")

# Each level names what the next uses: computed once for an account, and `offset 0` keeps the planner from undoing that.
_ACCRUE = f"""
with terms as materialized (
    select product_id, weight, year, parts, share, overdraft_slope, promotional_days, average_ends, period_ends,
           anniversary, cast(usual_least as bigint[]) as usual_least, cast(usual_fixed as bigint[]) as usual_fixed,
           cast(usual_slopes as bigint[]) as usual_slopes, cast(usual_rates as bigint[]) as usual_rates,
           cast(promoted_least as bigint[]) as promoted_least, cast(promoted_fixed as bigint[]) as promoted_fixed,
           cast(promoted_slopes as bigint[]) as promoted_slopes, cast(promoted_rates as bigint[]) as promoted_rates
    from unnest(
        cast(:products as uuid[]), cast(:weights as bigint[]), cast(:years as bigint[]), cast(:parts as bigint[]),
        cast(:shares as bigint[]), cast(:overdraft_slopes as bigint[]), cast(:promotional_days as integer[]),
        cast(:averages_end as boolean[]), cast(:periods_end as boolean[]), cast(:anniversaries as boolean[]),
        cast(:usual_least as text[]), cast(:usual_fixed as text[]), cast(:usual_slopes as text[]),
        cast(:usual_rates as text[]), cast(:promoted_least as text[]), cast(:promoted_fixed as text[]),
        cast(:promoted_slopes as text[]), cast(:promoted_rates as text[])
    ) as t(product_id, weight, year, parts, share, overdraft_slope, promotional_days, average_ends, period_ends,
           anniversary, usual_least, usual_fixed, usual_slopes, usual_rates, promoted_least, promoted_fixed,
           promoted_slopes, promoted_rates)
)
update savings_accounts s set (
    accrued_through, earned_micro, earned_parts, compounded_micro, owed_micro, owed_parts, average_sum, average_days
) = (
    select :day, earned, left_over,
           case when compounds then earned - s.paid_minor * {MICRO} + case
               when 2 * left_over > t.parts or (2 * left_over = t.parts and earned % 2 <> 0) then 1
               else 0 end else s.compounded_micro end,
           s.owed_micro + debit / t.year + owed_over / t.parts, owed_over % t.parts,
           case when takes then 0 else gathered end, case when takes then 0 else days end
    from (
        select *, s.earned_micro + credit / t.year + earned_over / t.parts as earned, earned_over % t.parts as left_over
        from (
            select *, s.earned_parts + (credit % t.year * {BPS} + days * fraction * rate_bps) * t.share as earned_over,
                   s.owed_parts + debit % t.year * {BPS} * t.share as owed_over
            from (
                select *,
                       case when line = 0 then 0
                            when promoted then days * t.promoted_fixed[line] + t.promoted_slopes[line] * base
                            else days * t.usual_fixed[line] + t.usual_slopes[line] * base end as credit,
                       case when line = 0 then 0 when promoted then t.promoted_rates[line]
                            else t.usual_rates[line] end as rate_bps
                from (
                    select *,
                           case when not takes or s.matures_on <= :day or days = 0 or base < 0 then 0
                                when promoted then width_bucket(base / days, t.promoted_least)
                                else width_bucket(base / days, t.usual_least) end as line
                    from (
                        select *, gathered + days * ((s.compounded_micro - fraction) / {MICRO}) as base,
                               t.average_ends or compounds
                               or cast(:day as date) - s.opened_on = t.promotional_days - 1 as takes,
                               cast(:day as date) - s.opened_on < t.promotional_days as promoted
                        from (
                            select s.average_days + t.weight as days,
                                   s.average_sum + t.weight * greatest(a.balance_minor{{later}}, 0) as gathered,
                                   t.weight * greatest(-(a.balance_minor{{later}}), 0) * t.overdraft_slope as debit,
                                   (s.compounded_micro + {MICRO}) % {MICRO} as fraction,
                                   t.period_ends or coalesce(s.matures_on = :following, false) or (
                                       t.anniversary
                                       and date_part('month', s.opened_on) * 100 + date_part('day', s.opened_on)
                                       = any(cast(:anniversary_days as integer[]))) as compounds
                            offset 0
                        ) seen
                        offset 0
                    ) based
                    offset 0
                ) tiered
                offset 0
            ) yearly
            offset 0
        ) summed
        offset 0
    ) counted
)
from terms t, accounts a {{joined}}
where s.accrued_through = :before and s.closed_on is null and t.product_id = s.product_id and a.id = s.account_id
  and (cast(:after as uuid) is null or s.id > :after) and (cast(:upto as uuid) is null or s.id <= :upto)
"""  # noqa: S608, constants of this module
_UNDISTURBED = text(_ACCRUE.format(later="", joined=""))
"""Nothing has been recorded since the day was over: balances are those of its end."""
_DISTURBED = text(
    _ACCRUE.format(
        later=" - coalesce(l.minor, 0)",
        joined="""left join (
    select account_id, sum(minor)::bigint as minor from (
        select e.credit, e.debit, e.amount_minor from unnest(
            cast(:mark_chains as integer[]), cast(:mark_sequences as bigint[])
        ) as m(chain, sequence) join lateral (
            select e.* from entries e where e.chain = m.chain and e.sequence >= m.sequence and e.effective_on > :day
            offset 0
        ) e on true
    ) moved cross join lateral (values (moved.credit, moved.amount_minor), (moved.debit, -moved.amount_minor))
      sides(account_id, minor) group by account_id
) l on l.account_id = a.id""",
    )
)


@dataclass(frozen=True, slots=True)
class Offered:
    """A product with its rates."""

    product: SavingsProduct
    versions: tuple[RateVersion, ...]


@dataclass(slots=True)
class Night:
    """One business date of a bank that is over, and its products' terms on that date."""

    engine: Engine
    book: Book
    day: date
    now: datetime
    watch: Watch
    offered: Sequence[Offered] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        with self.engine.connect() as connection:
            products = read_offered(connection)
            versions = read_rates(connection, [one.id for one in products])
        self.offered = [
            Offered(one, tuple(version for version in versions if version.product_id == one.id)) for one in products
        ]


def accrue_day(night: Night, chunk: int = ACCRUAL_CHUNK) -> int:
    """Count the day's interest of every account that was counted through the day before; how many there were.

    Chunks are independent of each other: `AT_ONCE` of them are counted at a time, each on a connection of its own.
    """
    values = _terms(night) | {"day": night.day, "before": night.day - DAY, "following": night.day + DAY}
    with night.engine.connect() as connection:
        about = connection.execute(_ABOUT).scalar_one()
        values |= _marks(connection, night)
        ends = _chunk_ends(connection, chunk)
    statement = _DISTURBED if values["mark_chains"] else _UNDISTURBED

    def count(after: UUID | None, upto: UUID | None) -> int:
        with night.engine.begin() as connection:
            connection.execute(_ROOM)
            return connection.execute(statement, values | {"after": after, "upto": upto}).rowcount

    done = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="accrual") as threads:
        for number in threads.map(count, (None, *ends), (*ends, None)):
            done += number
            night.watch(done, max(done, about))
    return done


def _chunk_ends(connection: Connection, chunk: int) -> list[UUID]:
    """The last account of each chunk but the last, which has no end."""
    ends: list[UUID] = []
    while upto := connection.execute(_UPTO, {"after": ends[-1] if ends else UUID(int=0), "most": chunk - 1}).scalar():
        ends.append(upto)
    return ends


def post_day(night: Night) -> int:
    """Post every period that ended with the day, for accounts that are counted through it; how many were posted."""
    done, ended = 0, anniversary_days(night.day)
    with night.engine.connect() as connection:
        about = connection.execute(_ABOUT).scalar_one()
    chain = Chain(night.engine, night.now)
    for asset in sorted({one.product.asset for one in night.offered}):
        products = [one.product for one in night.offered if one.product.asset == asset]
        values = {
            "products": [one.id for one in products],
            "parts": [parts_of(one) for one in products],
            "withholding": [one.withholding_bps for one in products],
            "periods_end": [_calendar_ends(one.posting, night.day) for one in products],
            "anniversaries": [one.posting is Frequency.ANNIVERSARY for one in products],
            "anniversary_days": ended,
            "day": night.day,
            "following": night.day + DAY,
        }
        after: UUID | None = None
        while (posted := post_chunk(chain, night.book, asset, values, after)) is not None:
            after, number = posted
            done += number
            night.watch(done, max(done, about))
    return done


def began(book: Book, day: date) -> datetime:
    """The instant at which a business date begins: midnight in the bank's time zone."""
    return datetime.combine(day, time(), ZoneInfo(book.time_zone)).astimezone(UTC)


def anniversary_days(day: date) -> list[int]:
    """Month and day (as 100 x month + day) of openings whose anniversary is the day after `day`."""
    following = day + DAY
    found = [following.month * 100 + following.day]
    if found == [228] and (following + DAY).day == 1:
        found.append(229)
    return found


def _calendar_ends(frequency: Frequency, day: date) -> bool:
    """Whether a period ends for every account, whenever it was opened."""
    return frequency not in (Frequency.ANNIVERSARY, Frequency.AT_MATURITY) and ends(frequency, day, day, None)


def _lines(offered: Sequence[Offered], versions: Sequence[RateVersion | None], *, promoted: bool) -> dict[str, Any]:
    """Each product's lines as arrays of their own, in rising order of the balance from which they hold."""
    every = [
        () if version is None else segments(version, one.product.promotional_bps if promoted else 0)
        for one, version in zip(offered, versions, strict=True)
    ]
    name = "promoted" if promoted else "usual"
    return {
        f"{name}_least": [_array(line.least for line in lines) for lines in every],
        f"{name}_fixed": [_array(line.fixed for line in lines) for lines in every],
        f"{name}_slopes": [_array(line.slope for line in lines) for lines in every],
        f"{name}_rates": [_array(line.rate_bps for line in lines) for lines in every],
    }


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _marks(connection: Connection, night: Night) -> dict[str, Any]:
    """Where entries of later days begin that have been recorded already: every one of them came after this day."""
    found = read_marks(connection, began(night.book, night.day + DAY))
    return {"mark_chains": [chain for chain, _ in found], "mark_sequences": [sequence for _, sequence in found]}


def _terms(night: Night) -> dict[str, Any]:
    day, following = night.day, night.day + DAY
    products = [one.product for one in night.offered]
    current = [in_force(one.versions, day) for one in night.offered]
    periods_end = [_calendar_ends(one.compounding, day) or _calendar_ends(one.posting, day) for one in products]
    return (
        {
            "products": [one.id for one in products],
            "weights": [one.day_count.weight(day) for one in products],
            "years": [one.day_count.year(day) for one in products],
            "parts": [parts_of(one) for one in products],
            "shares": [parts_of(one) // BPS // one.day_count.year(day) for one in products],
            "overdraft_slopes": [
                0 if version is None else version.overdraft_bps * (MICRO // 10_000) for version in current
            ],
            "promotional_days": [one.promotional_days if one.promotional_bps else 0 for one in products],
            "averages_end": [
                one.product.balance_method is BalanceMethod.DAILY_BALANCE
                or in_force(one.versions, following) is not version
                or one.product.day_count.year(day) != one.product.day_count.year(following)
                for one, version in zip(night.offered, current, strict=True)
            ],
            "periods_end": periods_end,
            "anniversaries": [Frequency.ANNIVERSARY in (one.compounding, one.posting) for one in products],
            "anniversary_days": anniversary_days(day),
        }
        | _lines(night.offered, current, promoted=False)
        | _lines(night.offered, current, promoted=True)
    )
