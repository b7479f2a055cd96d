"""Settlement files: what is written is read again, and nothing else is."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ports import SettlementFormat
from engine.vocabulary.errors import FormatError
from engine.vocabulary.settlement import (
    BankStatement,
    InstructionLine,
    PayoutInstructions,
    PayoutLine,
    SettlementDocument,
    SettlementInstruction,
    SettlementReport,
    StatementLine,
)
from gateways.settlement_files import SettlementFiles

FILES: SettlementFormat = SettlementFiles()
DAY = date(2026, 3, 2)

REPORT = SettlementReport(
    report_id="900000-100001-2026-03-02-USD",
    business_date=DAY,
    network_id="900000",
    member_id="100001",
    asset="USD",
    purchases_count=3,
    purchases_minor=-30_000,
    credits_count=1,
    credits_minor=500,
    interchange_exact="361.500000",
    interchange_booked_minor=362,
    network_fee_exact="0.000000",
    network_fee_booked_minor=0,
    rounding_minor=-1,
    net_position_minor=-29_138,
)
INSTRUCTION = SettlementInstruction(
    instruction_id="900000-2026-03-02-USD",
    business_date=DAY,
    network_id="900000",
    bank_id="900001",
    asset="USD",
    lines=(
        InstructionLine(member_id="100001", reference=REPORT.report_id, net_minor=-29_138),
        InstructionLine(member_id="200001", reference="another report", net_minor=29_108),
    ),
)
STATEMENT = BankStatement(
    statement_id="900001-100001-00001",
    number=1,
    business_date=DAY,
    bank_id="900001",
    depositor_id="100001",
    asset="USD",
    opening_minor=1_000_000,
    closing_minor=970_862,
    lines=(StatementLine(reference=REPORT.report_id, kind="settlement", amount_minor=-29_138, counterpart="900000"),),
)
PAYOUTS = PayoutInstructions(
    instruction_id="200001-2026-03-02-USD",
    business_date=DAY,
    acquirer_id="200001",
    bank_id="900001",
    asset="USD",
    lines=(PayoutLine(payout_id="payout-1", deposit_reference="merchant-1", amount_minor=9_800),),
)
EVERY: tuple[SettlementDocument, ...] = (REPORT, INSTRUCTION, STATEMENT, PAYOUTS)


def written(folder: Path, document: SettlementDocument) -> bytes:
    path = folder / "written.txt"
    FILES.write(path, document)
    return path.read_bytes()


def read(folder: Path, content: bytes, kind: Any) -> Any:
    path = folder / "arrived.txt"
    path.write_bytes(content)
    return FILES.read(path, kind)


@pytest.mark.parametrize("document", EVERY, ids=lambda document: document.KIND)
def test_a_document_comes_back_as_it_was(tmp_path: Path, document: SettlementDocument) -> None:
    assert read(tmp_path, written(tmp_path, document), type(document)) == document
    assert document.file_name.split("-")[0] == document.totals.kind == document.KIND


def test_a_document_without_lines_comes_back_as_it_was(tmp_path: Path) -> None:
    empty = SettlementInstruction(
        instruction_id="nobody moved", business_date=DAY, network_id="900000", bank_id="900001", asset="USD", lines=()
    )
    assert read(tmp_path, written(tmp_path, empty), SettlementInstruction) == empty


def test_a_file_can_be_read_by_a_person(tmp_path: Path) -> None:
    assert written(tmp_path, PAYOUTS).decode().splitlines() == [
        "H|payouts|1|200001-2026-03-02-USD|2026-03-02|200001|900001|USD",
        "D|payout-1|merchant-1|9800",
        "T|1|9800",
    ]


@pytest.mark.parametrize("document", EVERY, ids=lambda document: document.KIND)
def test_a_cut_file_is_refused_wherever_it_was_cut(tmp_path: Path, document: SettlementDocument) -> None:
    whole = written(tmp_path, document)
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            read(tmp_path, whole[:length], type(document))


@pytest.mark.parametrize("document", EVERY, ids=lambda document: document.KIND)
def test_bytes_after_the_trailer_are_refused(tmp_path: Path, document: SettlementDocument) -> None:
    for more in (b"\n", b" ", b"T|0|0\n", b"\0"):
        with pytest.raises(FormatError):
            read(tmp_path, written(tmp_path, document) + more, type(document))


@pytest.mark.parametrize("document", (INSTRUCTION, STATEMENT, PAYOUTS), ids=lambda document: document.KIND)
def test_a_missing_or_doubled_line_is_refused(tmp_path: Path, document: SettlementDocument) -> None:
    lines = written(tmp_path, document).splitlines(keepends=True)
    for at in range(len(lines)):
        for changed in (lines[:at] + lines[at + 1 :], [*lines[:at], lines[at], *lines[at:]]):
            with pytest.raises(FormatError):
                read(tmp_path, b"".join(changed), type(document))


@pytest.mark.parametrize(
    ("document", "old", "new", "element"),
    [
        (REPORT, b"-30000", b"-30001", "line 2 amount total"),
        (REPORT, b"|3|-30000", b"|2|-30000", "line 2 record count"),
        (REPORT, b"-29138", b"-29139", "line 1"),
        (REPORT, b"361.500000", b"361.5", "line 1 interchange_exact"),
        (REPORT, b"2026-03-02|900000", b"2026-02-30|900000", "line 1 business_date"),
        (REPORT, b"H|settlement|1|", b"H|settlement|2|", "line 1 kind"),
        (INSTRUCTION, b"29108", b"29107", "line 4 amount total"),
        (INSTRUCTION, b"D|100001", b"E|100001", "line 2"),
        (INSTRUCTION, b"|-29138", b"|-029138", "line 2 net_minor"),
        (INSTRUCTION, b"T|2|", b"T|3|", "line 4 record count"),
        (STATEMENT, b"970862", b"970863", "line 1"),
        (STATEMENT, b"|settlement|", b"||", "line 2 kind"),
        (PAYOUTS, b"|9800\nT|1|9800", b"|-9800\nT|1|-9800", "line 1"),
        (PAYOUTS, b"|9800\nT", b"|9800|\nT", "line 2"),
        (PAYOUTS, b"merchant-1", b"merch\xe4nt", "file"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(
    tmp_path: Path, document: SettlementDocument, old: bytes, new: bytes, element: str
) -> None:
    whole = written(tmp_path, document)
    assert whole.count(old) >= 1
    with pytest.raises(FormatError) as refused:
        read(tmp_path, whole.replace(old, new), type(document))
    assert refused.value.element == element


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="payouts"):
        read(tmp_path, written(tmp_path, INSTRUCTION), PayoutInstructions)


@pytest.mark.parametrize("reference", ["", "a|b", "line\nbreak", " padded", "padded ", "\xfc"])
def test_a_value_that_would_not_come_back_is_not_written(tmp_path: Path, reference: str) -> None:
    line = PayoutLine(payout_id=reference, deposit_reference="merchant-1", amount_minor=1)
    payouts = PayoutInstructions(
        instruction_id="p", business_date=DAY, acquirer_id="200001", bank_id="900001", asset="USD", lines=(line,)
    )
    with pytest.raises(FormatError, match="payout_id"):
        written(tmp_path, payouts)


TEXTS = st.from_regex(r"[!-{}~]([ -{}~]{0,20}[!-{}~])?", fullmatch=True)
AMOUNTS = st.integers(-(10**15), 10**15)


@given(lines=st.lists(st.builds(InstructionLine, member_id=TEXTS, reference=TEXTS, net_minor=AMOUNTS)), id_=TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_instruction_comes_back(tmp_path: Path, lines: list[InstructionLine], id_: str) -> None:
    instruction = SettlementInstruction(
        instruction_id=id_, business_date=DAY, network_id="900000", bank_id="900001", asset="EUR", lines=tuple(lines)
    )
    assert read(tmp_path, written(tmp_path, instruction), SettlementInstruction) == instruction


@given(at=st.integers(0, 400), byte=st.integers(0, 255), which=st.sampled_from(EVERY))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_refused_or_read_as_exactly_what_it_says(
    tmp_path: Path, at: int, byte: int, which: SettlementDocument
) -> None:
    content = bytearray(written(tmp_path, which))
    content[at % len(content)] = byte
    try:
        understood = read(tmp_path, bytes(content), type(which))
    except FormatError:
        return
    assert written(tmp_path, understood) == bytes(content)
