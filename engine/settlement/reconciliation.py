"""Reconciliation: authorization, clearing, interchange, settlement, bank statement and payout side by side. Pure.

Each source is what it says of itself; no source is believed more than another. Where two disagree there is a `Break`,
with its kind, its age, who has to act, and a posting that would put the books right. Nothing is posted here.

| Between | Matched by | How many |
| --- | --- | --- |
| authorization, presentment | the network's reference | several presentments make one authorization's amount |
| file, file | the references and amounts in it | |
| presentment, confirmed item | acquirer reference number | one and one |
| confirmed items, the network's report | clearing date and asset | many and one |
| report or payout, statement | the reference that both name | several lines make one amount |
| payouts, statement | the instruction that they were in | one line pays many |

Hard cases: a file that comes twice under other identities and other reference numbers (told once, as the file, and its
items are not counted), a source that is not due yet (no break before its days are over), an amount that is out by no
more than the tolerance, an item that is wrong in two ways (two breaks).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from engine.clearing.interchange import network_fee, price
from engine.ledger.chart import (
    INTERCHANGE_EXPENSE,
    MERCHANT_PAYABLE,
    NETWORK_FEE_EXPENSE,
    NETWORK_RECEIVABLE,
    SETTLEMENT_BANK,
    UNPLACED_ITEMS,
)
from engine.settlement.sources import (
    PAYOUT_RETURNED_LINE,
    Adjustment,
    Authorized,
    Break,
    BreakKind,
    Confirmed,
    PaidOut,
    Presented,
    Sources,
    Stated,
    Tolerance,
)
from engine.vocabulary.messages import REFUND, Presentment
from engine.vocabulary.money import round_half_even
from engine.vocabulary.settlement import SettlementReport


def reconcile(sources: Sources, today: date, tolerance: Tolerance | None = None) -> list[Break]:
    """Every disagreement, in the order of the stages and then of time."""
    rules = tolerance or Tolerance()
    doubled = list(_doubled_files(sources.presented))
    left_out = {one.reference for one in doubled}
    presented = [one for one in sources.presented if one.file_id not in left_out]
    found: list[Break] = []
    for breaks in (
        doubled,
        _captures(sources.authorized, presented, today, rules),
        _items(sources, presented, rules),
        _positions(sources.confirmed, sources.reports, rules),
        _statement(sources, today, rules),
    ):
        found += sorted(breaks, key=lambda one: (one.since, one.kind, one.reference))
    return found


def _doubled_files(presented: Iterable[Presented]) -> Iterator[Break]:
    """Files whose items an earlier one has, by reference and amount, whatever they call themselves."""
    files: dict[str, list[Presentment]] = defaultdict(list)
    for one in presented:
        files[one.file_id].append(one.item)
    known: set[frozenset[tuple[tuple[str | None, str, int], int]]] = set()
    for file_id, items in sorted(files.items(), key=lambda pair: (pair[1][0].business_date, pair[0])):
        content = frozenset(
            Counter((item.network_reference, item.processing_code, item.amount.amount_minor) for item in items).items()
        )
        if content in known:
            total = sum(item.amount.amount_minor for item in items)
            yield Break(
                kind=BreakKind.DOUBLED_FILE,
                reference=file_id,
                asset=items[0].amount.asset,
                expected_minor=0,
                found_minor=total,
                since=items[0].business_date,
            )
        known.add(content)


def _captures(
    authorized: Iterable[Authorized], presented: Iterable[Presented], today: date, rules: Tolerance
) -> Iterator[Break]:
    """Authorizations and what was presented for each: none, less, more; and what was presented for none."""
    items: dict[str | None, list[Presentment]] = defaultdict(list)
    for one in presented:
        items[one.item.network_reference].append(one.item)
    for capture in authorized:
        own = items.pop(capture.reference, [])
        total = sum(item.amount.amount_minor for item in own)
        if not own:
            if (today - capture.captured_on).days > rules.capture_days:
                kind, since = BreakKind.MISSING_PRESENTMENT, capture.captured_on
            else:
                continue
        elif abs(total - capture.captured_minor) > rules.amount_minor:
            kind, since = BreakKind.AMOUNT_DRIFT, own[-1].business_date
        else:
            continue
        yield Break(
            kind=kind,
            reference=capture.reference,
            asset=capture.asset,
            expected_minor=capture.captured_minor,
            found_minor=total,
            since=since,
        )
    for orphans in items.values():
        for item in orphans:
            yield Break(
                kind=BreakKind.UNKNOWN_AUTHORIZATION,
                reference=item.arn,
                asset=item.amount.asset,
                expected_minor=0,
                found_minor=item.amount.amount_minor,
                since=item.business_date,
                proposed=_adjust(
                    MERCHANT_PAYABLE, NETWORK_RECEIVABLE, item.amount.amount_minor, item.amount.asset, "taken back"
                ),
            )


def _items(sources: Sources, presented: Iterable[Presented], rules: Tolerance) -> Iterator[Break]:
    """Presentments and what the network made of each: when, for whom, how much, at what cost."""
    confirmed = {one.item.arn: one for one in sources.confirmed}
    issuers = {one.reference: one.issuer_id for one in sources.authorized}
    for one in presented:
        item = one.item
        amount_minor, asset = item.amount.amount_minor, item.amount.asset
        days = (item.business_date - item.transacted_at.date()).days
        if days > rules.late_days:
            yield Break(
                kind=BreakKind.LATE,
                reference=item.arn,
                asset=asset,
                expected_minor=amount_minor,
                found_minor=amount_minor,
                since=item.business_date,
            )
        taken = confirmed.get(item.arn)
        if taken is None:
            continue
        told, since = taken.item, taken.item.business_date
        if abs(told.amount.amount_minor - amount_minor) > rules.amount_minor:
            difference = told.amount.amount_minor - amount_minor
            yield Break(
                kind=BreakKind.AMOUNT_DRIFT,
                reference=item.arn,
                asset=asset,
                expected_minor=amount_minor,
                found_minor=told.amount.amount_minor,
                since=since,
                proposed=_adjust(NETWORK_RECEIVABLE, UNPLACED_ITEMS, difference, asset, "cleared for another amount"),
            )
        issuer_id = issuers.get(item.network_reference or "")
        if None not in (issuer_id, taken.issuer_id) and taken.issuer_id != issuer_id:
            yield Break(
                kind=BreakKind.MISROUTED,
                reference=item.arn,
                asset=asset,
                expected_minor=amount_minor,
                found_minor=amount_minor,
                since=since,
            )
        for kind, expected, found, code in (
            (BreakKind.WRONG_RATE, price(told, since).interchange, told.interchange, INTERCHANGE_EXPENSE),
            (BreakKind.WRONG_FEE, network_fee(told), told.network_fee, NETWORK_FEE_EXPENSE),
        ):
            if found is not None and Decimal(found) != expected:
                right, wrong = round_half_even(expected), round_half_even(Decimal(found))
                yield Break(
                    kind=kind,
                    reference=item.arn,
                    asset=asset,
                    expected_minor=right,
                    found_minor=wrong,
                    since=since,
                    proposed=_adjust(NETWORK_RECEIVABLE, code, wrong - right, asset, "charged otherwise than agreed"),
                )


def _positions(
    confirmed: Iterable[Confirmed], reports: Iterable[SettlementReport], rules: Tolerance
) -> Iterator[Break]:
    """The network's report and the items that it is about: one net amount, interchange and fee each rounded once."""
    sums: dict[tuple[date, str], _Position] = defaultdict(_Position)
    for one in confirmed:
        sums[one.item.business_date, one.item.amount.asset].add(one.item)
    for report in reports:
        net = sums[report.business_date, report.asset].net_minor
        if abs(net - report.net_position_minor) > rules.amount_minor:
            yield Break(
                kind=BreakKind.POSITION_DRIFT,
                reference=report.report_id,
                asset=report.asset,
                expected_minor=net,
                found_minor=report.net_position_minor,
                since=report.business_date,
            )


