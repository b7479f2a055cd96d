"""A year of savings: two banks in two time zones, 200 customers who pay in, draw out, buy by card and close, while
rates change and a 29 February comes; some nights are skipped and made up for, some movements are learnt of late.

Everything goes through the banks' doors and jobs on a virtual clock. At the end the sum that was posted is compared
with the definition's, account by account, and the books are proven. Purchases come from a till of the simulator's, for
the year is about savings: it posts what clearing posts, and knows no cards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from api.system import MEMBERS, System
from engine.accounts import decide as accounts_rules
from engine.accounts import store as accounts_store
from engine.accounts.model import KEYS as ACCOUNT_KEYS
from engine.accounts.model import Customer, OpenCustomer
from engine.database.institutions import Institution
from engine.ledger import rules
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.book import Book
from engine.ledger.chart import NETWORK_PAYABLE
from engine.processor import Processor
from engine.runtime.jobs import Scheduler
from engine.runtime.stage import Stage
from engine.savings.model import (
    CloseSavings,
    MoveSavings,
    OpenProduct,
    OpenSavings,
    PlanSavings,
    SavingsAccount,
    SetRates,
)
from engine.savings.products import DAY, MICRO, BalanceMethod, DayCount, Frequency, TierMethod
from engine.savings.statements import statement, tax_report
from engine.savings.store import read_page
from engine.vocabulary.decision import Answer, Decision, Message, State
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.postings import Posting, PostingOutcome
from engine.wallet import WALLET_PROOFS, wallet_jobs, wallet_stages

BANKS: Final = ("bank", "northbank")
"""In UTC and in New York."""
BEGINS, ENDS = date(2027, 12, 30), date(2028, 12, 31)
"""Over two turns of a year and a 29 February."""
PRODUCTS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "saver", "compounding": Frequency.DAILY, "withholding_bps": 1_000},
    {
        "name": "tiered",
        "day_count": DayCount.ACTUAL_ACTUAL,
        "tiers": ((0, 100), (250_000, 275), (1_000_000, 410)),
        "tier_method": TierMethod.MARGINAL,
        "promotional_bps": 150,
        "promotional_days": 90,
    },
    {
        "name": "average",
        "day_count": DayCount.ACTUAL_360,
        "balance_method": BalanceMethod.AVERAGE_DAILY_BALANCE,
        "posting": Frequency.QUARTERLY,
        "minimum_minor": 10_000,
    },
    {"name": "current", "overdraft_minor": 100_000, "overdraft_bps": 1_590, "day_count": DayCount.THIRTY_360},
    {
        "name": "fixed",
        "term_months": 6,
        "compounding": Frequency.QUARTERLY,
        "posting": Frequency.AT_MATURITY,
        "tiers": ((0, 450),),
    },
)
_REFUSALS_OF_LIFE: Final = frozenset(
    {"insufficient_funds", "not_matured", "account_closed", "overdrawn", "being_corrected"}
)
"""What people are told who ask for what they cannot have: nothing of it is a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy:
    """A card purchase, as it reaches the books."""

    reference: str
    customer_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Year:
    """What a year came to, over all banks; amounts in minor units."""

    customers: int
    accounts: int
    closed: int
    nights: int
    posted_minor: int
    withheld_minor: int
    charged_minor: int
    reported_minor: int
    yields: tuple[Decimal, ...]
    findings: tuple[str, ...]


class _Clock:
    """A clock that is moved by who plays."""

    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        """Where it stands."""
        return self.instant

    async def sleep_until(self, at: datetime) -> None:
        """Nobody sleeps in this world."""
        raise AssertionError("nobody sleeps on a clock that is moved")


class _Nowhere:
    def send(self, message: Message) -> None:
        raise AssertionError("savings send nothing")

    def deliver(self, message: Message) -> bool:
        raise AssertionError("savings send nothing")


