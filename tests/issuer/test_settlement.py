"""Report against items, statement against report: what agrees is booked, what does not is booked as it moved and
kept as a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from engine.ledger import rules
from engine.ledger.book import Book
from engine.ledger.chart import NETWORK_PAYABLE, ROUNDING, SETTLEMENT_BANK
from engine.ledger.model import Account
from engine.runtime.fold import evolve
from engine.vocabulary.decision import Answer, State
from engine.vocabulary.settlement import BankStatement, SettlementReport, StatementLine
from issuer.clearing.model import (
    BreakKind,
    CheckSettled,
    ComparedCheck,
    ComparedReport,
    OwnTotals,
    Settlement,
    SettlementBreak,
)
from issuer.clearing.settlement import decide

NOW = datetime(2026, 3, 4, 7, 0, tzinfo=UTC)
DAY = date(2026, 3, 3)
BOOK = Book("bank", "UTC")
OWN = OwnTotals(
    business_date=DAY,
    asset="USD",
    purchases_minor=-10_000,
    credits_minor=1_000,
    interchange_minor=120,
    rounding_minor=2,
)
REPORT = SettlementReport(
    report_id="900000-2026-03-03-100001-USD",
    business_date=DAY,
    network_id="900000",
    member_id="100001",
    asset="USD",
    purchases_count=3,
    purchases_minor=-10_000,
    credits_count=1,
    credits_minor=1_000,
    interchange_exact="119.700000",
    interchange_booked_minor=120,
    network_fee_exact="0.000000",
    network_fee_booked_minor=0,
    rounding_minor=2,
    net_position_minor=-8_880,
)
MOVED = StatementLine(reference=REPORT.report_id, kind="settlement", amount_minor=-8_880, counterpart="900000")
STATEMENT = BankStatement(
    statement_id="900001-100001-USD-00001",
    number=1,
    business_date=date(2026, 3, 4),
    bank_id="900001",
    depositor_id="100001",
    asset="USD",
    opening_minor=0,
    closing_minor=91_120,
    lines=(StatementLine(reference="100001", kind="opening", amount_minor=100_000, counterpart=""), MOVED),
)


class Books:
    """The bank's own accounts, and the decisions folded in."""

    def __init__(self) -> None:
        self.state = State()
        self.requests = 0

    def take(self, request: ComparedReport | BankStatement | ComparedCheck) -> Answer:
        decision = decide(BOOK, self.state, request, NOW)
        evolve(self.state, decision)
        self.requests += 1
        rules.post(self.state, BOOK.id("request", self.requests, on=DAY), decision.postings, NOW)
        assert decision.answer is not None
        return decision.answer

    def report(self, report: SettlementReport = REPORT, own: OwnTotals = OWN) -> Answer:
        return self.take(ComparedReport(request=report, own=own))

    def check(self, on: date = DAY) -> Answer:
        return self.take(ComparedCheck(request=CheckSettled(clearing_date=DAY, asset="USD", business_date=on), own=OWN))

    def balances(self) -> tuple[int, int, int]:
        """Network payable, settlement bank, rounding."""
        accounts = (
            self.state.get(Account, BOOK.account(code, "USD")) for code in (NETWORK_PAYABLE, SETTLEMENT_BANK, ROUNDING)
        )
        payable, bank, rounding = (0 if account is None else account.balance_minor for account in accounts)
        return payable, bank, rounding

    def breaks(self) -> list[tuple[BreakKind, int, int]]:
        return [(one.kind, one.expected_minor, one.found_minor) for one in self.state.all(SettlementBreak)]


def lines(*given: StatementLine) -> BankStatement:
    return replace(STATEMENT, lines=tuple(given))


def test_the_report_books_the_rounding_leg_and_the_statement_what_moved() -> None:
    books = Books()
    assert books.report() == Answer("reported")
    # A gain of 2 by rounding the sum once: we owe the network that much less.
    assert books.balances() == (-2, 0, -2)
    assert books.take(STATEMENT) == Answer("booked")
    assert books.balances() == (-2 - 8_880, -8_880, -2)
    assert books.breaks() == []
    (settlement,) = books.state.all(Settlement)
    assert (settlement.reported_minor, settlement.own_minor, settlement.moved_minor) == (-8_880, -8_880, -8_880)
    assert books.check() == Answer("settled")


def test_a_loss_by_rounding_is_turned_round_and_a_position_in_our_favour_comes_in() -> None:
    books = Books()
    own = replace(OWN, purchases_minor=-1_000, credits_minor=5_000, rounding_minor=-3)
    report = replace(REPORT, purchases_minor=-1_000, credits_minor=5_000, rounding_minor=-3, net_position_minor=4_120)
    assert books.report(report, own).code == "reported"
    assert books.take(lines(replace(MOVED, amount_minor=4_120))).code == "booked"
    assert books.balances() == (3 + 4_120, 4_120, 3)
    assert books.breaks() == []


