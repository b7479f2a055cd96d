"""A clearing day at the network and the settlement bank, on a real database and with real files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.clearing.interchange import interchange, network_fee
from engine.database.connections import Database
from engine.ledger.chart import NETWORK_FEE_INCOME, ROUNDING, SETTLEMENT_BANK
from engine.vocabulary.clearing import FileReject, MessageReject
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import round_half_even
from engine.vocabulary.settlement import BankStatement, SettlementReport, StatementLine
from gateways.clearing.files import ClearingFiles
from gateways.settlement_files import SettlementFiles
from simulator.network.clearing.model import AcceptItem
from simulator.network.members.model import AdmitMember
from simulator.network.settlement.model import BookMovement
from tests.simulator.network.stand import ACQUIRER, BANK, DAY, NORTHBANK, Stand, item

AFTER_CLEARING = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
AFTER_SETTLEMENT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
NEXT_MORNING = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)

ITEMS = [
    item(1, 10_000),
    item(2, 3_333),
    item(3, 1_777, refund=True),
    item(4, 2_501, prefix="51000200"),
    item(5, 99, prefix="51000200"),
]


@pytest.fixture
def stand(database: Database, tmp_path: Path) -> Stand:
    stand = Stand(database, tmp_path)
    stand.open({BANK: 1_000_000})
    return stand


def read_one(stand: Stand, member_id: str, kind: str) -> tuple[str, list[Presentment]]:
    (path,) = stand.arrived(member_id, kind)
    totals, items = ClearingFiles().read(path, Presentment)
    assert (totals.kind, totals.recipient_id, totals.sender_id) == (kind, member_id, stand.network_id)
    return path.name, list(items)


def report(stand: Stand, member_id: str) -> SettlementReport:
    (path,) = stand.arrived(member_id, "settlement")
    return SettlementFiles().read(path, SettlementReport)


def rows(stand: Stand, statement: str) -> list[tuple[object, ...]]:
    with stand.network.processor.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def due(items: list[Presentment], prefix: str) -> tuple[int, Decimal]:
    """Gross and exact interchange that an issuer owes and gets for its items."""
    own = [one for one in items if one.pan.clear.startswith(prefix)]
    gross = sum((-1 if one.processing_code.startswith("20") else 1) * one.amount.amount_minor for one in own)
    return gross, sum(map(interchange, own), Decimal(0))


def test_a_day_of_items_becomes_files_positions_and_money(stand: Stand) -> None:
    stand.clear(ITEMS)
    stand.play_until(AFTER_CLEARING)

    name, to_bank = read_one(stand, BANK, "clearing")
    assert name == "clearing-2026-03-02-100001.ipm"
    assert [(one.arn, one.pan) for one in to_bank] == sorted((one.arn, one.pan) for one in ITEMS[:3])
    _, to_north = read_one(stand, NORTHBANK, "clearing")
    assert {one.arn for one in to_north} == {one.arn for one in ITEMS[3:]}
    _, confirmed = read_one(stand, ACQUIRER, "confirmed")
    assert {one.arn: (one.interchange, one.network_fee) for one in confirmed} == {
        one.arn: (f"{interchange(one):.6f}", f"{network_fee(one):.6f}") for one in ITEMS
    }
    assert {one.arn: one.interchange for one in confirmed} == {
        one.arn: one.interchange for one in [*to_bank, *to_north]
    }
    bank_gross, bank_interchange = due(ITEMS, "40000100")
    north_gross, north_interchange = due(ITEMS, "51000200")
    assert stand.position(BANK) == bank_gross
    assert stand.position(NORTHBANK) == north_gross
    assert stand.position(ACQUIRER) == -bank_gross - north_gross
    assert stand.findings() == []

    stand.play_until(AFTER_SETTLEMENT)
    fee = sum(map(network_fee, ITEMS), Decimal(0))
    nets = {
        BANK: -bank_gross + round_half_even(bank_interchange),
        NORTHBANK: -north_gross + round_half_even(north_interchange),
        ACQUIRER: bank_gross
        + north_gross
        + round_half_even(-bank_interchange - north_interchange)
        + round_half_even(-fee),
    }
    assert {member: report(stand, member).net_position_minor for member in nets} == nets
    assert {member: stand.position(member) for member in nets} == {member: -net for member, net in nets.items()}
    income = stand.network.own_balance(NETWORK_FEE_INCOME)
    assert income == round_half_even(fee)
    assert sum(nets.values()) + income - stand.network.own_balance(ROUNDING) == 0
    told = report(stand, BANK)
    assert (told.purchases_count, told.purchases_minor, told.credits_count, told.credits_minor) == (
        2,
        -13_333,
        1,
        1_777,
    )
    items_rounded = sum(round_half_even(interchange(one)) for one in ITEMS[:3])
    assert told.interchange_booked_minor - told.rounding_minor == items_rounded
    assert stand.findings() == []

    stand.play_until(NEXT_MORNING)
    assert {member: stand.position(member) for member in nets} == dict.fromkeys(nets, 0)
    assert stand.network.own_balance(SETTLEMENT_BANK) == -sum(nets.values())
    assert stand.deposit(BANK) == 1_000_000 + nets[BANK]
    assert stand.deposit(NORTHBANK) == nets[NORTHBANK]
    assert stand.deposit(ACQUIRER) == nets[ACQUIRER]
    assert stand.deposit(stand.network_id) == -sum(nets.values())
    (path,) = stand.arrived(BANK, "statement")
    statement = SettlementFiles().read(path, BankStatement)
    assert [(line.kind, line.reference, line.amount_minor, line.counterpart) for line in statement.lines] == [
        ("opening", BANK, 1_000_000, "central cash"),
        ("settlement", told.report_id, nets[BANK], stand.network_id),
    ]
    assert (statement.number, statement.opening_minor, statement.closing_minor) == (1, 0, stand.deposit(BANK))
    assert rows(stand, "select state, settled_minor = net_position_minor from net_positions") == [("settled", True)] * 3
    assert rows(stand, "select * from network_breaks") == []
    assert stand.findings() == []


def test_a_file_that_comes_again_changes_nothing(stand: Stand) -> None:
    stand.clear(ITEMS[:2])
    stand.play_until(AFTER_CLEARING)
    stand.clear(ITEMS[:2])
    stand.clear(ITEMS[:2], name="clearing-2026-03-03-200001.ipm", on=DAY + timedelta(days=1))
    stand.play_until(AFTER_CLEARING + timedelta(days=1))
    assert stand.position(BANK) == 0, "the first day is settled, and the second has nothing"
    assert rows(stand, "select count(*) from items") == [(2,)]
    assert stand.findings() == []


def test_another_file_under_a_used_identity_is_refused(stand: Stand) -> None:
    stand.clear(ITEMS[:2])
    stand.play_until(AFTER_CLEARING)
    stand.clear(ITEMS)
    stand.play_until(AFTER_CLEARING + timedelta(days=1))
    assert rows(stand, "select state from files where direction = 'in' and kind = 'clearing' order by state") == [
        ("done",),
        ("refused",),
    ]
    assert rows(stand, "select count(*) from items") == [(2,)]


def test_a_file_late_for_its_day_is_cleared_on_the_next(stand: Stand) -> None:
    stand.play_until(AFTER_CLEARING)
    stand.clear(ITEMS[:1])
    stand.play_until(AFTER_SETTLEMENT + timedelta(days=1))
    assert rows(stand, "select business_date from items") == [(date(2026, 3, 3),)]
    _, (told,) = read_one(stand, BANK, "clearing")
    assert told.business_date == date(2026, 3, 3)
    assert stand.findings() == []


def test_an_item_twice_in_a_file_counts_once(stand: Stand) -> None:
    stand.clear([ITEMS[0], ITEMS[0]])
    stand.play_until(AFTER_CLEARING)
    assert stand.position(BANK) == 10_000
    assert len(read_one(stand, BANK, "clearing")[1]) == 1


def test_another_item_under_a_used_reference_is_not_taken(stand: Stand) -> None:
    stand.clear([ITEMS[0]])
    stand.play_until(AFTER_CLEARING)
    presentment = item(1, 20_000)
    (answer,) = stand.network.processor.execute([AcceptItem(presentment, "another file", DAY)])
    assert answer is not None and answer.code == "key_reused"
    assert stand.position(BANK) == 10_000


def test_a_file_whose_total_is_wrong_is_refused_whole(stand: Stand) -> None:
    path = stand.clear(ITEMS)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"000000003333", b"000000003334"))
    stand.play_until(AFTER_CLEARING)
    assert rows(stand, "select count(*) from items") == [(0,)]
    assert rows(stand, "select state, reason from files where direction = 'in'") == [
        ("refused", "trailer: its total is not the sum of the records")
    ]
    assert not path.exists()
    assert (stand.network.files.folder("refused") / path.name).exists()
    (told,) = stand.arrived(ACQUIRER, "refusal")
    _, (reject,) = ClearingFiles().read(told, FileReject)
    assert (reject.name, reject.sender_id, reject.reason) == (
        path.name,
        ACQUIRER,
        "trailer: its total is not the sum of the records",
    )
    assert stand.findings() == []


@pytest.mark.parametrize("wrong", ["sender", "acquirer"])
def test_items_of_somebody_else_are_refused_with_their_file(stand: Stand, wrong: str) -> None:
    path = stand.clear(ITEMS)
    content = path.read_bytes()
    at = content.index(b"06200001")
    at = at if wrong == "sender" else content.index(b"06200001", at + 1)
    path.write_bytes(content[:at] + b"06200009" + content[at + 8 :])
    stand.play_until(AFTER_CLEARING)
    ((state, reason),) = rows(stand, "select state, reason from files where direction = 'in'")
    assert state == "refused" and wrong in str(reason)
    assert rows(stand, "select count(*) from items") == [(0,)]


def test_a_card_of_nobody_s_range_goes_back_to_its_acquirer(stand: Stand) -> None:
    stand.clear([ITEMS[0], item(7, 500, prefix="49999999")])
    stand.play_until(AFTER_SETTLEMENT)
    (path,) = stand.arrived(ACQUIRER, "rejected")
    _, rejected = ClearingFiles().read(path, MessageReject)
    assert [(one.arn, one.reason) for one in rejected] == [(item(7, 500).arn, "account_range_unknown")]
    _, confirmed = read_one(stand, ACQUIRER, "confirmed")
    assert [one.arn for one in confirmed] == [ITEMS[0].arn]
    told = report(stand, ACQUIRER)
    assert (told.purchases_count, told.purchases_minor) == (1, 10_000)
    assert rows(stand, "select reasons from events where kind = 'ItemRejected'") == [("account_range_unknown",)]
    assert stand.findings() == []


def test_a_day_without_items_is_reported_and_moves_nothing(stand: Stand) -> None:
    stand.play_until(NEXT_MORNING)
    told = report(stand, NORTHBANK)
    assert (told.net_position_minor, told.interchange_exact, told.network_fee_exact) == (0, "0.000000", "0.000000")
    assert stand.deposit(NORTHBANK) == 0
    assert stand.findings() == []


def test_a_step_that_crashed_is_run_again_and_does_nothing_twice(stand: Stand) -> None:
    """Everything of a job is done, but the crash comes before it is noted."""
    stand.clear(ITEMS)
    stand.clock.move(AFTER_CLEARING - stand.clock.now())
    stand.network.run_unnoted("clearing", DAY)
    position = stand.position(BANK)
    first = stand.arrived(BANK, "clearing")[0].read_bytes()
    *_, run = stand.network.scheduler.run_due(stand.clock.now())
    assert (run.job, run.counts) == ("clearing", {"items": 0, "files": 3})
    assert stand.position(BANK) == position
    assert stand.arrived(BANK, "clearing")[0].read_bytes() == first

    stand.clock.move(AFTER_SETTLEMENT - stand.clock.now())
    stand.network.run_unnoted("settlement", DAY)
    # Whoever joins between the crash and the next run had no part in the day.
    stand.network.processor.execute([AdmitMember("200009", "newcomer")])
    stand.network.scheduler.run_due(stand.clock.now())
    stand.clock.move(timedelta(hours=6, minutes=30))
    stand.bank.run_unnoted("settlement", DAY)
    stand.bank.scheduler.run_due(stand.clock.now())
    stand.play_until(NEXT_MORNING)
    assert stand.position(BANK) == 0
    assert len(stand.arrived(BANK, "statement")) == 1
    assert stand.findings() == []


def test_a_batch_of_items_gives_the_same_facts_as_items_one_by_one(database: Database, tmp_path: Path) -> None:
    together, alone = Stand(database, tmp_path / "together"), Stand(database, tmp_path / "alone")
    items = [AcceptItem(one, "a file", DAY) for one in [*ITEMS, ITEMS[0], item(8, 1, prefix="49999999")]]
    facts = []
    for stand, batches in ((together, [items]), (alone, [[one] for one in items])):
        stand.open()
        answers = [answer for batch in batches for answer in stand.network.processor.execute(batch)]
        positions = [stand.position(member_id) for member_id in (BANK, NORTHBANK, ACQUIRER)]
        kept = rows(
            stand, "select arn, issuer_id, amount_minor, interchange, network_fee_minor, state from items order by arn"
        )
        facts.append((answers, positions, kept))
    assert facts[0] == facts[1]


def test_a_statement_of_anybody_but_the_settlement_bank_is_refused(stand: Stand) -> None:
    stand.clear(ITEMS)
    stand.play_until(AFTER_SETTLEMENT)
    owed = stand.position(BANK)
    line = StatementLine(
        reference=report(stand, BANK).report_id, kind="settlement", amount_minor=abs(owed), counterpart=BANK
    )
    statement = BankStatement(
        statement_id="a statement",
        number=1,
        business_date=DAY,
        bank_id=BANK,
        depositor_id=stand.network_id,
        asset="USD",
        opening_minor=0,
        closing_minor=abs(owed),
        lines=(line,),
    )
    SettlementFiles().write(stand.network.files.folder("in") / statement.file_name, statement)
    stand.play_until(NEXT_MORNING, stand.network)
    assert stand.position(BANK) == owed != 0
    assert rows(stand, "select reason from files where state = 'refused'") == [("bank_id: is not the settlement bank",)]


def movement(stand: Stand, line: int, **changes: Any) -> BookMovement:
    told = report(stand, BANK)
    return replace(
        BookMovement(
            statement_id="a statement",
            line=line,
            business_date=DAY,
            kind="settlement",
            reference=told.report_id,
            member_id=BANK,
            asset="USD",
            amount_minor=-told.net_position_minor,
        ),
        **changes,
    )


def test_what_the_bank_says_otherwise_is_kept_and_never_corrected(stand: Stand) -> None:
    stand.clear(ITEMS)
    stand.play_until(AFTER_SETTLEMENT)
    owed = stand.position(BANK)
    unasked = [
        movement(stand, 1, reference="nobody's"),
        movement(stand, 2, member_id=NORTHBANK),
        movement(stand, 3, kind="opening"),
        movement(stand, 4, asset="EUR"),
    ]
    answers = stand.network.processor.execute(unasked)
    assert {answer.reasons for answer in answers if answer} == {("not_instructed",)}
    assert stand.position(BANK) == owed
    less, again = movement(stand, 5, amount_minor=owed - 100), movement(stand, 6)
    assert [answer.code for answer in stand.network.processor.execute([less, again]) if answer] == ["break", "break"]
    assert stand.position(BANK) == 100, "what moved is booked as it moved"
    assert rows(stand, "select line, expected_minor, found_minor from network_breaks order by line") == [
        (1, 0, owed),
        (2, 0, owed),
        (3, 0, owed),
        (4, 0, owed),
        (5, owed, owed - 100),
        (6, 0, owed),
    ]
    assert [found.partition(":")[0] for found in stand.findings()] == [
        "the settlement bank has moved what was instructed"
    ] * 6


@pytest.mark.parametrize(
    ("planted", "proof", "named"),
    [
        (
            "update accounts set balance_minor = balance_minor + 1 where id in"
            " (select a.id from accounts a join members m on m.id = a.owner_id where m.member_id = '100001')",
            "member positions are items less settlements",
            "member 100001",
        ),
        (
            "insert into items select gen_random_uuid(), '72000016061999999999999', business_date, file_id,"
            " acquirer_id, issuer_id, network_reference, card_token, processing_code, amount_minor, asset,"
            " transacted_at, authorized_on, approval_code, pos_entry_mode, mcc, terminal_id, merchant_id,"
            " merchant_name, is_final, interchange, interchange_minor, network_fee, network_fee_minor, state,"
            " rate, downgrades, reason"
            " from items where network_reference = 'S00000000000001'",
            "each item is presented and posted once",
            "S00000000000001",
        ),
        (
            "delete from items where network_reference = 'S00000000000002'",
            "each item is presented and posted once",
            "no accepted item",
        ),
        (
            "update net_positions set network_fee_booked_minor = 0, net_position_minor = net_position_minor + 6"
            " where member_id = '200001'",
            "net positions, fee income and rounding sum to zero",
            "2026-03-02 in USD",
        ),
        (
            "insert into net_positions select gen_random_uuid(), 'a later day', business_date + 1, member_id, asset,"
            " 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'settled', 0 from net_positions where member_id = '100001'",
            "the settlement bank has moved what was instructed",
            "-100001-2026-03-02-USD of -",
        ),
    ],
)
def test_the_proofs_name_what_contradicts_them(stand: Stand, planted: str, proof: str, named: str) -> None:
    stand.clear(ITEMS)
    stand.play_until(AFTER_SETTLEMENT)
    with stand.database.owner().begin() as connection:
        connection.execute(text(f"set local search_path to {stand.network.institution.schema_name}"))
        connection.execute(text(planted))
    assert any(finding.startswith(proof) and named in finding for finding in stand.findings())
