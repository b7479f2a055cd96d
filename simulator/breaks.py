"""A week of an acquirer's sources with breaks planted in it, and how many of them reconciliation finds.

The week is made from a seed: captures in three currencies, two clearing files a day, the network's confirmations priced
by the tariff, its reports, the settlement bank's statement, payouts. Without plants no two sources disagree. Each plant
changes one source at its place, and what follows from it downstream is as it would be: a wrong fee is in the report's
sum and is moved, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from engine.clearing.interchange import network_fee, price
from engine.clearing.reference import acquirer_reference_number
from engine.settlement.reconciliation import reconcile
from engine.settlement.sources import (
    PAYOUT_RETURNED_LINE,
    Authorized,
    Break,
    BreakKind,
    Confirmed,
    PaidOut,
    Presented,
    Sources,
    Stated,
)
from engine.vocabulary.identifiers import Pan, luhn_complete
from engine.vocabulary.messages import REFUND, Presentment
from engine.vocabulary.money import Money, round_half_even
from engine.vocabulary.settlement import SettlementReport
from simulator.chance import Chance

MONDAY = date(2026, 3, 2)
DAYS = 5
TODAY = MONDAY + timedelta(days=14)
ACQUIRER, NETWORK = "200001", "900000"
ISSUERS = {"40000100": "100001", "51000200": "100002", "40000300": "100003"}
ASSETS = ("USD", "EUR", "JPY")
FILES_A_DAY = 2

PLANTED = tuple(kind for kind in BreakKind if kind is not BreakKind.POSITION_DRIFT)
"""The twelve kinds. A position that drifts follows from others."""

T = TypeVar("T")
_SEVERAL, _REFUNDS = 0.1, 0.1
"""Shares of authorizations with two presentments, and of refunds."""
_MERCHANTS = 4
_WRONG = Decimal("1.000000")

Place = tuple[BreakKind, str]
"""A kind of break, and the reference under which it must be found."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well reconciliation did."""

    planted: frozenset[Place]
    found: frozenset[Place]

    @property
    def precision(self) -> float:
        """Of what was found, how much was planted."""
        return len(self.planted & self.found) / len(self.found) if self.found else 1.0

    @property
    def recall(self) -> float:
        """Of what was planted, how much was found."""
        return len(self.planted & self.found) / len(self.planted) if self.planted else 1.0


