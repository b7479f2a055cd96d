"""IPM-like files: what is written is read again; what was cut, changed, doubled or moved is refused whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ports import ClearingFormat
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.specifications import SIMNET_FILE
from tests.gateways.clearing.records import ITEMS, PRESENTMENTS, PURCHASE, totals_of

FILES: ClearingFormat = ClearingFiles()


def written(folder: Path, items: Sequence[Presentment]) -> bytes:
    path = folder / "clearing.ipm"
    FILES.write(path, totals_of(items), iter(items))
    return path.read_bytes()


def read(folder: Path, content: bytes) -> tuple[FileTotals, list[Presentment]]:
    path = folder / "arrived.ipm"
    path.write_bytes(content)
    totals, records = FILES.read(path, Presentment)
    return totals, list(records)


def records_of(content: bytes) -> list[bytes]:
    records = []
    while (length := int.from_bytes(content[:4], "big")) != 0:
        records.append(content[4 : 4 + length])
        content = content[4 + length :]
    return records


def file_of(records: Sequence[bytes]) -> bytes:
    return b"".join(len(record).to_bytes(4, "big") + record for record in records) + bytes(4)


def with_element(record: bytes, element: str, value: str | None) -> bytes:
    fields = decode(record, SIMNET_FILE)
    if value is None:
        del fields[element]
    else:
        fields[element] = value
    return encode(fields, SIMNET_FILE)


def test_presentments_come_back_as_they_were(tmp_path: Path) -> None:
    assert read(tmp_path, written(tmp_path, ITEMS)) == (totals_of(ITEMS), list(ITEMS))


def test_a_day_without_items_is_a_file_too(tmp_path: Path) -> None:
    assert read(tmp_path, written(tmp_path, ())) == (totals_of(()), [])


def test_records_have_the_shape_of_an_ipm_file(tmp_path: Path) -> None:
    """Length-prefixed records ended by a zero length, as cardutil's VBS cases have them; 1644, 1240, 1644."""
    content = written(tmp_path, ITEMS)
    records = records_of(content)
    assert content == file_of(records)
    messages = [decode(record, SIMNET_FILE) for record in records]
    assert [(message["t"], message["24"]) for message in messages] == [
        ("1644", "697"),
        ("1240", "200"),
        ("1240", "200"),
        ("1644", "695"),
    ]
    assert [message["71"] for message in messages] == ["00000001", "00000002", "00000003", "00000004"]
    assert messages[3]["48"] == "0105019200001-2026-03-02-103010051239003060012"
    assert messages[1]["48"] == "9003008202603029004001Y"


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path, ITEMS)
    for length in range(len(whole)):
        with pytest.raises(FormatError):
            read(tmp_path, whole[:length])


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="end of file"):
        read(tmp_path, written(tmp_path, ITEMS) + b"\0")


def test_a_record_missing_doubled_or_moved_is_refused(tmp_path: Path) -> None:
    records = records_of(written(tmp_path, ITEMS))
    for at in range(len(records)):
        for changed in (records[:at] + records[at + 1 :], [*records[:at], records[at], *records[at:]]):
            with pytest.raises(FormatError):
                read(tmp_path, file_of(changed))
    moved = [records[0], records[2], records[1], records[3]]
    with pytest.raises(FormatError, match="record 2 DE 71"):
        read(tmp_path, file_of(moved))


@pytest.mark.parametrize(
    ("at", "element", "value", "named"),
    [
        (0, "24", "695", "record 1 MTI"),
        (0, "94", None, "record 1 DE 94"),
        (0, "48", "0105001A9001008clearing90020082026023", "record 1 DE 48"),
        (0, "48", "0105001A9001008clearing900200820260230", "record 1 PDS 9002"),
        (0, "48", "01050", "record 1 DE 48"),
        (1, "4", "000000012346", "trailer"),
        (1, "2", "40000", "record 2 DE 2"),
        (1, "2", None, "record 2 DE 2"),
        (1, "12", "260231093015", "record 2 DE 12"),
        (1, "49", "999", "record 2 DE 49"),
        (1, "48", "9004001X", "record 2 PDS 9004"),
        (1, "48", "9004009Y", "record 2 DE 48"),
        (1, "48", "9004001Y9004001Y", "record 2 DE 48"),
        (1, "48", "9004001Y90050031.5", "record 2 PDS 9005"),
        (3, "48", "0105001A03010051239003060012", "record 4 PDS 0105"),
        (3, "48", "0105019200001-2026-03-02-103010051239003060013", "trailer"),
        (3, "48", "0105019200001-2026-03-02-103010051239103060012", "trailer"),
        (3, "48", "0105019200001-2026-03-02-1030100212030600102", "record 4 DE 48"),
        (3, "24", "200", "record 4 MTI"),
    ],
)
def test_what_is_wrong_is_named_by_record_and_element(
    tmp_path: Path, at: int, element: str, value: str | None, named: str
) -> None:
    records = records_of(written(tmp_path, ITEMS))
    records[at] = with_element(records[at], element, value)
    with pytest.raises(FormatError) as refused:
        read(tmp_path, file_of(records))
    assert refused.value.element == named
    assert PURCHASE.pan.clear not in str(refused.value)


def test_a_length_that_no_record_has_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="record 1 length"):
        read(tmp_path, (2**31).to_bytes(4, "big") + b"1644")


def test_a_value_that_no_element_carries_is_not_written(tmp_path: Path) -> None:
    for wrong, element in (
        (replace(PURCHASE, merchant_name="CAFÉ"), "record 2 DE 43"),
        (replace(PURCHASE, amount=Money(-1, "USD")), "record 2 DE 4"),
        (replace(PURCHASE, approval_code="TOO LONG"), "record 2 DE 38"),
        (replace(PURCHASE, transacted_at=PURCHASE.transacted_at.replace(microsecond=1)), "record 2 DE 12"),
    ):
        with pytest.raises(FormatError) as refused:
            written(tmp_path, (wrong,))
        assert refused.value.element == element


def test_totals_that_are_not_the_items_are_a_bug(tmp_path: Path) -> None:
    for wrong in (
        replace(totals_of(ITEMS), record_count=3),
        replace(totals_of(ITEMS), amount_total_minor=1),
        replace(totals_of(ITEMS), business_date=date(2026, 3, 3)),
    ):
        with pytest.raises(AssertionError):
            FILES.write(tmp_path / "wrong.ipm", wrong, ITEMS)


@given(items=st.lists(PRESENTMENTS, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_presentments_come_back(tmp_path: Path, items: list[Presentment]) -> None:
    assert read(tmp_path, written(tmp_path, items)) == (totals_of(items), items)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_refused_or_read_as_exactly_what_it_says(tmp_path: Path, at: int, byte: int) -> None:
    content = bytearray(written(tmp_path, ITEMS))
    content[at % len(content)] = byte
    try:
        totals, items = read(tmp_path, bytes(content))
    except FormatError:
        return
    FILES.write(tmp_path / "again.ipm", totals, items)
    assert read(tmp_path, (tmp_path / "again.ipm").read_bytes()) == (totals, items)
