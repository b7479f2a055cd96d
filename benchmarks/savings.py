"""`savings`: a night of a bank with a million savings accounts, against the plainest SQL that writes the same rows.

Both work on a bank of their own on one server, filled alike, night by night in turns: interest is counted for a day
(`accrue`), then posted (`post`, an entry, an event and two new balances for every account, with the digests of the
batches on our side). The plain SQL stands below: it knows one rate and one day count, locks nothing, and does not say
what it wrote. `memory` is what a process that runs a night holds at most, with a million accounts and with a tenth.

Sides take turns in going first, and each begins at rest: nothing left to vacuum, statistics of what is there, and a
checkpoint just made, so that both write the first image of every page that they touch. At the end the books are proven:
the million's by every proof that is taken by set, the tenth's by those that read row by row as well.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from os import cpu_count, getloadavg
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from sqlalchemy import Connection, text

from api.settings import Settings, load_settings
from api.system import MEMBERS, System, opened
from benchmarks.savings_filling import OPENED, at_rest, copy_savings, fill_savings
from benchmarks.shape import Result, Row, versions
from engine.database.institutions import Institution
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.ledger.chart import INTEREST_ACCRUED
from engine.savings.audit import SAVINGS_PROOFS
from engine.savings.overnight import AT_ONCE, Night, accrue_day, post_day
from engine.vocabulary.errors import BezantError

OURS, PLAIN, SMALL = "bank", "northbank", "southbank"
ACCOUNTS = 1_000_000
FEW = 100_000
ROUNDS = 3
CHUNK = 10_000
DAY = timedelta(days=1)
PEER = "plain set-based SQL, the same rows"
_SHOWN = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")

Say = Callable[[str], None]

ACCRUE = """
update savings_accounts s set
    accrued_through = :day,
    earned_micro = s.earned_micro + a.balance_minor * 36500 / 365,
    earned_parts = (s.earned_parts + a.balance_minor * 36500 % 365 * 10000) % 3650000,
    compounded_micro = s.earned_micro + a.balance_minor * 36500 / 365 - s.paid_minor * 1000000
from accounts a where a.id = s.account_id and s.accrued_through = :before
"""
_SNAPSHOT = """
'{"account_id":"' || s.account_id || '","accrued_through":"' || s.accrued_through || '","asset":"' || s.asset
|| '","average_days":' || s.average_days || ',"average_sum":' || s.average_sum || ',"charged_minor":' || s.charged_minor
|| ',"closed_on"\\:null,"compounded_micro"\\:0,"customer_id":"' || s.customer_id || '","earned_micro":'
|| s.earned_micro
|| ',"earned_parts":' || s.earned_parts || ',"goal_minor"\\:null,"goal_name"\\:null,"goal_on"\\:null,"id":"' || s.id
|| '","matures_on"\\:null,"opened_on":"' || s.opened_on || '","owed_micro":' || s.owed_micro || ',"owed_parts":'
|| s.owed_parts || ',"paid_minor":' || s.paid_minor || ',"posted_through":"' || s.posted_through
|| '","product_id":"' || s.product_id || '","recompute_from"\\:null,"round_up_minor":' || s.round_up_minor
|| ',"withdrawals":' || s.withdrawals || ',"withdrawals_in"\\:null,"withheld_minor":' || s.withheld_minor || '}'
"""
POST = (
    """
insert into entries (chain, sequence, position, request_id, line, debit, credit, amount_minor, kind, subject_id,
                     effective_on, forced, debit_number, credit_number, debit_after, credit_after, occurred_at)
select :chain, n / 10000 + 1, n % 10000, md5(:day || (n / 10000))::uuid, n % 10000, :own, account_id, paid, 'interest',
       id, :following, true, :own_count + n + 1, entry_count + 1, :own_balance - sum(paid) over (order by n),
       balance_minor + paid, :now
from (select s.id, s.account_id, (s.earned_micro / 1000000 - s.paid_minor) as paid, a.balance_minor, a.entry_count,
             row_number() over (order by s.id) - 1 as n
      from savings_accounts s join accounts a on a.id = s.account_id where s.accrued_through = :day) due
