"""The issuer through its door, on a real database: messages, verdicts of the HSM, doubled and crossed messages,
files and jobs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.accounts.model import ChangeCustomerState, CustomerState
from engine.database.connections import Database
from engine.ledger.chart import INTERCHANGE_INCOME, NETWORK_PAYABLE, ROUNDING, SETTLEMENT_BANK
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import Presentment
from engine.vocabulary.settlement import BankStatement, SettlementReport, StatementLine
from issuer.bank import issuer_stages
from issuer.cards.model import CardState, ChangeCardState, StateReason
from tests.issuer.conftest import OpenBank
from tests.issuer.world import Bank
from tests.world import processor_of


def test_a_stripe_a_pin_and_a_printed_value_are_verified_at_the_hsm(bank: Bank) -> None:
    ada = bank.open("ada")
    good = {
        "track2": bank.stripe(ada),
        "pin_block": bank.pin_block(ada),
        "cvv2": Secret(bank.cvv2(ada)),
    }
    assert bank.told(bank.request(ada, 1_000, **good)).code == "00"
    copy = bank.stripe(ada, service_code="999")
    chip = bank.request(ada, 1_000, track2=copy, pos_entry_mode="051", icc_data=bank.icc_data(ada, 1, 1_000))
    assert bank.told(chip).code == "00", "a chip's copy has the iCVV"
    copied = bank.request(ada, 1_000, track2=copy)
    assert bank.told(copied).reasons == ("cvv_wrong",), "and makes no stripe"
    cvv2 = f"{(int(bank.cvv2(ada)) + 1) % 1000:03d}"
    assert bank.told(bank.request(ada, 1_000, cvv2=Secret(cvv2))).reasons == ("cvv2_wrong",)
    assert bank.told(bank.request(ada, 1_000, track2=Secret("4000010000000019=2812"))).reasons == ("cvv_wrong",)
    assert bank.told(bank.request(ada, 1_000, pin_block=bank.pin_block(ada, "4712"))).reasons == ("pin_wrong",)
    for unreadable in (bank.pin_block(ada, key=bytes(range(16))), Secret("00"), Secret("no hexadecimal!!")):
        assert bank.told(bank.request(ada, 1_000, pin_block=unreadable)).reasons == ("pin_unreadable",)
    assert bank.balances(ada) == (8_000, 2_000)
    with bank.connection() as connection:
        assert connection.execute(text("select pin_tries_left from cards")).scalar_one() == 2
    assert bank.findings() == []


def test_a_card_that_is_issued_and_used_within_one_batch(bank: Bank) -> None:
    ada = bank.open("ada")
    first, second = bank.request(ada, 6_000), bank.request(ada, 6_000)
    approved, declined = bank.processor.execute([first, second])
    assert approved is not None and approved.code == "00"
    assert declined is not None and (declined.code, declined.reasons) == ("51", ("funds",))
    block = ChangeCardState(card_id=ada.card_id, new_state=CardState.BLOCKED, reason=StateReason.FRAUD_SUSPECTED)
    freeze = ChangeCustomerState(customer_id=ada.customer_id, new_state=CustomerState.FROZEN, reference="1")
    answers = bank.processor.execute([block, freeze, bank.request(ada, 1)])
    assert answers[-1] is not None and answers[-1].reasons == ("card_blocked", "customer_not_active")


def test_a_repeat_is_answered_as_its_original_and_changes_nothing(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000, pin_block=bank.pin_block(ada))
    original = bank.told(request)
    events = bank.count("events")
    # A repeat may be encrypted anew: the PIN block is no part of its fingerprint.
    assert bank.told(replace(request, is_repeat=True, pin_block=bank.pin_block(ada, "9999"))) == original
    assert bank.told(replace(request, amount=bank.request(ada, 1).amount)).code == "key_reused"
    reversal = bank.reversal(request)
    first = bank.told(reversal)
    assert bank.told(replace(reversal, is_repeat=True)) == first
    assert bank.count("events") == events + 1
    assert bank.balances(ada) == (10_000, 0)


def test_a_reversal_overtakes_its_request_in_one_batch_and_across_batches(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    reversed_, declined = bank.processor.execute([bank.reversal(request), request])
    assert reversed_ is not None and reversed_.code == "00"
    assert declined is not None and declined.reasons == ("already_reversed",)
    late = bank.request(ada, 3_000)
    assert bank.told(bank.reversal(late)).code == "00"
    assert bank.told(late).reasons == ("already_reversed",)
    assert bank.balances(ada) == (10_000, 0)
    assert bank.findings() == []


def test_two_processes_take_the_same_messages_once(bank: Bank, database: Database) -> None:
    ada = bank.open("ada")
    second = processor_of(database, bank.institution, issuer_stages(bank.institution), bank.clock)
    request = bank.request(ada, 3_000)
    here, there = bank.told(request), second.execute([request])[0]
    assert here == there
    partial = bank.reversal(request, new_total=1_000)
    assert second.execute([partial])[0] == bank.told(partial)
    assert bank.balances(ada) == (9_000, 1_000)
    assert bank.findings() == []


def test_a_day_of_holds_clearing_and_settlement(bank: Bank) -> None:
    ada, grace = bank.open("ada"), bank.open("grace", sequence=2)
    shop = bank.request(ada, 3_000)
    fuel = bank.request(ada, 5_000, mcc="5542")
    hotel = bank.request(grace, 4_000, mcc="7011", pos_condition_code="06")
    for request in (shop, fuel, hotel):
        assert bank.told(request).code == "00"

    assert bank.run_at(21)["hold-expiry"].counts == {"release": 1}
    assert bank.balances(ada) == (7_000, 3_000)

    items = [
        bank.presentment(1, shop, interchange="36.500000"),
        bank.presentment(2, fuel, 4_200, interchange="12.250001"),
        bank.presentment(3, hotel, 4_400, interchange="50.400000"),
        bank.presentment(4, shop, 500, processing_code="200000", interchange="-6.400000"),
    ]
    path = bank.receive(items)
    day = bank.today()
    assert bank.run_at(23)["clearing"].counts == {"post": 4}
    assert not path.exists() and (bank.files.folder("done") / path.name).exists()
    assert bank.balances(ada) == (10_000 - 3_000 - 4_200 + 500, 0)
    assert bank.balances(grace) == (5_600, 0)
    booked = 36 + 12 + 50 - 6
    assert bank.own(NETWORK_PAYABLE) == 11_600 - 500 - booked
    assert bank.own(INTERCHANGE_INCOME) == booked
    assert bank.findings() == []

    # 36.5 + 12.250001 + 50.4 - 6.4 = 92.750001, rounded once to 93: a gain of 1.
    report = SettlementReport(
        report_id="R1",
        business_date=day,
        network_id="900000",
        member_id=bank.institution.member_id,
        asset="USD",
        purchases_count=3,
        purchases_minor=-11_600,
        credits_count=1,
        credits_minor=500,
        interchange_exact="92.750001",
        interchange_booked_minor=93,
        network_fee_exact="0.000000",
        network_fee_booked_minor=0,
        rounding_minor=1,
        net_position_minor=-11_007,
    )
    statement = BankStatement(
        statement_id="B1",
        number=1,
        business_date=day + timedelta(days=1),
        bank_id="900001",
        depositor_id=bank.institution.member_id,
        asset="USD",
        opening_minor=20_000,
        closing_minor=8_993,
        lines=(StatementLine(reference="R1", kind="settlement", amount_minor=-11_007, counterpart="900000"),),
    )
    incoming = bank.files.folder("in")
    bank.settlement.write(incoming / report.file_name, report)
    bank.settlement.write(incoming / statement.file_name, statement)
    settlement = bank.run_at(7, days=1)["settlement"]
    assert settlement.business_date == day
    assert settlement.counts == {"post": 0, "reports": 1, "statements": 1, "check": 0}
    assert bank.own(NETWORK_PAYABLE) == 0
    assert bank.own(ROUNDING) == -1
    assert bank.own(SETTLEMENT_BANK) == 20_000 - 11_007
    close = bank.run_at(9, 30)["day-close"]
    assert close.business_date == day and close.counts["anchor"] >= 1
    assert bank.findings() == []


def test_a_clearing_file_that_misses_its_evening_is_posted_before_the_report_is_compared(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    day = bank.today()
    assert bank.run_at(23)["clearing"].counts == {"post": 0}
    bank.receive([bank.presentment(1, request, interchange="36.500000")])
    report = SettlementReport(
        report_id="R1",
        business_date=day,
        network_id="900000",
        member_id=bank.institution.member_id,
        asset="USD",
        purchases_count=1,
        purchases_minor=-3_000,
        credits_count=0,
        credits_minor=0,
        interchange_exact="36.500000",
        interchange_booked_minor=36,
        network_fee_exact="0.000000",
        network_fee_booked_minor=0,
        rounding_minor=0,
        net_position_minor=-2_964,
    )
    statement = BankStatement(
        statement_id="B1",
        number=1,
        business_date=day,
        bank_id="900001",
        depositor_id=bank.institution.member_id,
        asset="USD",
        opening_minor=10_000,
        closing_minor=7_036,
        lines=(StatementLine(reference="R1", kind="settlement", amount_minor=-2_964, counterpart="900000"),),
    )
    for document in (report, statement):
        bank.settlement.write(bank.files.folder("in") / document.file_name, document)
    settlement = bank.run_at(7, days=1)["settlement"]
    assert settlement.counts == {"post": 1, "reports": 1, "statements": 1, "check": 0}
    assert bank.balances(ada) == (7_000, 0)
    assert bank.own(NETWORK_PAYABLE) == 0
    assert bank.findings() == []


def test_a_statement_that_comes_a_day_before_its_report_leaves_nothing_open(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    day = bank.today()
    bank.receive([bank.presentment(1, request, interchange="36.500000")])
    bank.run_at(23)
    incoming = bank.files.folder("in")
    statement = BankStatement(
        statement_id="B1",
        number=1,
        business_date=day + timedelta(days=1),
        bank_id="900001",
        depositor_id=bank.institution.member_id,
        asset="USD",
        opening_minor=10_000,
        closing_minor=7_036,
        lines=(StatementLine(reference="R1", kind="settlement", amount_minor=-2_964, counterpart="900000"),),
    )
    bank.settlement.write(incoming / statement.file_name, statement)
    bank.run_at(7, days=1)
    assert [finding.partition(":")[0] for finding in bank.findings()] == ["report missing", "movement without report"]

    report = SettlementReport(
        report_id="R1",
        business_date=day,
        network_id="900000",
        member_id=bank.institution.member_id,
        asset="USD",
        purchases_count=1,
        purchases_minor=-3_000,
        credits_count=0,
        credits_minor=0,
        interchange_exact="36.500000",
        interchange_booked_minor=36,
        network_fee_exact="0.000000",
        network_fee_booked_minor=0,
        rounding_minor=0,
        net_position_minor=-2_964,
    )
    bank.settlement.write(incoming / report.file_name, report)
    assert bank.run_at(7, days=1)["settlement"].counts["check"] == 0
    assert bank.own(NETWORK_PAYABLE) == 0
    assert bank.findings() == []


def test_a_file_again_changes_nothing_and_the_same_arn_with_another_amount_is_refused(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    first = bank.receive([bank.presentment(1, request)], "F1")
    first.with_name("clearing-F1-again").write_bytes(first.read_bytes())
    bank.receive([bank.presentment(1, request, 9_900)], "F2")
    other = bank.receive([bank.presentment(2, request)], "F1", "clearing-F3")
    assert bank.run_at(23)["clearing"].counts == {"post": 2}
    assert bank.count("presented_items") == 1
    assert bank.balances(ada) == (7_000, 0)
    assert bank.findings() == []
    assert _refused(bank) == ["file identity: F1 was used before for another file"]
    assert (bank.files.folder("refused") / other.name).exists()


def _refused(bank: Bank) -> list[str]:
    with bank.connection() as connection:
        return list(connection.execute(text("select reason from files where state = 'refused'")).scalars())


def test_a_file_that_does_not_add_up_is_refused_whole_and_a_second_time_too(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    good = bank.receive([bank.presentment(1, request), bank.presentment(2, request, 100)])
    content = good.read_bytes()
    for day in (0, 1):
        good.write_bytes(content[: len(content) // 2])
        assert bank.run_at(23, days=day)["clearing"].counts == {"post": 0}
        assert (bank.files.folder("refused") / good.name).exists()
    assert len(_refused(bank)) == 1
    assert bank.balances(ada) == (7_000, 3_000)
    assert str(request.pan.clear) not in _refused(bank)[0]
    good.write_bytes(content)
    assert bank.run_at(7, days=1)["settlement"].counts["post"] == 2, "whole, it is taken under the same name"


def test_another_members_file_is_refused(bank: Bank, open_bank: OpenBank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    other = open_bank("UTC")
    path = other.receive([bank.presentment(1, request)])
    path.rename(bank.files.folder("in") / path.name)
    bank.run_at(23)
    assert _refused(bank) == ["recipient: is another member"]


def test_files_of_strangers_are_refused_whole(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    path = bank.receive([bank.presentment(1, request)])
    totals, items = bank.clearing.read(path, Presentment)
    bank.clearing.write(path, replace(totals, sender_id="100002"), list(items))
    statement = BankStatement(
        statement_id="B1",
        number=1,
        business_date=bank.today(),
        bank_id="100002",
        depositor_id=bank.institution.member_id,
        asset="USD",
        opening_minor=10_000,
        closing_minor=9_000,
        lines=(StatementLine(reference="R1", kind="settlement", amount_minor=-1_000, counterpart="900000"),),
    )
    bank.settlement.write(bank.files.folder("in") / statement.file_name, statement)
    bank.run_at(7, days=1)
    assert sorted(_refused(bank)) == ["sender: is not member 900000", "sender: is not member 900001"]
    assert bank.balances(ada) == (7_000, 3_000)
    assert bank.own(SETTLEMENT_BANK) == 10_000


def test_a_crash_while_a_file_is_taken_in_is_finished_by_the_next_run(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    path = bank.receive([bank.presentment(number, request, 1_000, is_final=number == 3) for number in (1, 2, 3)])
    move = type(bank.files).move

    def crash(files: object, path: Path, which: str) -> Path:
        raise ConnectionAbortedError("the process has died")

    monkeypatch.setattr(type(bank.files), "move", crash)
    with pytest.raises(ConnectionAbortedError):
        bank.run_at(23)
    assert path.exists()
    events = bank.count("events")
    monkeypatch.setattr(type(bank.files), "move", move)
    (run,) = bank.scheduler.run_due(bank.clock.now())
    assert run.job == "clearing" and not path.exists()
    assert bank.count("events") == events
    assert bank.balances(ada) == (7_000, 0)
    assert bank.findings() == []


def test_business_date_and_clock_differ_around_midnight(open_bank: OpenBank) -> None:
    bank = open_bank("America/New_York")
    ada = bank.open("ada")
    bank.clock.move(timedelta(hours=22))  # 04:00 UTC on the next day: 23:00 in New York
    request = bank.request(ada, 3_000)
    assert bank.told(request).code == "00"
    with bank.connection() as connection:
        (authorized_on,) = connection.execute(text("select authorized_on from authorizations")).one()
    assert authorized_on == date(2026, 3, 2)
    runs = bank.scheduler.run_due(bank.clock.now())
    assert ("clearing", date(2026, 3, 2)) in {(run.job, run.business_date) for run in runs}


def test_what_the_network_does_not_settle_is_found_by_the_job_and_the_audit(bank: Bank) -> None:
    ada = bank.open("ada")
    request = bank.request(ada, 3_000)
    bank.told(request)
    bank.receive([bank.presentment(1, request)])
    bank.run_at(23)
    assert bank.run_at(7, days=1)["settlement"].counts == {"post": 0, "reports": 0, "statements": 0, "check": 1}
    (finding,) = bank.findings()
    assert finding.startswith("report missing: 2026-03-02/USD")
    bank.run_at(7, days=1)
    assert bank.count("settlement_breaks") == 1


def test_no_card_number_pin_or_track_is_found_in_any_table(bank: Bank) -> None:
    ada = bank.open("ada")
    track, block = bank.stripe(ada), bank.pin_block(ada)
    request = bank.request(ada, 3_000, track2=track, pin_block=block, cvv2=Secret(bank.cvv2(ada)))
    bank.told(request)
    bank.receive([bank.presentment(1, request)])
    bank.run_at(23)
    with bank.connection() as connection:
        tables = connection.execute(
            text("select table_name from information_schema.tables where table_schema = :schema"),
            {"schema": bank.institution.schema_name},
        ).scalars()
        everything = "\n".join(
            str(row)
            for table in tables
            for row in connection.execute(text(f'select t::text from "{table}" t')).scalars()
        )
    assert str(ada.card_id) in everything
    for secret in (ada.pan.clear, block.clear, track.clear):
        assert not re.search(re.escape(secret), everything, re.IGNORECASE)


PLANTED = {
    "orphan hold: account": "update accounts set balance_minor = balance_minor + 1 where code = 2101",
    "orphan hold: authorization": "update authorizations set state = 'expired' where held_left_minor > 0",
    "orphan hold: entry": "delete from authorizations where held_left_minor > 0",
    "says it holds": "update authorizations set held_left_minor = 1 where held_left_minor > 0",
    "doubled presentment: ARN": (
        "alter table presented_items drop constraint presented_items_arn_key;"
        " insert into presented_items select gen_random_uuid(), arn, network_reference, authorization_id, card_id,"
        " account_id, placed, is_refund, amount_minor, asset, released_minor, interchange, interchange_minor, mcc,"
        " merchant_name, transacted_at, business_date from presented_items"
    ),
    "was posted 2 times": (
        "insert into entries select chain, sequence, 99, request_id, 99, debit, credit, amount_minor, kind, subject_id,"
        " effective_on, forced, corrects, debit_number + 900, credit_number + 900, debit_after, credit_after,"
        " debit_held_after, credit_held_after, occurred_at from entries where kind = 'purchase'"
    ),
    "was posted 0 times": "delete from entries where kind = 'purchase'",
    "belongs to no presented item": "delete from presented_items",
    "network payable in USD": "update presented_items set amount_minor = amount_minor - 1",
}


@pytest.mark.parametrize("finding", PLANTED)
def test_the_audit_names_what_was_planted(bank: Bank, database: Database, finding: str) -> None:
    ada = bank.open("ada")
    cleared, held = bank.request(ada, 3_000), bank.request(ada, 2_000)
    bank.processor.execute([cleared, held])
    bank.receive([bank.presentment(1, cleared)])
    bank.run_at(23)
    assert bank.findings() == []
    with database.owner().begin() as connection:
        connection.execute(text(f"set local search_path to {bank.institution.schema_name}"))
        for statement in PLANTED[finding].split(";"):
            connection.execute(text(statement))
    assert any(finding in found for found in bank.findings()), bank.findings()


def test_a_presentment_without_a_reference_is_matched_by_its_approval_code(bank: Bank) -> None:
    """Card, direction and approval code; of several the one of its amount, then the latest. Else it has none."""
    ada, bob = bank.open("ada"), bank.open("bob", sequence=2)
    small, large = bank.request(ada, 3_000), bank.request(ada, 5_000)
    assert [bank.told(request).code for request in (small, large)] == ["00"] * 2
    with bank.connection() as connection:
        rows = connection.execute(text("select approval_code from authorizations order by requested_minor"))
        codes = rows.scalars().all()
    lost = {"network_reference": None}
    bank.receive(
        [
            bank.presentment(1, small, approval_code=codes[0], **lost),
            bank.presentment(2, large, 4_000, approval_code=codes[1], network_reference="NOBODYS"),
            bank.presentment(3, small, 700, approval_code="ZZZZZZ", **lost),
            bank.presentment(4, small, 100, approval_code=codes[0], pan=bob.pan, **lost),
            bank.presentment(5, small, 200, approval_code=codes[0], processing_code="200000", **lost),
        ]
    )
    bank.run_at(23)
    with bank.connection() as connection:
        found = connection.execute(
            text(
                "select i.amount_minor, i.matched_by, i.released_minor, a.network_reference from presented_items i"
                " left join authorizations a on a.id = i.authorization_id order by i.arn"
            )
        ).all()
    assert [tuple(row) for row in found] == [
        (3_000, "approval_code", 3_000, small.network_reference),
        (4_000, "approval_code", 5_000, large.network_reference),
        (700, None, 0, None),
        (100, None, 0, None),
        (200, None, 0, None),
    ]
    assert bank.findings() == []