def test_a_report_that_differs_from_our_items_is_kept_line_by_line_and_our_own_rounding_is_booked() -> None:
    books = Books()
    answer = books.report(replace(REPORT, purchases_minor=-10_500, net_position_minor=-9_380, rounding_minor=7))
    assert answer == Answer("break", ("report_differs_from_items",))
    assert books.breaks() == [
        (BreakKind.REPORT_DIFFERS_FROM_ITEMS, -10_000, -10_500),
        (BreakKind.REPORT_DIFFERS_FROM_ITEMS, 2, 7),
        (BreakKind.REPORT_DIFFERS_FROM_ITEMS, -8_880, -9_380),
    ]
    assert books.balances() == (-2, 0, -2)


def test_a_second_report_for_the_same_date_books_nothing() -> None:
    books = Books()
    books.report()
    assert books.report(replace(REPORT, report_id="another", net_position_minor=-1)).code == "break"
    assert books.breaks() == [(BreakKind.REPORTED_TWICE, -8_880, -1)]
    assert books.balances() == (-2, 0, -2)


Movements = Sequence[StatementLine]


@pytest.mark.parametrize(
    ("movements", "booked", "found"),
    [
        ([replace(MOVED, amount_minor=-8_000)], -8_000, (BreakKind.MOVEMENT_DIFFERS_FROM_REPORT, -8_880, -8_000)),
        ([MOVED, MOVED], -17_760, (BreakKind.MOVED_TWICE, 0, -8_880)),
        ([MOVED, replace(MOVED, reference="unheard of")], -17_760, (BreakKind.MOVEMENT_WITHOUT_REPORT, 0, -8_880)),
        ([MOVED, replace(MOVED, kind="payout")], -8_880, (BreakKind.MOVEMENT_NOT_UNDERSTOOD, 0, -8_880)),
    ],
    ids=lambda value: value[0].value if isinstance(value, tuple) else None,
)
def test_what_moved_is_booked_as_it_moved_and_what_disagrees_is_kept(
    movements: Movements, booked: int, found: tuple[BreakKind, int, int]
) -> None:
    books = Books()
    books.report()
    assert books.take(lines(*movements)).code == "break"
    assert books.balances()[1] == booked
    assert books.breaks() == [found]


def test_report_and_statement_come_in_either_order() -> None:
    books = Books()
    assert books.take(STATEMENT).reasons == ("movement_without_report",)
    assert books.balances() == (-8_880, -8_880, 0)
    assert books.report() == Answer("reported")
    (settlement,) = books.state.all(Settlement)
    assert (settlement.reported_minor, settlement.moved_minor) == (-8_880, -8_880)
    assert books.balances() == (-2 - 8_880, -8_880, -2)
    assert books.check() == Answer("settled")


def test_a_movement_before_its_report_and_of_another_amount_is_found_when_the_report_comes() -> None:
    books = Books()
    books.take(lines(replace(MOVED, amount_minor=-8_000)))
    assert books.report().reasons == ("movement_differs_from_report",)
    assert (BreakKind.MOVEMENT_DIFFERS_FROM_REPORT, -8_880, -8_000) in books.breaks()


def test_two_movements_before_their_report_are_both_taken_up_by_it() -> None:
    books = Books()
    assert books.take(lines(MOVED, MOVED)).reasons == ("moved_twice", "movement_without_report")
    books.report()
    (settlement,) = books.state.all(Settlement)
    assert settlement.moved_minor == -17_760


def test_a_settlement_moved_again_by_a_later_statement_is_found() -> None:
    books = Books()
    books.report()
    books.take(STATEMENT)
    second = replace(STATEMENT, statement_id="2", number=2, opening_minor=91_120, closing_minor=82_240, lines=(MOVED,))
    assert books.take(second).reasons == ("moved_twice",)


@pytest.mark.parametrize(("number", "opening", "follows"), [(2, 91_120, True), (2, 91_119, False), (3, 91_120, False)])
def test_statements_follow_each_other(number: int, opening: int, follows: bool) -> None:
    books = Books()
    books.report()
    books.take(STATEMENT)
    answer = books.take(replace(STATEMENT, statement_id="next", number=number, opening_minor=opening, lines=()))
    assert answer.reasons == (() if follows else ("statements_do_not_follow",))


def test_what_was_not_reported_or_not_moved_in_time_is_found_once() -> None:
    books = Books()
    assert books.check() == Answer("open", ("report_missing",))
    books.report()
    assert books.check(date(2026, 3, 4)).reasons == ("movement_missing",)
    assert books.check(date(2026, 3, 5)).reasons == ("movement_missing",)
    assert books.breaks() == [
        (BreakKind.REPORT_MISSING, OWN.net_minor, 0),
        (BreakKind.MOVEMENT_MISSING, -8_880, 0),
    ]


def test_a_position_of_nothing_needs_no_movement() -> None:
    books = Books()
    nothing = replace(OWN, purchases_minor=0, credits_minor=0, interchange_minor=0, rounding_minor=0)
    zero = replace(
        REPORT,
        purchases_minor=0,
        credits_minor=0,
        interchange_booked_minor=0,
        rounding_minor=0,
        net_position_minor=0,
    )
    assert books.report(zero, nothing) == Answer("reported")
    assert books.check() == Answer("settled")