class _Bank:
    """A bank with wallets, savings and a till."""

    def __init__(self, system: System, institution: Institution) -> None:
        self.book = Book(institution.name, institution.time_zone)
        self._zone = ZoneInfo(institution.time_zone)
        self.clock = _Clock(self._at(BEGINS, 12))
        self.processor = Processor(
            institution=institution,
            stages=(_accounts(self.book), _till(self.book), *wallet_stages(institution)),
            engine=system.database.institution(institution.name),
            hsm=system.hsm(institution),
            clock=self.clock,
            network=_Nowhere(),
        )
        self.scheduler = Scheduler(
            wallet_jobs(institution),
            engine=self.processor.engine,
            outside=self.processor.outside,
            execute=self.processor.execute,
            files=system.files_of(institution),
            since=self.clock.instant,
        )
        self.savings: dict[UUID, UUID] = {}
        self.nights = 0

    def ask(self, requests: Sequence[Any]) -> list[Answer]:
        """Answers, each given at once and each one that life gives."""
        answers = [answer for answer in self.processor.execute(requests) if answer is not None]
        for answer in answers:
            assert answer.code != "refused" or answer.reasons[0] in _REFUSALS_OF_LIFE, answer
        return answers

    def at_noon(self, day: date, *, nights: bool) -> None:
        """Noon of a day, with or without the nights that are due."""
        self.clock.instant = self._at(day, 12)
        if nights:
            self.nights += len(self.scheduler.run_due(self.clock.instant))

    def _at(self, day: date, hour: int) -> datetime:
        return datetime.combine(day, time(hour), self._zone).astimezone(UTC)


