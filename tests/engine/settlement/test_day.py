"""One day of an acquirer, from captured payments to paid merchants, over real files; what may go wrong on the way;
and the proofs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.authorization.model import PaymentState
from engine.database.connections import Database
from engine.ledger import chart
from engine.vocabulary.clearing import ClearingRecord
from engine.vocabulary.files import FileTotals, Outgoing
from engine.vocabulary.messages import OfflineSaleAdvice, Presentment
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from tests.engine.acquiring import SHOP, approval, completion_of, purchase, reversal_of
from tests.engine.settlement.day import BANK, CREDIT_CARD, DAY, NETWORK, Day, line


@pytest.fixture
def day(database: Database, tmp_path: Path) -> Day:
    return Day(database, tmp_path)


@pytest.fixture(scope="module")
def finished(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over, one payment, everything proven."""
    day = Day(database, tmp_path_factory.mktemp("finished"))
    day.take(10_000)
    items = day.through_clearing()
    report = day.report(items)
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    return day


def test_a_sale_made_offline_is_presented_once_without_a_reference_of_the_network(day: Day) -> None:
    sale = purchase(acquirer_id=day.member_id, amount=Money(2_500, "USD"))
    told = OfflineSaleAdvice(sale=sale, approval_code="Y10042")
    answers = day.acquirer.processor.execute([told, replace(told, is_repeat=True)])
    assert [answer.code for answer in answers if answer is not None] == ["00", "00"]
    assert day.acquirer.network.sent == []
    day.until(22)
    (item,) = day.presentments()
    assert (item.amount, item.network_reference, item.approval_code) == (Money(2_500, "USD"), None, "Y10042")


def test_the_days_money_ends_where_the_design_says(day: Day) -> None:
    day.take(10_000)
    day.acquirer.processor.execute([replace(SHOP, merchant_id="BISTRO", mcc="5812", terminal_ids=("T7",))])
    (present,) = [day.until(22)]
    assert [(run.job, run.counts) for run in present] == [("clearing", {"present": 1, "send": 1})]
    assert day.balances() == {
        chart.NETWORK_RECEIVABLE: 10_000,
        chart.MERCHANT_PAYABLE: 9_790,
        chart.DISCOUNT_INCOME: 210,
    }
    (item,) = day.confirm(day.presentments())
    day.until(23)
    assert day.balances()[chart.NETWORK_RECEIVABLE] == 9_870
    assert (day.balances()[chart.INTERCHANGE_EXPENSE], day.balances()[chart.NETWORK_FEE_EXPENSE]) == (120, 10)
    report = day.report([item])
    assert report.net_position_minor == 9_870
    day.state(line(report.report_id, 9_870))
    runs = day.until(7, day=3)
    assert runs[-1].counts == {"confirm": 0, "reject": 0, "refusals": 0, "again": 0, "reports": 1, "statements": 1}
    assert runs[-1].business_date == DAY
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    day.until(8, day=3)
    (payout,) = day.instructions().lines
    assert (payout.deposit_reference, payout.amount_minor) == ("SHOP-DEPOSIT", 9_790)
    assert day.balances() == {
        chart.SETTLEMENT_BANK: 80,
        chart.DISCOUNT_INCOME: 210,
        chart.INTERCHANGE_EXPENSE: 120,
        chart.NETWORK_FEE_EXPENSE: 10,
    }
    assert day.findings() == []
    sent = {(message.to, message.body.kind) for message in day.acquirer.network.delivered}
    assert sent == {(NETWORK, "clearing"), (BANK, "payouts")}
    assert all(isinstance(message.body, Outgoing) for message in day.acquirer.network.delivered)


def test_refunds_tips_reversals_and_pre_authorizations_clear_for_what_they_came_to(day: Day) -> None:
    day.acquirer.processor.execute([replace(SHOP, merchant_id="BISTRO", mcc="5812", terminal_ids=("T7",))])
    at_bistro = {"merchant_id": "BISTRO", "terminal_id": "T7", "pan": CREDIT_CARD}
    plain, gone = day.take(4_000), day.take(5_000)
    less = day.take(6_000)
    tipped = day.take(1_999, **at_bistro)
    held, forgotten = day.take(9_000, pos_condition_code="06"), day.take(100, pos_condition_code="06")
    day.take(1_500, processing_code="200000")
    execute = day.acquirer.processor.execute
    execute([reversal_of(gone), replace(reversal_of(less), replacement_amount=Money(2_500, "USD"))])
    execute([completion_of(tipped, 2_350), completion_of(held, 8_765)])
    items = day.through_clearing()
    assert sorted((item.processing_code[:2], item.amount.amount_minor) for item in items) == [
        ("00", 2_350),
        ("00", 2_500),
        ("00", 4_000),
        ("00", 8_765),
        ("20", 1_500),
    ]
    assert all(len(item.pos_entry_mode) == 12 and item.approval_code == "123456" for item in items)
    assert {item.pan for item in items} == {plain.pan, CREDIT_CARD}
    kept = day.acquirer.payment(forgotten)
    assert kept is not None
    assert kept.state is PaymentState.APPROVED
    report = day.report(items)
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    assert day.findings() == []
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    assert chart.MERCHANT_PAYABLE not in day.balances()
    paid = {each.amount_minor for each in day.instructions().lines}
    assert paid == {2_350 - 57, 4_000 - 90 + 2_500 - 60 + 8_765 - 185 - 1_500}