class Week:
    """The sources while they are made, and what has been planted in them."""

    def __init__(self, seed: int, payments: int, times: int) -> None:
        """`times` breaks of each kind are planted among so many payments."""
        self._random = Chance(seed).stream("breaks")
        self._times = times
        self.planted: set[Place] = set()
        self._authorized: dict[str, Authorized] = {}
        self._presented: dict[str, list[Presented]] = {}
        for number in range(payments):
            self._pay(number)
        # Each authorization gets one plant at most, so that no two answer for each other.
        self._untouched = list(self._authorized)
        self._random.shuffle(self._untouched)
        self._amounts: dict[str, int] = {}
        self._costs: dict[str, BreakKind] = {}
        self._routes: dict[str, str] = {}

    def sources(self) -> Sources:
        """All of it, planted, in no order."""
        for _ in range(self._times):
            self._plant_in_clearing()
        copies = self._doubled()
        confirmed = [self._confirmed(one.item) for one in (*self._every(), *copies)]
        reports = list(self._reports(confirmed))
        payouts = list(self._payouts())
        statement = self._statement(reports, payouts)
        return Sources(
            authorized=self._shuffled(self._authorized.values()),
            presented=self._shuffled((*self._every(), *copies)),
            confirmed=self._shuffled(confirmed),
            reports=self._shuffled(reports),
            statement=self._shuffled(statement),
            payouts=self._shuffled(payouts),
        )

    # --- authorization and clearing ---

    def _pay(self, number: int) -> None:
        chance = self._random
        day = MONDAY + timedelta(days=number % DAYS)
        prefix = chance.choice(sorted(ISSUERS))
        reference = f"S{number:014d}"
        amount_minor = chance.randrange(200, 300_000)
        asset = chance.choice(ASSETS)
        parts = [amount_minor]
        if chance.random() < _SEVERAL:
            parts = [amount_minor // 3, amount_minor - amount_minor // 3]
        file_id = f"{ACQUIRER}-clearing-{day}-{number // DAYS % FILES_A_DAY + 1}"
        self._authorized[reference] = Authorized(
            reference=reference, asset=asset, captured_minor=amount_minor, captured_on=day, issuer_id=ISSUERS[prefix]
        )
        item = Presentment(
            arn="",
            network_reference=reference,
            acquirer_id=ACQUIRER,
            pan=Pan(luhn_complete(f"{prefix}{number:07d}")),
            processing_code="200000" if chance.random() < _REFUNDS else "000000",
            amount=Money(amount_minor, asset),
            transacted_at=datetime.combine(day - timedelta(days=chance.randrange(3)), time(12), UTC),
            authorized_on=day,
            approval_code=f"{number % 1_000_000:06d}",
            pos_entry_mode=chance.choice(("510901C99394", "M10901M99094", "600950S99090")),
            mcc=chance.choice(("5411", "5812", "7011", "5732")),
            terminal_id="TERM0001",
            merchant_id=f"M{number % _MERCHANTS}",
            merchant_name=f"{'CORNER SHOP':25}{'SPRINGFIELD':13}US",
            business_date=day,
        )
        self._presented[reference] = [
            Presented(
                file_id=file_id,
                item=replace(
                    item, arn=self._arn(day), amount=Money(part, asset), is_final=part_number == len(parts) - 1
                ),
            )
            for part_number, part in enumerate(parts)
        ]

    def _arn(self, day: date) -> str:
        return acquirer_reference_number(ACQUIRER, day, UUID(int=self._random.getrandbits(128)))

    def _plant_in_clearing(self) -> None:
        reference = self._untouched.pop()
        self.planted.add((BreakKind.MISSING_PRESENTMENT, reference))
        del self._presented[reference]
        reference = self._untouched.pop()
        self.planted |= {(BreakKind.UNKNOWN_AUTHORIZATION, one.item.arn) for one in self._presented[reference]}
        del self._authorized[reference]
        reference = self._untouched.pop()
        late = self._presented[reference][0]
        self.planted.add((BreakKind.LATE, late.item.arn))
        old = late.item.transacted_at - timedelta(days=self._random.randrange(8, 20))
        self._presented[reference][0] = replace(late, item=replace(late.item, transacted_at=old))
        for kind in (BreakKind.AMOUNT_DRIFT, BreakKind.WRONG_RATE, BreakKind.WRONG_FEE, BreakKind.MISROUTED):
            item = self._presented[self._untouched.pop()][0].item
            self.planted.add((kind, item.arn))
            if kind is BreakKind.AMOUNT_DRIFT:
                self._amounts[item.arn] = item.amount.amount_minor + self._random.choice((-1, 1, 100))
            elif kind is BreakKind.MISROUTED:
                right = ISSUERS[item.pan.clear[:8]]
                self._routes[item.arn] = self._random.choice([one for one in ISSUERS.values() if one != right])
            else:
                self._costs[item.arn] = kind

    def _doubled(self) -> list[Presented]:
        """Files that come again a day later, under another identity and with other reference numbers."""
        files: dict[str, list[Presentment]] = defaultdict(list)
        for one in self._every():
            files[one.file_id].append(one.item)
        copies = []
        for file_id in self._random.sample(sorted(files), min(self._times, len(files))):
            self.planted.add((BreakKind.DOUBLED_FILE, f"{file_id}-again"))
            for item in files[file_id]:
                day = item.business_date + timedelta(days=1)
                again = replace(item, arn=self._arn(day), business_date=day)
                copies.append(Presented(file_id=f"{file_id}-again", item=again))
        return copies

    def _every(self) -> list[Presented]:
        return [one for own in self._presented.values() for one in own]

    # --- the network ---

    def _confirmed(self, item: Presentment) -> Confirmed:
        told = replace(item, amount=Money(self._amounts.get(item.arn, item.amount.amount_minor), item.amount.asset))
        priced, fee = price(told, told.business_date), network_fee(told)
        wrong = self._costs.get(item.arn)
        cost = priced.interchange + (_WRONG if wrong is BreakKind.WRONG_RATE else 0)
        fee += _WRONG if wrong is BreakKind.WRONG_FEE else 0
        told = replace(told, interchange=f"{cost:.6f}", network_fee=f"{fee:.6f}", rate=priced.rate)
        return Confirmed(item=told, issuer_id=self._routes.get(item.arn, ISSUERS[item.pan.clear[:8]]))

    def _reports(self, confirmed: Iterable[Confirmed]) -> Iterable[SettlementReport]:
        groups: dict[tuple[date, str], list[Presentment]] = defaultdict(list)
        for one in confirmed:
            groups[one.item.business_date, one.item.amount.asset].append(one.item)
        for (day, asset), items in sorted(groups.items()):
            credits = [one for one in items if one.processing_code[:2] == REFUND]
            purchases = [one for one in items if one.processing_code[:2] != REFUND]
            bought = sum(one.amount.amount_minor for one in purchases)
            given_back = -sum(one.amount.amount_minor for one in credits)
            exact = [
                -sum((Decimal(getattr(one, name)) for one in items), Decimal(0))
                for name in ("interchange", "network_fee")
            ]
            booked = [round_half_even(one) for one in exact]
            each = sum(round_half_even(-Decimal(one.interchange or 0)) for one in items)
            each += sum(round_half_even(-Decimal(one.network_fee or 0)) for one in items)
            yield SettlementReport(
                report_id=f"{NETWORK}-settlement-{day}-{asset}",
                business_date=day,
                network_id=NETWORK,
                member_id=ACQUIRER,
                asset=asset,
                purchases_count=len(purchases),
                purchases_minor=bought,
                credits_count=len(credits),
                credits_minor=given_back,
                interchange_exact=f"{exact[0]:.6f}",
                interchange_booked_minor=booked[0],
                network_fee_exact=f"{exact[1]:.6f}",
                network_fee_booked_minor=booked[1],
                rounding_minor=sum(booked) - each,
                net_position_minor=bought + given_back + sum(booked),
            )

    # --- the settlement bank ---

    def _payouts(self) -> Iterable[PaidOut]:
        for day in (MONDAY + timedelta(days=number + 1) for number in range(DAYS)):
            for asset in ASSETS:
                for merchant in range(_MERCHANTS):
                    yield PaidOut(
                        payout_id=f"{day}-M{merchant}-{asset}",
                        instruction_id=f"{ACQUIRER}-payouts-{day}-{asset}",
                        amount_minor=self._random.randrange(10_000, 900_000),
                        asset=asset,
                        on=day,
                    )

    def _statement(self, reports: Iterable[SettlementReport], payouts: Iterable[PaidOut]) -> list[Stated]:
        """One line a report; one a payout, or one for all of an instruction; and what is planted among them."""
        lines = [
            Stated(
                reference=one.report_id,
                kind="settlement",
                amount_minor=one.net_position_minor,
                asset=one.asset,
                on=one.business_date + timedelta(days=1),
            )
            for one in reports
        ]
        together: dict[str, list[PaidOut]] = defaultdict(list)
        for payout in payouts:
            together[payout.instruction_id].append(payout)
        whole: list[Stated] = []
        single: list[PaidOut] = []
        for number, (instruction_id, own) in enumerate(sorted(together.items())):
            if number % 2:
                total = -sum(one.amount_minor for one in own)
                whole.append(
                    Stated(
                        reference=instruction_id, kind="payout", amount_minor=total, asset=own[0].asset, on=own[0].on
                    )
                )
            else:
                single += own
        lines += [
            Stated(reference=one.payout_id, kind="payout", amount_minor=-one.amount_minor, asset=one.asset, on=one.on)
            for one in single
        ]
        self._random.shuffle(lines)
        for _ in range(self._times):
            missing, split, returned = lines.pop(), lines.pop(), self._random.choice(single)
            self.planted.add((BreakKind.STATEMENT_LINE_MISSING, missing.reference))
            self.planted.add((BreakKind.STATEMENT_LINE_SPLIT, split.reference))
            part = split.amount_minor // 3
            whole += [replace(split, amount_minor=part), replace(split, amount_minor=split.amount_minor - part)]
            single.remove(returned)
            self.planted.add((BreakKind.PAYOUT_RETURNED, returned.payout_id))
            whole.append(
                Stated(
                    reference=returned.payout_id,
                    kind=PAYOUT_RETURNED_LINE,
                    amount_minor=returned.amount_minor,
                    asset=returned.asset,
                    on=returned.on + timedelta(days=1),
                )
            )
            extra = f"X{self._random.getrandbits(32):08X}"
            self.planted.add((BreakKind.STATEMENT_LINE_EXTRA, extra))
            amount_minor = self._random.choice((-1, 1)) * self._random.randrange(1, 90_000)
            whole.append(Stated(reference=extra, kind="settlement", amount_minor=amount_minor, asset="USD", on=TODAY))
        return lines + whole

    def _shuffled(self, found: Iterable[T]) -> list[T]:
        every = list(found)
        self._random.shuffle(every)
        return every


def planted_week(seed: int, payments: int = 600, times: int = 3) -> tuple[list[Break], Score]:
    """What reconciliation finds in a week with `times` breaks of each kind, and how well that is."""
    week = Week(seed, payments, times)
    found = reconcile(week.sources(), TODAY)
    return found, Score(frozenset(week.planted), frozenset((one.kind, one.reference) for one in found))
