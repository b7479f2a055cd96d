"""Clearing files: presentments between members and the network, in the shape of an IPM file.

Records are ISO 8583 messages of the dialect `simnet_file`: 1644 with function code 697 (header), 1240 with 200 (a
presentment) for each, 1644 with 695 (trailer). Each stands behind its length, four bytes, most significant first (VBS);
a length of zero ends the file. DE 71 numbers all records from 1, so that one that is missing or moved shows; the
trailer's PDS 0306 and 0301 are their count and the sum of all DE 4 without sign.

What the standard has no element for travels in DE 48 as PDS: four digits of tag, three of length, the value. Tags below
9000 are those of the public IPM parsers, the others ours. A file that is cut, has bytes after its end, or whose numbers
or totals do not hold is refused whole, by record and element. Card numbers are clear in it, as the standard has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import Presentment
from engine.vocabulary.money import ASSET_BY_NUMERIC, ASSETS, Money
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.specifications import SIMNET_FILE

LENGTH_BYTES: Final = 4
MAX_RECORD_BYTES: Final = 4096
"""All elements of a presentment at their longest have less."""
MAX_RECORDS: Final = 99_999_999
"""DE 71 has eight digits."""

HEADER: Final = ("1644", "697")
PRESENTMENT: Final = ("1240", "200")
TRAILER: Final = ("1644", "695")
"""Message type and DE 24, function code."""

FILE_ID: Final = "0105"
AMOUNT_TOTAL: Final = "0301"
RECORD_COUNT: Final = "0306"
FILE_KIND: Final = "9001"
BUSINESS_DATE: Final = "9002"
AUTHORIZED_ON: Final = "9003"
IS_FINAL: Final = "9004"
INTERCHANGE: Final = "9005"
NETWORK_FEE: Final = "9006"

_EXACT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{6}")
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_FLAGS: Final = {"Y": True, "N": False}


class ClearingFiles:
    """The port `ClearingFormat`, as IPM-like files."""

    def write(self, path: Path, totals: FileTotals, presentments: Iterable[Presentment]) -> None:
        """Write a whole file.

        The presentments are taken one by one, and must be as many and of such amounts as `totals` says, and of its
        business date. `FormatError` names a value that no element can carry.
        """
        assert totals.record_count + 2 <= MAX_RECORDS, "more records than DE 71 can number"
        number, amount_minor = 1, 0
        with path.open("wb") as file:
            _write_record(file, _header(totals))
            for presentment in presentments:
                assert presentment.business_date == totals.business_date, "a file holds the items of one clearing date"
                number += 1
                amount_minor += presentment.amount.amount_minor
                _write_record(file, _fields(presentment, number))
            assert number == totals.record_count + 1, "the file's count is not that of its presentments"
            assert amount_minor == totals.amount_total_minor, "the file's total is not that of its presentments"
            _write_record(file, _trailer(totals))
            file.write(bytes(LENGTH_BYTES))

    def read(self, path: Path) -> tuple[FileTotals, list[Presentment]]:
        """Read a whole file; see `engine.ports.ClearingFormat`."""
        with path.open("rb") as file:
            records = _records(file)
            claimed = _read_header(next(records))
            presentments: list[Presentment] = []
            for record in records:
                if record.is_a(PRESENTMENT):
                    presentments.append(_presentment(record, claimed.business_date))
                else:
                    totals = _read_trailer(record, claimed, presentments)
                    for more in records:
                        raise more.fault("MTI", "stands after the trailer")
                    return totals, presentments
        raise FormatError("trailer", "is missing")


class _Record:
    """The elements of one record, each taken or refused by record number and name."""

    __slots__ = ("_fields", "_number", "_pds")

    def __init__(self, number: int, fields: Fields) -> None:
        self._number = number
        self._fields = fields
        if self.need("71") != f"{number:08d}":
            raise self.fault("DE 71", "is not the record's number in the file")
        self._pds = self._split(fields.get("48", ""))

    def is_a(self, kind: tuple[str, str]) -> bool:
        """Whether message type and function code are these."""
        return (self._fields["t"], self._fields.get("24")) == kind

    def fault(self, element: str, reason: str) -> FormatError:
        """An error of this record's element."""
        return FormatError(f"record {self._number} {element}", reason)

    def get(self, element: str) -> str | None:
        """The element without the blanks that fill it up; None if it is not there."""
        value = self._fields.get(element)
        return None if value is None else value.rstrip()

    def need(self, element: str) -> str:
        value = self.get(element)
        if value is None:
            raise self.fault(f"DE {element}", "is missing")
        return value

    def get_pds(self, tag: str) -> str | None:
        return self._pds.get(tag)

    def need_pds(self, tag: str) -> str:
        value = self._pds.get(tag)
        if value is None:
            raise self.fault(f"PDS {tag}", "is missing")
        return value

    def date(self, tag: str, text: str) -> date:
        try:
            return datetime.strptime(text.rjust(8), "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError:
            raise self.fault(f"PDS {tag}", "is not a date of the form 20260302") from None

    def number(self, tag: str) -> int:
        text = self.need_pds(tag)
        if not _COUNT.fullmatch(text):
            raise self.fault(f"PDS {tag}", "is not a number")
        return int(text)

    def exact(self, tag: str) -> str | None:
        text = self.get_pds(tag)
        if text is not None and not _EXACT.fullmatch(text):
            raise self.fault(f"PDS {tag}", "is not an amount with six decimals")
        return text

    def instant(self) -> datetime:
        """DE 12, YYMMDDhhmmss. UTC; this network began in 2000."""
        try:
            return datetime.strptime("20" + self.need("12"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            raise self.fault("DE 12", "is not a date and time") from None

    def amount(self) -> Money:
        asset = ASSET_BY_NUMERIC.get(self.need("49"))
        if asset is None:
            raise self.fault("DE 49", "is not a currency of this network")
        return Money(int(self.need("4")), asset.code)

    def pan(self) -> Pan:
        try:
            return Pan(self.need("2"))
        except ValueError as error:
            raise self.fault("DE 2", str(error)) from None

    def _split(self, value: str) -> dict[str, str]:
        found: dict[str, str] = {}
        start = 0
        while start < len(value):
            tag, length = value[start : start + 4], value[start + 4 : start + 7]
            if len(length) < 3 or not (tag + length).isdecimal():
                raise self.fault("DE 48", "is not a row of PDS with four-digit tags and three-digit lengths")
            start += 7 + int(length)
            if start > len(value):
                raise self.fault(f"PDS {tag}", "is longer than what is left of DE 48")
            if tag in found:
                raise self.fault(f"PDS {tag}", "is there twice")
            found[tag] = value[start - int(length) : start]
        return found


def _write_record(file: BinaryIO, fields: Fields) -> None:
    try:
        record = encode(fields, SIMNET_FILE)
    except FormatError as fault:
        raise FormatError(f"record {int(fields['71'])} {fault.element}", fault.reason) from None
    file.write(len(record).to_bytes(LENGTH_BYTES, "big") + record)


def _records(file: BinaryIO) -> Iterator[_Record]:
    """The records of a file that ends where it says; at least one."""
    number = 0
    while True:
        number += 1
        prefix = file.read(LENGTH_BYTES)
        if len(prefix) < LENGTH_BYTES:
            raise FormatError(f"record {number} length", "is cut off")
        length = int.from_bytes(prefix, "big")
        if length == 0:
            break
        if length > MAX_RECORD_BYTES:
            raise FormatError(f"record {number} length", f"is more than {MAX_RECORD_BYTES} bytes")
        content = file.read(length)
        if len(content) < length:
            raise FormatError(f"record {number}", "is cut off")
        try:
            fields = decode(content, SIMNET_FILE)
        except FormatError as fault:
            raise FormatError(f"record {number} {fault.element}", fault.reason, fault.offset) from None
        yield _Record(number, fields)
    if number == 1:
        raise FormatError("header", "is missing")
    if file.read(1):
        raise FormatError("end of file", "has bytes after it")


def _pds(parts: dict[str, str | None]) -> Fields:
    return {"48": "".join(f"{tag}{len(value):03d}{value}" for tag, value in parts.items() if value is not None)}


def _header(totals: FileTotals) -> Fields:
    parts: dict[str, str | None] = {
        FILE_ID: totals.file_id, FILE_KIND: totals.kind, BUSINESS_DATE: f"{totals.business_date:%Y%m%d}"
    }  # fmt: skip
    return {
        "t": HEADER[0],
        "24": HEADER[1],
        **_pds(parts),
        "71": f"{1:08d}",
        "93": totals.recipient_id,
        "94": totals.sender_id,
    }


def _trailer(totals: FileTotals) -> Fields:
    parts: dict[str, str | None] = {
        FILE_ID: totals.file_id,
        AMOUNT_TOTAL: str(totals.amount_total_minor),
        RECORD_COUNT: str(totals.record_count),
    }
    return {"t": TRAILER[0], "24": TRAILER[1], **_pds(parts), "71": f"{totals.record_count + 2:08d}"}


def _read_header(record: _Record) -> FileTotals:
    """What the header claims; count and total are the trailer's to say."""
    if not record.is_a(HEADER):
        raise record.fault("MTI", "is not the header that a file begins with")
    return FileTotals(
        file_id=record.need_pds(FILE_ID),
        kind=record.need_pds(FILE_KIND),
        sender_id=record.need("94"),
        recipient_id=record.need("93"),
        business_date=record.date(BUSINESS_DATE, record.need_pds(BUSINESS_DATE)),
        record_count=0,
        amount_total_minor=0,
    )


def _read_trailer(record: _Record, claimed: FileTotals, presentments: list[Presentment]) -> FileTotals:
    if not record.is_a(TRAILER):
        raise record.fault("MTI", "is neither a presentment nor the trailer")
    if record.need_pds(FILE_ID) != claimed.file_id:
        raise record.fault(f"PDS {FILE_ID}", "is not that of the header")
    if record.number(RECORD_COUNT) != len(presentments):
        raise record.fault(f"PDS {RECORD_COUNT}", f"is not the {len(presentments)} presentments of the file")
    amount_total_minor = sum(presentment.amount.amount_minor for presentment in presentments)
    if record.number(AMOUNT_TOTAL) != amount_total_minor:
        raise record.fault(f"PDS {AMOUNT_TOTAL}", "is not the sum of the presentments")
    return FileTotals(
        file_id=claimed.file_id,
        kind=claimed.kind,
        sender_id=claimed.sender_id,
        recipient_id=claimed.recipient_id,
        business_date=claimed.business_date,
        record_count=len(presentments),
        amount_total_minor=amount_total_minor,
    )


def _fields(item: Presentment, number: int) -> Fields:
    if item.transacted_at.microsecond:
        raise FormatError(f"record {number} DE 12", "holds whole seconds only")
    fields = {
        "t": PRESENTMENT[0],
        "2": item.pan.clear,
        "3": item.processing_code,
        "4": f"{item.amount.amount_minor:012d}",
        "12": f"{item.transacted_at.astimezone(UTC):%y%m%d%H%M%S}",
        "22": item.pos_entry_mode,
        "24": PRESENTMENT[1],
        "26": item.mcc,
        "31": item.arn,
        "41": item.terminal_id.ljust(8),
        "42": item.merchant_id.ljust(15),
        "43": item.merchant_name,
        "49": ASSETS[item.amount.asset].numeric,
        "71": f"{number:08d}",
        "94": item.acquirer_id,
        **_pds(
            {
                AUTHORIZED_ON: None if item.authorized_on is None else f"{item.authorized_on:%Y%m%d}",
                IS_FINAL: "Y" if item.is_final else "N",
                INTERCHANGE: item.interchange,
                NETWORK_FEE: item.network_fee,
            }
        ),
    }
    if item.approval_code is not None:
        fields["38"] = item.approval_code
    if item.network_reference is not None:
        fields["63"] = item.network_reference
    return fields


def _presentment(record: _Record, business_date: date) -> Presentment:
    is_final = _FLAGS.get(record.need_pds(IS_FINAL))
    if is_final is None:
        raise record.fault(f"PDS {IS_FINAL}", "is neither Y nor N")
    authorized_on = record.get_pds(AUTHORIZED_ON)
    return Presentment(
        arn=record.need("31"),
        network_reference=record.get("63"),
        acquirer_id=record.need("94"),
        pan=record.pan(),
        processing_code=record.need("3"),
        amount=record.amount(),
        transacted_at=record.instant(),
        authorized_on=None if authorized_on is None else record.date(AUTHORIZED_ON, authorized_on),
        approval_code=record.get("38"),
        pos_entry_mode=record.need("22"),
        mcc=record.need("26"),
        terminal_id=record.need("41"),
        merchant_id=record.need("42"),
        merchant_name=record.need("43"),
        business_date=business_date,
        is_final=is_final,
        interchange=record.exact(INTERCHANGE),
        network_fee=record.exact(NETWORK_FEE),
    )
