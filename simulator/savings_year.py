"""A year of savings: two banks in two time zones, 200 customers who pay in, draw out, buy by card and close, while
rates change and a 29 February comes; some nights are slept through and made up for, some movements are learnt of late.

All six institutions take part with all their jobs, on the sequencer's clock. Purchases are sales that chip and terminal
made alone: the acquirer is told, and from there they go through clearing files to the issuers' books, where round-ups
find them, and through settlement and payouts. So no wire is needed for a year. At the end the sum that was posted is
compared with the definition's, account by account, and the whole installation is audited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from api.members import OUR_ACQUIRER
from api.system import MEMBERS, Seat, System
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
from engine.vocabulary.decision import Answer
from engine.vocabulary.messages import AuthorizationRequest, OfflineSaleAdvice
from engine.vocabulary.money import Money
from issuer.cards.numbers import card_number
from simulator.chance import Chance
from simulator.opening import done, open_books
from simulator.population import ACCOUNT_RANGES, ASSET, CardPlan, CardState, Kind, Person, Population, Shop, populate
from simulator.proofs import prove_books
from simulator.time import Activity, Sequencer, VirtualClock

BANKS: Final = ("bank", "northbank")
"""In UTC and in New York."""
BEGINS, ENDS = date(2027, 12, 30), date(2028, 12, 31)
"""Over two turns of a year and a 29 February."""
PRODUCTS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "daily", "compounding": Frequency.DAILY, "withholding_bps": 1_000},
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
_WALLET_MINOR: Final = 20_000_000
"""What everybody begins with: nobody's wallet is ever too empty for a round-up."""
_UNIT_MINOR: Final = 100
"""What purchases are rounded up to, by those who round up."""
_FIRST_CARD: Final = 10_000
_EXPIRY: Final = "3112"
_NIGHT_AWAY: Final = 0.125
"""How often a bank's computers stand still from one noon to the next."""
_AFTER_ALL: Final = DAY * 3
"""Until the last day's purchases are settled."""
_BOUGHT = text(
    "select s.id, coalesce(sum(-e.amount_minor % s.round_up_minor + s.round_up_minor) filter"
    " (where e.amount_minor % s.round_up_minor > 0), 0)::bigint as missing"
    " from savings_accounts s join customers c on c.id = s.customer_id"
    " left join entries e on e.debit = c.account_id and e.kind = 'purchase'"
    " where s.round_up_minor > 0 group by s.id"
)
"""What everybody's purchases lacked to whole units, by savings account, for those who round up."""
_PUT_BY = text("select subject_id, sum(amount_minor)::bigint as minor from entries where kind = 'round-up' group by 1")


@dataclass(frozen=True, slots=True)
class Year:
    """What a year came to, over both banks; amounts in minor units."""

    customers: int
    accounts: int
    closed: int
    nights: int
    purchases: int
    rounded_up_minor: int
    posted_minor: int
    withheld_minor: int
    charged_minor: int
    reported_minor: int
    yields: tuple[Decimal, ...]
    proofs: int
    findings: tuple[str, ...]


@dataclass(slots=True)
class _Bank:
    """A bank, its customers (by savings account) and their cards."""

    seat: Seat
    savings: dict[UUID, UUID] = field(default_factory=dict)
    cards: dict[UUID, CardPlan] = field(default_factory=dict)
    away: bool = False

    def ask(self, requests: Sequence[Any]) -> list[Answer]:
        """Answers, each given at once and each one that life gives."""
        answers = [answer for answer in self.seat.processor.execute(requests) if answer is not None]
        for answer in answers:
            assert answer.code != "refused" or answer.reasons[0] in _REFUSALS_OF_LIFE, answer
        return answers

    def noon(self, day: date) -> datetime:
        """Twelve o'clock there."""
        zone = ZoneInfo(self.seat.institution.time_zone)
        return datetime.combine(day, time(12), zone).astimezone(UTC)