def test_the_rounding_leg_is_booked_so_that_nothing_stays_in_the_receivable(day: Day) -> None:
    for amount_minor in (133, 150, 233, 350, 433, 550, 633, 750, 833, 950):
        day.take(amount_minor, pan=CREDIT_CARD)
    items = day.through_clearing()
    report = day.report(items)
    assert report.rounding_minor != 0
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    assert day.balances()[chart.ROUNDING] == -report.rounding_minor
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    assert day.findings() == []


def test_a_merchant_that_refunded_more_than_it_sold_is_not_paid_until_it_has_sold_more(day: Day) -> None:
    day.take(1_000)
    day.take(5_000, processing_code="200000")
    day.through_clearing()
    day.until(9, day=3)
    assert not (day.files.folder("out") / f"payouts-{DAY}-{day.member_id}-USD.txt").exists()
    assert day.balances()[chart.MERCHANT_PAYABLE] == 970 - 5_000
    request = purchase(
        acquirer_id=day.member_id, amount=Money(9_000, "USD"), transmitted_at=datetime(2026, 3, 3, 10, tzinfo=UTC)
    )
    day.acquirer.processor.execute([request, approval(request)])
    day.until(9, day=4)
    assert chart.MERCHANT_PAYABLE not in day.balances()
    assert [found for found in day.findings() if "payout" in found.partition(":")[0]] == []


def test_a_day_without_payments_sends_nothing(day: Day) -> None:
    day.until(9, day=3)
    assert day.acquirer.network.delivered == []
    assert day.findings() == []


def test_an_item_that_the_network_left_out_is_a_break_that_stays_in_the_receivable(day: Day) -> None:
    day.take(10_000)
    day.take(700)
    items = day.through_clearing()
    kept = [item for item in items if item.amount.amount_minor == 10_000]
    report = day.report(kept)
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    assert "report_purchases_count" in day.reasons()
    assert "report_net_position_minor" in day.reasons()
    assert day.balances()[chart.NETWORK_RECEIVABLE] > 0
    assert {found.partition(":")[0] for found in day.findings()} == {"reports and statements agree with the books"}


def test_a_file_that_the_network_takes_in_a_day_late_settles_with_that_day(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    nothing = day.report([])
    day.until(9, day=3)
    assert [found.partition(":")[0] for found in day.findings()] == ["the network has answered each item"]
    items = day.confirm(day.presentments(), on=date(2026, 3, 3))
    report = day.report(items, report_id="R-late", business_date=date(2026, 3, 3))
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=4)
    assert nothing.net_position_minor == 0
    assert (day.reasons(), day.findings()) == ([], [])
    assert chart.NETWORK_RECEIVABLE not in day.balances()


def test_an_item_that_the_network_rejects_is_booked_back_and_not_paid(day: Day) -> None:
    day.take(10_000)
    day.take(1_000, processing_code="200000")
    day.take(500)
    day.until(22)
    bad = [item for item in day.presentments() if item.amount.amount_minor != 500]
    day.reject(bad)
    kept = day.confirm(item for item in day.presentments() if item.amount.amount_minor == 500)
    day.until(23)
    assert (day.balances()[chart.MERCHANT_PAYABLE], day.balances()[chart.DISCOUNT_INCOME]) == (480, 20)
    report = day.report(kept)
    day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    assert [each.amount_minor for each in day.instructions().lines] == [480]
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    assert day.findings() == []