def play_year(system: System, *, customers: int, seed: int, tell: Callable[[str], None]) -> Year:
    """Play the year in a system of its own; the same seed plays the same year."""
    members = tuple(member for member in MEMBERS if member.name in BANKS)
    system.set_up(members, datetime.combine(BEGINS - DAY, time(), UTC))
    banks = [_Bank(system, system.institution(name)) for name in BANKS]
    chance = Random(seed)
    for bank in banks:
        _open(bank, customers // len(banks), chance)
    day = BEGINS
    while day < ENDS:
        day += DAY
        if day.day == 1:
            tell(f"{day:%B %Y}")
        for bank in banks:
            # One night in eight nothing runs: the next makes up for it.
            bank.at_noon(day, nights=chance.random() > 0.125)
            _live(bank, day, chance)
    for bank in banks:
        for after in (1, 2):
            bank.at_noon(ENDS + DAY * after, nights=True)
    tell("proving the books")
    return _sum_up(banks)


def _open(bank: _Bank, customers: int, chance: Random) -> None:
    offers = [
        OpenProduct(**({"reference": one["name"], "effective_on": date(2000, 1, 1), "tiers": ((0, 365),)} | one))
        for one in PRODUCTS
    ]
    bank.ask(offers)
    people = [f"@saver{number}" for number in range(customers)]
    bank.ask([OpenCustomer(handle=one, name=one, opening_deposit_minor=5_000_000) for one in people])
    ids = [bank.book.id("customer", one, on=STATIC) for one in people]
    opened = bank.ask(
        [
            OpenSavings(
                reference="1",
                customer_id=one,
                product=PRODUCTS[number % len(PRODUCTS)]["name"],
                opening_minor=chance.randrange(0, 2_000_000),
            )
            for number, one in enumerate(ids)
        ]
    )
    bank.savings = {UUID(str(answer.facts["savings_id"])): one for answer, one in zip(opened, ids, strict=True)}
    bank.ask(
        [
            PlanSavings(reference="plan", customer_id=one, savings_id=savings, round_up_minor=100)
            for savings, one in bank.savings.items()
            if chance.random() < 0.4
        ]
    )


def _live(bank: _Bank, day: date, chance: Random) -> None:
    requests: list[Any] = []
    for savings, customer in bank.savings.items():
        reference = f"{day}"
        what = chance.random()
        if what < 0.05:
            late = day - DAY * chance.choice((0, 0, 0, 1, 4, 40))
            amount = chance.choice((-1, 1)) * chance.randrange(1, 150_000)
            requests.append(
                MoveSavings(
                    reference=reference,
                    customer_id=customer,
                    savings_id=savings,
                    amount_minor=amount,
                    effective_on=max(late, BEGINS),
                )
            )
        elif what < 0.12:
            requests.append(Buy(reference=reference, customer_id=customer, amount_minor=chance.randrange(100, 9_000)))
        elif what < 0.1204:
            requests.append(CloseSavings(reference=reference, customer_id=customer, savings_id=savings))
    if day.day == 10 and day.month % 2:
        product = PRODUCTS[day.month // 2 % 4]["name"]
        tiers = ((0, chance.randrange(50, 500)), (500_000, chance.randrange(50, 600)))
        requests.append(
            SetRates(reference=str(day), product=product, effective_on=day + DAY * 5, tiers=tiers, overdraft_bps=1_700)
        )
    bank.ask(requests)


def _sum_up(banks: Sequence[_Bank]) -> Year:
    sums: Counter[str] = Counter()
    findings: list[str] = []
    yields: list[Decimal] = []
    for bank in banks:
        with bank.processor.engine.connect() as connection:
            accounts = _every(connection)
            for proof in (*LEDGER_PROOFS, *WALLET_PROOFS):
                findings += [f"{bank.book.name}: {proof.name}: {one}" for one in proof.find(connection)]
            for account in accounts:
                sums["accounts"] += 1
                sums["closed"] += account.closed_on is not None
                sums["posted"] += account.paid_minor
                sums["withheld"] += account.withheld_minor
                sums["charged"] += account.charged_minor
                if account.closed_on is None and account.earned_micro > MICRO:
                    made = statement(connection, account, date(2028, 12, 1), date(2028, 12, 31))
                    yields += [] if made.yield_earned is None else [made.yield_earned]
            reports = [line for year in (2027, 2028, 2029) for line in tax_report(connection, year)]
            sums["reported"] += sum(line.interest_minor for line in reports)
        sums["nights"] += bank.nights
    if sums["reported"] != sums["posted"]:
        findings.append(f"the tax reports say {sums['reported']}, the accounts were paid {sums['posted']}")
    return Year(
        customers=sum(len(bank.savings) for bank in banks),
        accounts=sums["accounts"],
        closed=sums["closed"],
        nights=sums["nights"],
        posted_minor=sums["posted"],
        withheld_minor=sums["withheld"],
        charged_minor=sums["charged"],
        reported_minor=sums["reported"],
        yields=tuple(sorted(yields)),
        findings=tuple(findings),
    )


def _every(connection: Connection) -> list[SavingsAccount]:
    every: list[SavingsAccount] = []
    while page := read_page(connection, every[-1].id if every else None, 1_000):
        every += page
    return every


def _accounts(book: Book) -> Stage:
    return Stage(
        name="accounts",
        keys=ACCOUNT_KEYS,
        load=partial(accounts_store.load, book),
        decide=partial(accounts_rules.decide, book),
        nouns=(accounts_store.customer_rows,),
    )


def _till(book: Book) -> Stage:
    def load(connection: Connection, prepared: Sequence[Buy], state: State) -> set[UUID]:
        wanted = sorted({one.customer_id for one in prepared})
        found = accounts_store.customer_rows.lock(connection, wanted)
        for customer in found:
            state.put(customer)
        return {*(one.account_id for one in found), *(book.account(NETWORK_PAYABLE, one.asset) for one in found)}

    def decide(state: State, request: Buy, now: datetime) -> Decision:
        customer = state.need(Customer, request.customer_id)
        posting = Posting(
            debit=customer.account_id,
            credit=book.account(NETWORK_PAYABLE, customer.asset),
            amount_minor=request.amount_minor,
            kind="purchase",
            effective_on=book.business_date(now),
            subject_id=book.id("item", str(customer.id), request.reference, on=book.business_date(now)),
        )
        opened = book.opening(state, (NETWORK_PAYABLE,), customer.asset)
        tried = State((*state.all(type(opened[0].subject)), *(one.subject for one in opened))) if opened else state
        if rules.check(tried, (posting,)) is not PostingOutcome.OK:
            return Decision(answer=Answer("refused", ("insufficient_funds",)))
        return Decision(events=opened, postings=(posting,), answer=Answer("bought"))

    keys: dict[type, KeyRule] = {Buy: KeyRule("buy", ("customer_id", "reference"), ("amount_minor",))}
    return Stage(name="till", keys=keys, load=load, decide=decide)
