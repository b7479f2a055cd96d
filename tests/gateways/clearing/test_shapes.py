"""The shapes of clearing files: what each carries, how it is known, and that reading needs no more memory for more."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.vocabulary.clearing import ClearingRecord, FeeCollection
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import Money
from gateways.clearing.files import ClearingFiles, FileShape, scan, shape_of
from gateways.clearing.fixed import BATCH
from tests.gateways.clearing.records import DAY, IN_BOTH_SHAPES, IN_IPM_ONLY, PURCHASE, RECORDS, totals_of

IPM_SHAPES = [FileShape("ipm", charset, blocked) for charset in ("ascii", "ebcdic") for blocked in (False, True)]
SHAPES = [*IPM_SHAPES, FileShape("fixed", "ascii"), FileShape("fixed", "ebcdic")]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def written(folder: Path, shape: FileShape, records: Sequence[ClearingRecord]) -> Path:
    path = folder / "clearing.file"
    ClearingFiles(shape).write(path, totals_of(records), records)
    return path


def read(path: Path) -> list[ClearingRecord]:
    return [one for one in scan(path) if not isinstance(one, FileTotals)]


@every_shape
def test_every_kind_of_record_comes_back(tmp_path: Path, shape: FileShape) -> None:
    records = (*IN_BOTH_SHAPES, *IN_IPM_ONLY) if shape.layout == "ipm" else IN_BOTH_SHAPES
    path = written(tmp_path, shape, records)
    assert read(path) == list(records)
    assert list(scan(path))[-1] == totals_of(records)


@every_shape
def test_a_file_says_what_shape_it_has(tmp_path: Path, shape: FileShape) -> None:
    with written(tmp_path, shape, IN_BOTH_SHAPES).open("rb") as file:
        assert shape_of(file) == shape


@every_shape
@given(records=st.lists(RECORDS, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_records_come_back(tmp_path: Path, shape: FileShape, records: list[ClearingRecord]) -> None:
    assert read(written(tmp_path, shape, records)) == records


@every_shape
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, shape: FileShape) -> None:
    path = written(tmp_path, shape, IN_BOTH_SHAPES)
    whole = path.read_bytes()
    assert len(whole) > 1014, "in blocks it has more than one: the first alone would be a whole file without"
    for length in {*range(0, len(whole), 17), *range(len(whole) - 40, len(whole))}:
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            list(scan(path))


@every_shape
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_refused_or_read_as_exactly_what_it_says(
    tmp_path: Path, shape: FileShape, at: int, byte: int
) -> None:
    path = written(tmp_path, shape, IN_BOTH_SHAPES)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content)
    try:
        *_, totals = scan(path)
        records = read(path)
    except FormatError:
        return
    assert isinstance(totals, FileTotals)
    ClearingFiles(shape).write(path, totals, records)
    assert read(path) == records


def test_blocks_are_1014_bytes_and_a_full_one_is_not_followed_by_an_empty_one(tmp_path: Path) -> None:
    shape = FileShape("ipm", "ascii", is_blocked=True)
    sizes = set()
    for length in range(1, 99):
        path = written(tmp_path, shape, [replace(PURCHASE, merchant_name="X" * length)] * 6)
        content = path.read_bytes()
        assert len(content) % 1014 == 0
        assert all(content[end - 2 : end] == b"\x40\x40" for end in range(1014, len(content) + 1, 1014))
        assert content[-1014:].strip(b"\x40"), "the last block holds something"
        sizes.add(len(content))
        assert len(read(path)) == 6
    assert len(sizes) > 1


def test_a_block_without_its_mark_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, FileShape("ipm", "ascii", is_blocked=True), [PURCHASE] * 10)
    content = bytearray(path.read_bytes())
    content[2 * 1014 - 1] = 0
    path.write_bytes(content)
    with pytest.raises(FormatError, match="block 2"):
        list(scan(path))


def test_a_fixed_file_is_lines_of_168_characters_whose_batches_add_up(tmp_path: Path) -> None:
    items = [replace(PURCHASE, arn=f"{number:023d}", amount=Money(number, "USD")) for number in range(1, BATCH + 3)]
    lines = written(tmp_path, FileShape("fixed"), items).read_text("ascii").splitlines()
    assert {len(line) for line in lines} == {168}
    assert [line[:2] for line in lines if line[:2] != "05"] == ["90", "91", "91", "92"]
    assert [line[4:36] for line in lines if line[:2] == "91"] == [
        f"000001{BATCH:08d}{sum(range(1, BATCH + 1)):018d}",
        f"000002{2:08d}{2 * BATCH + 3:018d}",
    ]


@pytest.mark.parametrize(
    ("line", "start", "value", "named"),
    [
        (0, 0, "91", "header"),
        (1, 0, "15", "line 3 transaction code"),
        (1, 4, "00000002", "line 2 number"),
        (1, 77, "00000X", "line 2 amount"),
        (1, 89, "999", "line 2 currency"),
        (1, 65, "260231093015", "line 2 transacted at"),
        (2, 3, "7", "line 3 component"),
        (3, 10, "00000002", "line 4 transactions"),
        (3, 18, "000000000000012346", "line 4 amount total"),
        (4, 4, "000002", "line 5 batch"),
        (4, 10, "00000002", "trailer"),
    ],
)
def test_what_is_wrong_in_a_fixed_file_is_named_by_line_and_column(
    tmp_path: Path, line: int, start: int, value: str, named: str
) -> None:
    path = written(tmp_path, FileShape("fixed"), [PURCHASE])
    lines = path.read_text("ascii").splitlines(keepends=True)
    lines[line] = lines[line][:start] + value + lines[line][start + len(value) :]
    path.write_text("".join(lines), "ascii")
    with pytest.raises(FormatError) as refused:
        list(scan(path))
    assert refused.value.element == named
    assert PURCHASE.pan.clear not in str(refused.value)


def test_a_fee_has_no_transaction_code_in_a_fixed_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="transaction code"):
        written(tmp_path, FileShape("fixed"), IN_IPM_ONLY[:1])


def test_a_record_that_has_no_place_in_a_file_refuses_it_whole(tmp_path: Path) -> None:
    path = written(tmp_path, FileShape(), [PURCHASE, *IN_IPM_ONLY[:1]])
    with pytest.raises(FormatError, match="FeeCollection"):
        ClearingFiles().read(path, Presentment)
    with pytest.raises(FormatError, match="Presentment"):
        ClearingFiles().read(path, FeeCollection)


def test_what_is_no_clearing_file_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "else"
    for content in (b"", b"1644", b"hello, world", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="neither a 1644"):
            list(scan(path))


@every_shape
def test_memory_does_not_grow_with_the_file(tmp_path: Path, shape: FileShape) -> None:
    def peak(count: int) -> int:
        def items() -> Iterator[Presentment]:
            for number in range(count):
                yield replace(PURCHASE, arn=f"{number:023d}")

        totals = replace(totals_of([]), record_count=count, amount_total_minor=count * PURCHASE.amount.amount_minor)
        tracemalloc.start()
        ClearingFiles(shape).write(tmp_path / "many", totals, items())
        _, records = ClearingFiles().read(tmp_path / "many", Presentment)
        assert sum(1 for _ in records) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(50)
    assert peak(2_000) < peak(500) + 200_000, "1,500 more records would take more than a megabyte"


def test_the_dates_of_records_are_those_of_their_file(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="one clearing date"):
        ClearingFiles().write(
            tmp_path / "wrong", totals_of([PURCHASE]), [replace(PURCHASE, business_date=DAY.replace(day=3))]
        )