def test_an_item_rejected_after_its_merchant_was_paid_stays_in_the_receivable_and_is_named(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    day.until(9, day=3)
    day.reject(day.presentments())
    day.until(9, day=4)
    assert day.balances()[chart.NETWORK_RECEIVABLE] == 10_000
    (found,) = day.findings()
    assert found.endswith("the network does not take it, the merchant has been paid")


def test_an_item_that_the_network_does_not_take_is_not_owed_again_when_its_payout_comes_back(day: Day) -> None:
    day.take(10_000)
    day.take(700)
    day.until(22)
    items = day.presentments()
    kept = day.confirm(item for item in items if item.amount.amount_minor == 700)
    day.until(9, day=3)
    (payout,) = day.instructions().lines
    day.reject(item for item in items if item.amount.amount_minor == 10_000)
    report = day.report(kept)
    day.state(
        line(report.report_id, report.net_position_minor),
        line(payout.payout_id, -payout.amount_minor, "payout"),
        line(payout.payout_id, payout.amount_minor, "payout returned"),
    )
    day.until(7, day=4)
    assert (day.balances()[chart.MERCHANT_PAYABLE], day.balances()[chart.DISCOUNT_INCOME]) == (676, 24)
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    assert day.findings() == []


def test_a_movement_that_was_not_reported_so_is_booked_and_kept_as_a_break(day: Day) -> None:
    day.take(10_000)
    items = day.through_clearing()
    report = day.report(items)
    day.state(line(report.report_id, 9_000), line("gift", 5, "present"), line("not a payout", -5, "payout"))
    day.until(7, day=3)
    assert set(day.reasons()) == {"statement_line_unknown", "payout_unknown", "settlement_amount"}
    assert day.balances()[chart.NETWORK_RECEIVABLE] == 870
    assert day.balances()[chart.SETTLEMENT_BANK] == 9_000


def test_a_statement_may_come_before_its_report_and_files_a_day_late(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    items = day.presentments()
    day.state(line(f"R-{DAY}-{day.member_id}", 9_870))
    day.until(9, day=3)
    assert day.balances()[chart.NETWORK_RECEIVABLE] == 130
    day.confirm(items)
    day.report(items)
    day.until(9, day=4)
    assert chart.NETWORK_RECEIVABLE not in day.balances()
    assert day.findings() == []


def test_files_again_and_jobs_again_change_nothing(day: Day) -> None:
    day.take(10_000)
    items = day.through_clearing()
    report = day.report(items)
    statement = day.state(line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    before = day.balances()
    day.confirm(items)
    day.report(items)
    SettlementFiles().write(day.files.folder("in") / statement.file_name, statement)
    with day.acquirer.processor.engine.begin() as connection:
        connection.execute(text("update job_runs set steps_done = 0, finished_at = null"))
    day.scheduler().run_due(day.acquirer.clock.now())
    assert day.balances() == before
    assert day.findings() == []


class Failing(ClearingFiles):
    """A file system that fails in the middle of a file."""

    def write(self, path: Path, totals: FileTotals, records: Iterable[ClearingRecord]) -> None:
        path.write_bytes(b"half a file")
        raise OSError("no space left on device")


def test_a_crash_between_booking_and_file_is_resumed_with_one_whole_file(day: Day) -> None:
    day.take(10_000)
    at = datetime(2026, 3, 2, 22, tzinfo=UTC)
    with pytest.raises(OSError, match="no space"):
        day.scheduler(Failing()).run_due(at)
    assert day.files.folder("out").joinpath(f"clearing-{DAY}-{day.member_id}.ipm").exists() is False
    day.take(20_000)
    (run,) = day.until(22)
    assert run.counts == {"present": 1, "send": 1}
    assert [item.amount.amount_minor for item in day.presentments()] == [10_000]
    assert len(day.acquirer.network.delivered) == 1
    day.until(22, day=3)
    kinds = [message.body.name for message in day.acquirer.network.delivered if message.body.kind == "clearing"]
    assert kinds == [f"clearing-{DAY}-{day.member_id}.ipm", f"clearing-2026-03-03-{day.member_id}.ipm"]
    assert day.balances()[chart.NETWORK_RECEIVABLE] == 30_000


def test_a_payout_that_comes_back_is_owed_again_and_paid_the_next_day(day: Day) -> None:
    day.take(10_000)
    items = day.through_clearing()
    report = day.report(items)
    day.state(line("opening", 500, "opening"), line(report.report_id, report.net_position_minor))
    day.until(9, day=3)
    (payout,) = day.instructions().lines
    day.state(line(payout.payout_id, -9_790, "payout"), line(payout.payout_id, 9_790, "payout returned"))
    day.until(7, day=4)
    assert day.balances()[chart.MERCHANT_PAYABLE] == 9_790
    assert day.balances()[chart.EQUITY] == 500
    assert day.findings() == []
    day.until(9, day=4)
    assert chart.MERCHANT_PAYABLE not in day.balances()
    assert day.findings() == []


def test_a_missing_statement_and_a_payout_of_another_amount_are_breaks(day: Day) -> None:
    day.take(10_000)
    day.through_clearing()
    day.until(9, day=3)
    (payout,) = day.instructions().lines
    day.statements = 1
    day.state(line(payout.payout_id, -9_000, "payout"))
    day.until(7, day=4)
    assert set(day.reasons()) == {"statement_before_missing", "payout_amount"}


def test_what_the_bank_never_moved_or_the_network_never_reported_is_named_once_later_days_are(day: Day) -> None:
    day.take(10_000)
    items = day.through_clearing()
    day.report(items)
    day.until(9, day=3)
    assert day.findings() == [], "the day after, everything may still be on its way"
    tomorrow = date(2026, 3, 3)
    day.state(line("R-later", 5), business_date=tomorrow)
    day.until(9, day=4)
    overdue = [found for found in day.findings() if found.startswith("each day is reported")]
    assert len(overdue) == 2
    assert f"net position R-{DAY}-{day.member_id} of 9870 is on no statement" in overdue[0]
    assert "of 9790 is on no statement" in overdue[1]


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        (
            "update acquirer_settlements set business_date = business_date + 1",
            "1 confirmed items are not reported (USD), although later days are",
        ),
        ("update clearing_items set amount_minor = amount_minor + 1", "presents 10001, its payment captured 10000"),
        ("update payments set state = 'captured'", "which is captured"),
        ("delete from clearing_items", "no clearing item is of it"),
        ("update payouts set amount_minor = 1", "1 items of 9790 name it"),
        ("delete from payouts", "is not there"),
        ("update clearing_items set payout_id = null", "0 items of 0 name it"),
        ("update clearing_items set discount_minor = 0", "discount income"),
        ("update acquirer_settlements set received_minor = 0", "presented less fees and settled comes to 9870"),
        ("update acquirer_statements set closing_minor = 0", "settlement bank in USD"),
        ("delete from merchants", "belongs to no merchant"),
        (
            "insert into entries select chain, sequence, position + 100, request_id, line + 100, debit, credit,"
            " amount_minor, kind, subject_id, effective_on, forced, corrects, debit_number + 100,"
            " credit_number + 100, debit_after, credit_after, debit_held_after, credit_held_after, occurred_at"
            " from entries where kind = 'purchase'",
            "was posted 2 times, in all 20000",
        ),
    ],
)
def test_what_is_planted_in_the_rows_is_named(finished: Day, planted: str, named: str) -> None:
    assert finished.findings() == []
    assert [found for found in finished.findings(planted) if named in found]


def test_a_confirmed_file_from_a_stranger_is_refused_whole(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    (item,) = day.presentments()
    totals, _ = ClearingFiles().read(day.files.folder("out") / f"clearing-{DAY}-{day.member_id}.ipm", Presentment)
    stranger = replace(totals, file_id="x", kind="confirmed", sender_id="999999", recipient_id=day.member_id)
    ClearingFiles().write(
        day.files.folder("in") / "confirmed-x.ipm",
        stranger,
        [replace(item, interchange="1.000000", network_fee="1.000000")],
    )
    day.until(23)
    assert [path.name for path in day.files.folder("refused").iterdir()] == ["confirmed-x.ipm"]
    assert chart.INTERCHANGE_EXPENSE not in day.balances()


def test_a_payment_reversed_before_the_cut_off_is_not_presented_and_after_it_cannot_be_reversed(day: Day) -> None:
    before, after = day.take(1_000), day.take(2_000)
    day.acquirer.processor.execute([reversal_of(before)])
    day.until(22)
    (answer,) = day.acquirer.processor.execute([reversal_of(after)])
    assert answer is not None
    assert (answer.code, answer.reasons) == ("12", ("already_presented",))
    assert [item.amount.amount_minor for item in day.presentments()] == [2_000]
    assert day.acquirer.clock.now() - datetime(2026, 3, 2, 22, tzinfo=UTC) == timedelta(0)


def test_a_file_that_the_network_refuses_is_written_again_once(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    name = f"clearing-{DAY}-{day.member_id}.ipm"
    day.refuse(name)
    day.until(23)
    again = f"clearing-{DAY}-again-{day.member_id}.ipm"
    totals, items = ClearingFiles().read(day.files.folder("out") / again, Presentment)
    assert list(items) == day.presentments(), "the same items, the same reference numbers"
    assert totals.file_id != ClearingFiles().read(day.files.folder("out") / name, Presentment)[0].file_id
    assert day.states() == {name: "replaced", again: "sent"}
    day.refuse(again)
    day.until(7, day=3)
    assert day.states() == {name: "replaced", again: "refused"}, "what is refused twice waits for a person"
    assert day.findings() == []


def test_a_refusal_of_a_file_that_was_never_sent_changes_nothing(day: Day) -> None:
    day.take(10_000)
    day.until(22)
    day.refuse("clearing-2026-01-01-999999.ipm")
    day.until(23)
    assert day.states() == {f"clearing-{DAY}-{day.member_id}.ipm": "sent"}