@dataclass(slots=True)
class _Position:
    """What items come to, from the acquirer's side."""

    gross_minor: int = 0
    costs: list[Decimal] = field(default_factory=lambda: [Decimal(0), Decimal(0)])

    def add(self, item: Presentment) -> None:
        amount = item.amount.amount_minor
        self.gross_minor += -amount if item.processing_code[:2] == REFUND else amount
        for at, cost in enumerate((item.interchange, item.network_fee)):
            self.costs[at] -= Decimal(cost or 0)

    @property
    def net_minor(self) -> int:
        return self.gross_minor + sum(map(round_half_even, self.costs))


def _statement(sources: Sources, today: date, rules: Tolerance) -> Iterator[Break]:
    """What should have moved and what did: one line, several for one, one for several, none, and lines for nothing."""
    lines: dict[str, list[Stated]] = defaultdict(list)
    for line in sources.statement:
        if line.kind == PAYOUT_RETURNED_LINE:
            yield Break(
                kind=BreakKind.PAYOUT_RETURNED,
                reference=line.reference,
                asset=line.asset,
                expected_minor=0,
                found_minor=line.amount_minor,
                since=line.on,
                proposed=_adjust(SETTLEMENT_BANK, MERCHANT_PAYABLE, line.amount_minor, line.asset, "owed again"),
            )
        else:
            lines[line.reference].append(line)
    due = [(one.report_id, one.net_position_minor, one.asset, one.business_date) for one in sources.reports]
    together: dict[str, list[PaidOut]] = defaultdict(list)
    for payout in sources.payouts:
        together[payout.instruction_id].append(payout)
    for instruction_id, payouts in together.items():
        total = -sum(one.amount_minor for one in payouts)
        if sum(line.amount_minor for line in lines.get(instruction_id, ())) == total and instruction_id in lines:
            due.append((instruction_id, total, payouts[0].asset, payouts[0].on))
        else:
            due += [(one.payout_id, -one.amount_minor, one.asset, one.on) for one in payouts]
    for reference, expected, asset, on in due:
        own = lines.pop(reference, [])
        found = sum(line.amount_minor for line in own)
        if not own:
            if expected == 0 or (today - on).days <= rules.statement_days:
                continue
            kind, since = BreakKind.STATEMENT_LINE_MISSING, on
        elif abs(found - expected) > rules.amount_minor:
            kind, since = BreakKind.AMOUNT_DRIFT, own[-1].on
        elif len(own) > 1:
            kind, since = BreakKind.STATEMENT_LINE_SPLIT, own[-1].on
        else:
            continue
        yield Break(
            kind=kind, reference=reference, asset=asset, expected_minor=expected, found_minor=found, since=since
        )
    for extra in (line for left in lines.values() for line in left):
        yield Break(
            kind=BreakKind.STATEMENT_LINE_EXTRA,
            reference=extra.reference,
            asset=extra.asset,
            expected_minor=0,
            found_minor=extra.amount_minor,
            since=extra.on,
            proposed=_adjust(SETTLEMENT_BANK, UNPLACED_ITEMS, extra.amount_minor, extra.asset, "moved for nothing"),
        )


def _adjust(debit_code: int, credit_code: int, amount_minor: int, asset: str, why: str) -> Adjustment | None:
    """The posting of a signed amount: negative turns it round, nothing is nothing."""
    if amount_minor == 0:
        return None
    if amount_minor < 0:
        debit_code, credit_code = credit_code, debit_code
    return Adjustment(
        debit_code=debit_code, credit_code=credit_code, amount_minor=abs(amount_minor), asset=asset, why=why
    )
