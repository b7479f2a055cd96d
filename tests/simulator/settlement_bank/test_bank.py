"""The settlement bank on a real database: positions and payouts in by file, statements out. Nobody else moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.database.connections import Database
from engine.ledger.chart import CENTRAL_CASH
from engine.vocabulary.settlement import (
    BankStatement,
    InstructionLine,
    PayoutInstructions,
    PayoutLine,
    SettlementDocument,
    SettlementInstruction,
)
from gateways.settlement_files import SettlementFiles
from simulator.settlement_bank.model import DrawStatement, OpenDeposit
from tests.simulator.network.stand import ACQUIRER, BANK, DAY, NORTHBANK, Stand

SIX = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
NINE = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


@pytest.fixture
def stand(database: Database, tmp_path: Path) -> Stand:
    stand = Stand(database, tmp_path)
    stand.open({BANK: 1_000, ACQUIRER: 500})
    return stand


def arrive(stand: Stand, document: SettlementDocument) -> None:
    SettlementFiles().write(stand.bank.files.folder("in") / document.file_name, document)


def instruction(stand: Stand, *nets: tuple[str, int]) -> SettlementInstruction:
    return SettlementInstruction(
        instruction_id=f"{stand.network_id}-{DAY}-USD",
        business_date=DAY,
        network_id=stand.network_id,
        bank_id=stand.bank_id,
        asset="USD",
        lines=tuple(
            InstructionLine(member_id=member_id, reference=f"report {member_id}", net_minor=net)
            for member_id, net in nets
        ),
    )


def payouts(stand: Stand, *lines: tuple[str, str, int], number: int = 1) -> PayoutInstructions:
    return PayoutInstructions(
        instruction_id=f"{ACQUIRER}-{DAY}-{number}",
        business_date=DAY,
        acquirer_id=ACQUIRER,
        bank_id=stand.bank_id,
        asset="USD",
        lines=tuple(PayoutLine(payout_id=one, deposit_reference=to, amount_minor=amount) for one, to, amount in lines),
    )


def told(stand: Stand, member_id: str) -> list[BankStatement]:
    return [SettlementFiles().read(path, BankStatement) for path in stand.arrived(member_id, "statement")]


def movements(statement: BankStatement) -> list[tuple[str, str, int, str]]:
    return [(line.kind, line.reference, line.amount_minor, line.counterpart) for line in statement.lines]


def test_positions_move_through_the_network_s_deposit_payers_first(stand: Stand) -> None:
    arrive(stand, instruction(stand, (ACQUIRER, 690), (BANK, -400), (NORTHBANK, -300)))
    stand.play_until(SIX, stand.bank)
    assert [stand.deposit(one) for one in (BANK, NORTHBANK, ACQUIRER, stand.network_id)] == [600, -300, 1_190, 10]
    (network,) = told(stand, stand.network_id)
    assert movements(network) == [
        ("settlement", f"report {BANK}", 400, BANK),
        ("settlement", f"report {NORTHBANK}", 300, NORTHBANK),
        ("settlement", f"report {ACQUIRER}", -690, ACQUIRER),
    ]
    assert stand.findings() == []


def test_the_same_instruction_again_moves_nothing(stand: Stand) -> None:
    arrive(stand, instruction(stand, (BANK, -400)))
    stand.play_until(SIX, stand.bank)
    arrive(stand, instruction(stand, (BANK, -400)))
    again = replace(instruction(stand, (BANK, -400)), instruction_id="another", business_date=DAY + timedelta(days=1))
    arrive(stand, again)
    stand.play_until(SIX + timedelta(days=1), stand.bank)
    assert stand.deposit(BANK) == 600
    assert len(told(stand, BANK)) == 1


def test_a_member_without_a_deposit_is_passed_over_and_the_others_settled(stand: Stand) -> None:
    arrive(stand, instruction(stand, ("100009", -50), (BANK, -400), (NORTHBANK, 0)))
    stand.play_until(SIX, stand.bank)
    assert stand.deposit(BANK) == 600
    assert stand.deposit(stand.network_id) == 400
    assert told(stand, NORTHBANK) == []


def test_payouts_reach_merchants_and_come_back_from_where_there_is_none(stand: Stand) -> None:
    arrive(stand, payouts(stand, ("payout 1", "MSHOP", 120), ("payout 2", "MGONE", 80)))
    stand.play_until(NINE, stand.bank)
    assert stand.deposit("MSHOP") == 120
    assert stand.deposit(ACQUIRER) == 380
    assert stand.bank.own_balance(CENTRAL_CASH) == 1_500
    (statement,) = told(stand, ACQUIRER)
    assert movements(statement) == [
        ("opening", ACQUIRER, 500, "central cash"),
        ("payout", "payout 1", -120, "MSHOP"),
        ("payout", "payout 2", -80, "MGONE"),
        ("payout returned", "payout 2", 80, "MGONE"),
    ]
    assert stand.findings() == []


def test_a_payout_instructed_twice_is_paid_once(stand: Stand) -> None:
    arrive(stand, payouts(stand, ("payout 1", "MSHOP", 120)))
    stand.play_until(NINE, stand.bank)
    other = payouts(stand, ("payout 1", "MSHOP", 120), ("payout 3", "MSHOP", 5), number=2)
    arrive(stand, replace(other, business_date=DAY + timedelta(days=1)))
    stand.play_until(NINE + timedelta(days=1), stand.bank)
    assert stand.deposit("MSHOP") == 125


def test_statements_follow_each_other(stand: Stand) -> None:
    arrive(stand, instruction(stand, (ACQUIRER, 690), (BANK, -700)))
    stand.play_until(SIX, stand.bank)
    arrive(stand, payouts(stand, ("payout 1", "MSHOP", 120)))
    stand.play_until(NINE, stand.bank)
    first, second = told(stand, ACQUIRER)
    assert (first.number, first.opening_minor, first.closing_minor) == (1, 0, 1_190)
    assert (second.number, second.opening_minor, second.closing_minor) == (2, 1_190, 1_070)
    assert movements(second) == [("payout", "payout 1", -120, "MSHOP")]
    again = DrawStatement(ACQUIRER, "USD", DAY, "payout")
    assert stand.bank.processor.execute([again]) == stand.bank.processor.execute([again])
    (other,) = stand.bank.processor.execute([DrawStatement(ACQUIRER, "USD", DAY, "asked for")])
    assert other is not None and other.facts == {"number": 3}
    assert stand.findings() == []


@pytest.mark.parametrize(
    ("deposit", "reason"),
    [
        (OpenDeposit("X", -1), "amount_negative"),
        (OpenDeposit("X", 0, "XAU"), "asset_unknown"),
    ],
)
def test_a_deposit_that_cannot_be_is_refused(stand: Stand, deposit: OpenDeposit, reason: str) -> None:
    (answer,) = stand.bank.processor.execute([deposit])
    assert answer is not None and (answer.code, answer.reasons) == ("refused", (reason,))


def test_a_file_for_another_bank_is_refused(stand: Stand) -> None:
    arrive(stand, replace(instruction(stand, (BANK, -400)), bank_id="999999"))
    stand.play_until(SIX, stand.bank)
    assert stand.deposit(BANK) == 1_000
    assert len(list(stand.bank.files.folder("refused").iterdir())) == 1


def test_files_of_strangers_are_refused_whole_and_move_nothing(stand: Stand) -> None:
    arrive(stand, replace(instruction(stand, (BANK, -400)), network_id=ACQUIRER))
    arrive(stand, replace(payouts(stand, ("payout 1", "MSHOP", 120)), acquirer_id="999999"))
    arrive(stand, replace(payouts(stand, ("payout 2", "MSHOP", 120)), asset="EUR"))
    stand.play_until(NINE, stand.bank)
    assert [stand.deposit(one) for one in (BANK, ACQUIRER, "MSHOP", stand.network_id)] == [1_000, 500, 0, 0]
    with stand.bank.processor.engine.connect() as connection:
        reasons = connection.execute(text("select reason from files where state = 'refused' order by reason"))
        assert list(reasons.scalars()) == [
            "acquirer_id: has no deposit of this asset here",
            "acquirer_id: has no deposit of this asset here",
            "network_id: is not the network",
        ]


@pytest.mark.parametrize(
    ("planted", "finding"),
    [
        ("update bank_statements set closing_minor = closing_minor + 1 where number = 1", "statements follow"),
        ("delete from bank_statements where number = 1", "statements follow"),
        ("delete from movements where kind = 'payout'", "every entry is a movement"),
        ("update movements set amount_minor = 1 where kind = 'settlement'", "every entry is a movement"),
    ],
)
def test_the_proofs_name_what_contradicts_them(stand: Stand, planted: str, finding: str) -> None:
    arrive(stand, instruction(stand, (ACQUIRER, 690), (BANK, -700)))
    stand.play_until(SIX, stand.bank)
    arrive(stand, payouts(stand, ("payout 1", "MSHOP", 120)))
    stand.play_until(NINE, stand.bank)
    assert stand.findings() == []
    with stand.database.owner().begin() as connection:
        connection.execute(text(f"set local search_path to {stand.bank.institution.schema_name}"))
        connection.execute(text(planted))
    assert any(one.startswith(finding) for one in stand.findings())
