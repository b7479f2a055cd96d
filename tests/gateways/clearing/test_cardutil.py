"""The open IPM parser cardutil as the other side: its own commands read our files, and we read what it writes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from cardutil.cli import mci_ipm_encode, mci_ipm_to_csv
from cardutil.mciipm import IpmReader, IpmWriter, VbsWriter

from engine.vocabulary.clearing import ClearingRecord
from engine.vocabulary.files import FileTotals
from gateways.clearing.files import ClearingFiles, FileShape, scan, shape_of
from gateways.clearing.vbs import read_records
from tests.gateways.clearing.records import IN_BOTH_SHAPES, IN_IPM_ONLY, totals_of

RECORDS: Sequence[ClearingRecord] = (*IN_BOTH_SHAPES, *IN_IPM_ONLY)
ENCODINGS = {"ascii": "latin_1", "ebcdic": "cp500"}
SHAPES = [FileShape("ipm", charset, blocked) for charset in ("ascii", "ebcdic") for blocked in (False, True)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def converted(path: Path, shape: FileShape) -> list[dict[str, str]]:
    """What `mci_ipm_to_csv` makes of a file."""
    arguments = [str(path), "--in-encoding", ENCODINGS[shape.charset]]
    parsed = mci_ipm_to_csv.cli_parser().parse_args([*arguments, *(() if shape.is_blocked else ("--no1014blocking",))])
    assert mci_ipm_to_csv.cli_run(**vars(parsed)) is None, "the converter says -1 for a file that it cannot read"
    with path.with_name(path.name + ".csv").open(newline="") as file:
        return list(csv.DictReader(file))


@every_shape
def test_its_converter_reads_our_file_and_comes_to_our_totals(tmp_path: Path, shape: FileShape) -> None:
    path, totals = tmp_path / "ours.ipm", totals_of(RECORDS)
    ClearingFiles(shape).write(path, totals, RECORDS)
    rows = converted(path, shape)
    assert len(rows) == totals.record_count + 2
    assert sum(int(row["DE4"] or 0) for row in rows) == totals.amount_total_minor
    assert [row["MTI"] + row["DE24"] for row in rows] == [
        "1644697",
        *["1240200"] * 5,
        *("1442450", "1442453", "1442450"),
        *("1740700", "1644691", "1644699"),
        "1644695",
    ]
    assert rows[1]["DE31"] == RECORDS[0].arn  # type: ignore[union-attr]


@every_shape
def test_we_read_what_it_writes_of_our_records(tmp_path: Path, shape: FileShape) -> None:
    ours, theirs = tmp_path / "ours.ipm", tmp_path / "theirs.ipm"
    ClearingFiles(FileShape()).write(ours, totals_of(RECORDS), RECORDS)
    with ours.open("rb") as reading, theirs.open("wb") as writing:
        mci_ipm_encode.mci_ipm_encode(
            reading,
            writing,
            in_encoding="latin_1",
            out_encoding=ENCODINGS[shape.charset],
            in_format="vbs",
            out_format="1014" if shape.is_blocked else "vbs",
        )
    with theirs.open("rb") as file:
        assert shape_of(file) == shape
    assert [one for one in scan(theirs) if not isinstance(one, FileTotals)] == list(RECORDS)


@every_shape
def test_blocks_are_read_by_it_whatever_lies_on_their_edges(tmp_path: Path, shape: FileShape) -> None:
    for count in range(1, 12):
        ClearingFiles(shape).write(tmp_path / "ours", totals_of([RECORDS[0]] * count), [RECORDS[0]] * count)
        with (tmp_path / "ours").open("rb") as file:
            found = list(IpmReader(file, encoding=ENCODINGS[shape.charset], blocked=shape.is_blocked))
        assert len(found) == count + 2


@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("length", [1, 1003, 1004, 1008, 1012, 2020])
def test_its_records_are_ours_byte_by_byte(tmp_path: Path, blocked: bool, length: int) -> None:
    records = [b"A" * length, b"B", b"C" * 1014]
    path = tmp_path / "theirs"
    with path.open("wb") as file, VbsWriter(file, blocked=blocked) as writer:
        for record in records:
            writer.write(record)
    with path.open("rb") as reading:
        assert list(read_records(reading)) == records


def test_private_subelements_beyond_one_element_are_read_from_the_next(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    with path.open("wb") as file, IpmWriter(file) as writer:
        writer.write(
            {
                "MTI": "1644",
                "DE24": "697",
                "DE71": 1,
                "DE93": "900000",
                "DE94": "200001",
                "PDS0105": "X",
                "PDS9001": "clearing",
                "PDS9002": "20260302",
                "PDS0500": "x" * 990,
            }
        )
        writer.write({"MTI": "1644", "DE24": "695", "DE71": 2, "PDS0105": "X", "PDS0301": "0", "PDS0306": "0"})
    *_, totals = scan(path)
    assert isinstance(totals, FileTotals)
    assert (totals.file_id, totals.record_count) == ("X", 0)