class _World:
    """The institutions, seated on the sequencer's clock; no wires."""

    def __init__(self, system: System, customers: int, seed: int) -> None:
        self._system = system
        self._chance = Random(seed)
        activity = Activity()
        begins_at = datetime.combine(BEGINS, time(), UTC)
        self.sequencer = Sequencer(VirtualClock(begins_at, activity), activity)
        system.set_up(MEMBERS, begins_at)
        self.seats = {
            member.name: system.seat(
                system.institution(member.name),
                clock=self.sequencer.clock,
                since=begins_at,
                hand_over=self.sequencer.hand_over(member.name),
                activity=activity,
            )
            for member in MEMBERS
        }
        self.banks = [_Bank(self.seats[name]) for name in BANKS]
        self._population = _population(Chance(seed), customers // len(BANKS))
        self._shops = [shop for shop in self._population.shops if shop.kind is Kind.STORE]
        self._sold = 0

    def open(self) -> None:
        """Everybody's books, then what is offered and saved."""
        ids = open_books(self.seats, self._population, self.sequencer.clock.now())
        for name, seat in self.seats.items():
            self.sequencer.join(name, seat.processor, seat.scheduler)
        for bank in self.banks:
            name = bank.seat.institution.name
            people = {ids[name][person.handle]: person for person in self._population.of(name)}
            bank.cards = {customer: person.cards[0] for customer, person in people.items()}
            self._open_savings(bank)

    def _open_savings(self, bank: _Bank) -> None:
        chance = self._chance
        offers = [
            OpenProduct(**({"reference": one["name"], "effective_on": date(2000, 1, 1), "tiers": ((0, 365),)} | one))
            for one in PRODUCTS
        ]
        done(bank.ask(offers), "opened")
        opened = bank.ask(
            [
                OpenSavings(
                    reference="1",
                    customer_id=one,
                    product=PRODUCTS[number % len(PRODUCTS)]["name"],
                    opening_minor=chance.randrange(0, 2_000_000),
                )
                for number, one in enumerate(bank.cards)
            ]
        )
        saved = [UUID(str(answer.facts["savings_id"])) for answer in done(opened, "opened")]
        bank.savings = dict(zip(saved, bank.cards, strict=True))
        plans = [
            PlanSavings(
                reference="plan",
                customer_id=one,
                savings_id=savings,
                goal_name="Boat",
                goal_minor=900_000,
                round_up_minor=_UNIT_MINOR,
            )
            for savings, one in bank.savings.items()
            if chance.random() < 0.4
        ]
        done(bank.ask(plans), "planned")

    async def play_day(self, day: date) -> None:
        """Up to each bank's noon, and what its customers do then. A bank that was away has come back by then."""
        for bank in self.banks:
            name, seat = bank.seat.institution.name, bank.seat
            await self.sequencer.run(bank.noon(day))
            if bank.away:
                self.sequencer.join(name, seat.processor, seat.scheduler)
                await self.sequencer.run(bank.noon(day))
            await self.sequencer.do(lambda bank=bank: self._live(bank, day))  # type: ignore[misc]
            bank.away = day < ENDS and self._chance.random() < _NIGHT_AWAY
            if bank.away:
                self.sequencer.leave(name)

    def _live(self, bank: _Bank, day: date) -> None:
        chance = self._chance
        requests: list[Any] = []
        sales: list[OfflineSaleAdvice] = []
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
                sales.append(self._sale(bank.cards[customer], chance.choice(self._shops)))
            elif what < 0.1204:
                requests.append(CloseSavings(reference=reference, customer_id=customer, savings_id=savings))
        if day.day == 10 and day.month % 2:
            product = PRODUCTS[day.month // 2 % 4]["name"]
            tiers = ((0, chance.randrange(50, 500)), (500_000, chance.randrange(50, 600)))
            requests.append(
                SetRates(
                    reference=str(day), product=product, effective_on=day + DAY * 5, tiers=tiers, overdraft_bps=1_700
                )
            )
        bank.ask(requests)
        done(self.seats[OUR_ACQUIRER].processor.execute(sales), "00")

    def _sale(self, card: CardPlan, shop: Shop) -> OfflineSaleAdvice:
        self._sold += 1
        sale = AuthorizationRequest(
            acquirer_id=self.seats[OUR_ACQUIRER].institution.member_id,
            terminal_id=shop.terminals[0],
            merchant_id=shop.merchant_id,
            merchant_name=shop.name_and_location,
            mcc=shop.mcc,
            stan=f"{self._sold:06d}",
            transmitted_at=self.sequencer.clock.now(),
            rrn=f"{self._sold:012d}",
            pan=card.pan,
            expiry=card.expiry,
            processing_code="000000",
            amount=Money(self._chance.randrange(100, 9_000), ASSET),
            pos_entry_mode="051",
            pos_condition_code="00",
        )
        return OfflineSaleAdvice(sale=sale, approval_code=f"Y{self._sold % 100_000:05d}")

    def sum_up(self) -> Year:
        """What the books say, and what contradicts them."""
        sums: Counter[str] = Counter()
        proofs = prove_books(self._system, self.seats)
        findings = [f"{proof.name}: {finding}" for proof in proofs for finding in proof.findings]
        yields: list[Decimal] = []
        for bank in self.banks:
            with bank.seat.processor.engine.connect() as connection:
                findings += [f"{bank.seat.institution.name}: {one}" for one in _count(connection, sums, yields)]
            sums["nights"] += len(bank.seat.scheduler.history(100_000))
        if sums["reported"] != sums["posted"]:
            findings.append(f"the tax reports say {sums['reported']}, the accounts were paid {sums['posted']}")
        return Year(
            customers=sum(len(bank.savings) for bank in self.banks),
            accounts=sums["accounts"],
            closed=sums["closed"],
            nights=sums["nights"],
            purchases=self._sold,
            rounded_up_minor=sums["rounded up"],
            posted_minor=sums["posted"],
            withheld_minor=sums["withheld"],
            charged_minor=sums["charged"],
            reported_minor=sums["reported"],
            yields=tuple(sorted(yields)),
            proofs=len(proofs),
            findings=tuple(findings),
        )


async def play_year(system: System, *, customers: int, seed: int, tell: Callable[[str], None]) -> Year:
    """Play the year in a system of its own; the same seed plays the same year."""
    world = _World(system, customers, seed)
    try:
        await world.sequencer.do(world.open)
        day = BEGINS
        while day < ENDS:
            day += DAY
            if day.day == 1:
                tell(f"{day:%B %Y}")
            await world.play_day(day)
        await world.sequencer.run(world.banks[-1].noon(ENDS + _AFTER_ALL))
        tell("proving the books")
        return world.sum_up()
    finally:
        world.sequencer.close()


def _population(chance: Chance, people_each: int) -> Population:
    """So many people of each bank, each with a card that is in order; the shops of every world."""
    people = [
        Person(
            bank=bank,
            handle=f"saver{number}",
            name=f"Saver {number} of {bank}",
            opening_minor=_WALLET_MINOR,
            savings_minor=None,
            cards=(
                CardPlan(
                    pan=card_number(ACCOUNT_RANGES[bank], _FIRST_CARD + number),
                    expiry=_EXPIRY,
                    state=CardState.ACTIVE,
                    pin=f"{number % 10_000:04d}",
                ),
            ),
        )
        for bank in BANKS
        for number in range(people_each)
    ]
    return Population(people=tuple(people), shops=populate(chance).shops)


def _count(connection: Connection, sums: Counter[str], yields: list[Decimal]) -> list[str]:
    """Add a bank's accounts up; what is wrong with them that no audit knows of."""
    accounts = _every(connection)
    for account in accounts:
        sums["accounts"] += 1
        sums["closed"] += account.closed_on is not None
        sums["posted"] += account.paid_minor
        sums["withheld"] += account.withheld_minor
        sums["charged"] += account.charged_minor
        if account.closed_on is None and account.earned_micro > MICRO:
            made = statement(connection, account, ENDS.replace(day=1), ENDS)
            yields += [] if made.yield_earned is None else [made.yield_earned]
    reports = [line for year in (2027, 2028, 2029) for line in tax_report(connection, year)]
    sums["reported"] += sum(line.interest_minor for line in reports)
    put_by = {row.subject_id: row.minor for row in connection.execute(_PUT_BY)}
    sums["rounded up"] += sum(put_by.values())
    return [
        f"savings account {row.id}: purchases lacked {row.missing}, round-ups put by {put_by.get(row.id, 0)}"
        for row in connection.execute(_BOUGHT)
        if row.missing != put_by.get(row.id, 0)
    ]


def _every(connection: Connection) -> list[SavingsAccount]:
    every: list[SavingsAccount] = []
    while page := read_page(connection, every[-1].id if every else None, 1_000):
        every += page
    return every