""",
    """
update accounts a set balance_minor = a.balance_minor + s.earned_micro / 1000000 - s.paid_minor,
                      entry_count = a.entry_count + 1
from savings_accounts s where s.account_id = a.id and s.accrued_through = :day
""",
    """
update savings_accounts set paid_minor = earned_micro / 1000000, compounded_micro = 0, posted_through = :day
where accrued_through = :day
""",
    """
insert into events (chain, sequence, position, request_id, line, kind, subject_kind, subject_id, reasons, snapshot,
                    occurred_at)
select :chain, n / 10000 + 1, n % 10000, md5(:day || (n / 10000))::uuid, n % 10000, 'InterestPosted',
       'SavingsAccount', id, '', snapshot, :now
from (select s.id, row_number() over (order by s.id) - 1 as n, {snapshot} as snapshot
      from savings_accounts s where s.posted_through = :day) due
""".replace("{snapshot}", _SNAPSHOT),
    """
update accounts set balance_minor = balance_minor - (select sum(amount_minor) from entries where chain = :chain),
                    entry_count = entry_count + (select count(*) from entries where chain = :chain) where id = :own
""",
    "insert into chains (id, opened_at) values (:chain, :now)",
    """
insert into batches (chain, sequence, digest, entry_count, event_count, recorded_at)
select :chain, n, '', 10000, 10000, :now from generate_series(1, :batches) n
""",
    """
insert into requests (id, stage, kind, fingerprint, code, answer, first_seen_at, answered_at)
select md5(:day || n)::uuid, 'savings', 'PostInterest', '', 'paid', '{}', :now, :now
from generate_series(0, :batches - 1) n
""",
)


def run(say: Say) -> Result:
    """Measure, on a server of its own in a folder that is gone afterwards. Raises `BezantError` for unproven books."""
    with tempfile.TemporaryDirectory(prefix="bezant-bench-") as folder:
        settings = load_settings().model_copy(update={"database_url": None, "data_folder": Path(folder)})
        with opened(settings) as system:
            return _measured(system, settings, say)


def _measured(system: System, settings: Settings, say: Say) -> Result:
    members = tuple(member for member in MEMBERS if member.name in (OURS, PLAIN, SMALL))
    system.set_up(members, datetime.combine(OPENED, datetime.min.time(), UTC))
    ours, plain, small = (system.institution(name) for name in (OURS, PLAIN, SMALL))
    for institution, accounts in ((ours, ACCOUNTS), (small, FEW)):
        say(f"opening {accounts:,} savings accounts of {institution.name}")
        fill_savings(system, institution, accounts)
    say(f"the same {ACCOUNTS:,} accounts for the plain SQL")
    copy_savings(system, ours, plain)
    found: defaultdict[str, list[int]] = defaultdict(list)
    begun_under = getloadavg()[0]
    for number in range(ROUNDS):
        day = OPENED + DAY * number
        for name, our_turn, plain_turn in (("accrue", _accrue, _plain_accrue), ("post", _post, _plain_post)):
            sides: list[tuple[str, Institution, Callable[[System, Institution, date], object]]] = [
                (name, ours, our_turn),
                (f"plain {name}", plain, plain_turn),
            ]
            for side, institution, turn in sides if number % 2 == 0 else reversed(sides):
                at_rest(system, institution)
                begun = perf_counter()
                turn(system, institution, day)
                found[side].append(int((perf_counter() - begun) * 1_000))
                say(f"night {number + 1}: {side} {found[side][-1]:,} ms")
    day = OPENED + DAY * ROUNDS
    for institution in (ours, small):
        found[institution.name].append(_apart(system, settings, institution, OPENED if institution is small else day))
        say(f"memory of a night of {institution.name}: {found[institution.name][-1]:,} KiB")
    say("proving the books")
    with system.database.institution(small.name).connect() as connection:
        _prove(connection)
    with system.database.institution(ours.name).connect() as connection:
        _prove(connection, by_set=True)
        shown = {name: str(connection.execute(text(f"show {name}")).scalar_one()) for name in _SHOWN}
    figures = {name: int(median(values)) for name, values in found.items()}
    return Result(
        name="savings",
        versions=versions(postgresql=shown.pop("server_version")),
        settings={
            "accounts": ACCOUNTS,
            "rounds": ROUNDS,
            "accrual_connections": AT_ONCE,
            "processors": cpu_count() or 0,
            "load_before": str(round(begun_under, 1)),
            "figure": "median of rounds",
            "plain_accrue": " ".join(ACCRUE.split()),
            "plain_post": " ; ".join(" ".join(one.split()) for one in POST),
            **shown,
        },
        rows=(
            Row("accrue", figures["accrue"], figures["plain accrue"], PEER, "ms, less is better"),
            Row("post", figures["post"], figures["plain post"], PEER, "ms, less is better"),
            Row("memory", figures[OURS], figures[SMALL], f"the same with {FEW:,} accounts", "KiB, less is better"),
        ),
    )


def _night(system: System, institution: Institution, day: date) -> Night:
    now = datetime.combine(day + DAY, datetime.min.time(), UTC) + timedelta(hours=12)
    book = Book(institution.name, institution.time_zone)
    return Night(system.database.institution(institution.name), book, day, now, lambda _done, _total: None)


def _accrue(system: System, institution: Institution, day: date) -> int:
    return accrue_day(_night(system, institution, day))


def _post(system: System, institution: Institution, day: date) -> int:
    return post_day(_night(system, institution, day))


def _plain_accrue(system: System, institution: Institution, day: date) -> None:
    with system.database.institution(institution.name).begin() as connection:
        connection.execute(text(ACCRUE), {"day": day, "before": day - DAY})


def _plain_post(system: System, institution: Institution, day: date) -> None:
    # The rows are copies, the account that interest is paid out of among them.
    own = Book(OURS, institution.time_zone).account(INTEREST_ACCRUED, "USD")
    with system.database.institution(institution.name).begin() as connection:
        kept = connection.execute(text("select * from accounts where id = :own"), {"own": own}).one()
        values = {
            "day": day,
            "following": day + DAY,
            "chain": 2 + (day - OPENED).days,
            "own": own,
            "own_balance": kept.balance_minor,
            "own_count": kept.entry_count,
            "now": datetime.combine(day + DAY, datetime.min.time(), UTC) + timedelta(hours=12),
            "batches": ACCOUNTS // CHUNK,
        }
        for statement in POST:
            connection.execute(_typed(statement), values)


def _typed(statement: str) -> Any:
    """What the plain SQL leaves to be guessed."""
    return text(statement.replace(":day ||", "cast(:day as text) ||").replace(":own,", "cast(:own as uuid),"))


def _apart(system: System, settings: Settings, institution: Institution, day: date) -> int:
    """The most that a process of its own held, in KiB, which ran a night."""
    url = system.database.owner().url.render_as_string(hide_password=False)
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.savings", institution.name, day.isoformat()],
        capture_output=True,
        text=True,
        check=False,
        env={"BEZANT_DATABASE_URL": url, "BEZANT_DATA_FOLDER": str(settings.data_folder)},
        cwd=Path(__file__).parents[1],
    )
    if ran.returncode:
        raise BezantError(f"A night in a process of its own failed: {ran.stderr.strip().splitlines()[-1]}")
    return int(ran.stdout)


def _prove(connection: Connection, *, by_set: bool = False) -> None:
    for proof in (*LEDGER_PROOFS, *SAVINGS_PROOFS):
        if by_set and proof.watched is not None:
            continue
        for finding in proof.find(connection):
            raise BezantError(f"The books are not proven after the run ({proof.name}): {finding}.")


if __name__ == "__main__":
    with opened(load_settings()) as one:
        night = _night(one, one.institution(sys.argv[1]), date.fromisoformat(sys.argv[2]))
        accrue_day(night)
        post_day(night)
    Console().print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
