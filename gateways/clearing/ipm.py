"""The IPM-like shape: every record an ISO 8583 message of the dialect `simnet_file`, in ASCII or EBCDIC.

| Message | DE 24 | What it is |
| --- | --- | --- |
| 1644 | 697 | header: PDS 0105 names the file, 9001 its kind, 9002 the clearing date; DE 94 sends it, DE 93 gets it |
| 1240 | 200 | a presentment; with PDS 0025 it is taken back |
| 1442 | 450, 453 | a chargeback, of all or of a part; with PDS 0025 it is taken back |
| 1740 | 700 | a fee that one member collects from another |
| 1644 | 691 | an item that the network does not take |
| 1644 | 699 | a file that the network does not take |
| 1644 | 695 | trailer: PDS 0306 counts the records between header and trailer, 0301 sums all DE 4 without sign |

DE 71 numbers all records from 1, so that one that is missing or moved shows. PDS tags below 9000 are those of the
public IPM parsers, the others ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import BinaryIO, Final, Literal

from engine.vocabulary.clearing import (
    Chargeback,
    ClearingRecord,
    FeeCollection,
    FileReject,
    MessageReject,
    PresentmentReversal,
)
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.messages import Presentment
from gateways.clearing.elements import Elements, money, pds
from gateways.clearing.vbs import RecordWriter, read_records
from gateways.iso8583.codec import Fields, decode, encode
from gateways.iso8583.specifications import EBCDIC_FILE, SIMNET_FILE, Specification

Charset = Literal["ascii", "ebcdic"]
DIALECTS: Final[dict[Charset, Specification]] = {"ascii": SIMNET_FILE, "ebcdic": EBCDIC_FILE}
MAX_RECORDS: Final = 99_999_999
"""DE 71 has eight digits."""

HEADER: Final = ("1644", "697")
TRAILER: Final = ("1644", "695")
PRESENTMENT: Final = ("1240", "200")
CHARGEBACK: Final = ("1442", "450")
PARTIAL_CHARGEBACK: Final = ("1442", "453")
FEE_COLLECTION: Final = ("1740", "700")
MESSAGE_REJECT: Final = ("1644", "691")
FILE_REJECT: Final = ("1644", "699")

REVERSAL: Final = "0025"
FILE_ID: Final = "0105"
AMOUNT_TOTAL: Final = "0301"
RECORD_COUNT: Final = "0306"
FILE_KIND: Final = "9001"
BUSINESS_DATE: Final = "9002"
AUTHORIZED_ON: Final = "9003"
IS_FINAL: Final = "9004"
INTERCHANGE: Final = "9005"
NETWORK_FEE: Final = "9006"
RATE: Final = "9007"
DOWNGRADES: Final = "9008"
FILE_NAME: Final = "9009"


class IpmWriter:
    """Writes a file record by record."""

    def __init__(self, file: BinaryIO, totals: FileTotals, *, charset: Charset = "ascii", is_blocked: bool = False):
        assert totals.record_count + 2 <= MAX_RECORDS, "more records than DE 71 can number"
        self._records = RecordWriter(file, is_blocked=is_blocked)
        self._dialect = DIALECTS[charset]
        self._totals = totals
        self._number = 0
        self._write(_header(totals))

    def write(self, record: ClearingRecord) -> None:
        """One more record. `FormatError` names a value that no element can carry."""
        self._write(_fields(record, self._number + 1))

    def close(self) -> None:
        """The trailer, and the end."""
        self._write(_trailer(self._totals))
        self._records.close()

    def _write(self, fields: Fields) -> None:
        self._number += 1
        fields["71"] = f"{self._number:08d}"
        try:
            record = encode(fields, self._dialect)
        except FormatError as fault:
            raise FormatError(f"record {self._number} {fault.element}", fault.reason) from None
        self._records.write(record)


def charset_of(file: BinaryIO) -> Charset | None:
    """The charset of an IPM-like file by its first message type; None for a file that is none. The place in the file
    stays as it is."""
    place = file.tell()
    start = file.read(8)[4:]
    file.seek(place)
    return "ascii" if start == b"1644" else "ebcdic" if start == b"\xf1\xf6\xf4\xf4" else None


def scan(file: BinaryIO, charset: Charset) -> Iterator[ClearingRecord | FileTotals]:
    """What the header claims, then record by record, then what the trailer claims. `FormatError` names record and
    element of whatever is malformed."""
    dialect = DIALECTS[charset]
    claimed: FileTotals | None = None
    is_ended = False
    for number, record in enumerate(read_records(file), 1):
        try:
            elements = Elements(number, decode(record, dialect))
        except FormatError as fault:
            if fault.element.startswith("record "):
                raise
            raise FormatError(f"record {number} {fault.element}", fault.reason, fault.offset) from None
        if claimed is None:
            claimed = _read_header(elements)
            yield claimed
        elif is_ended:
            raise elements.fault("MTI", "stands after the trailer")
        elif elements.kind == TRAILER:
            is_ended = True
            yield _read_trailer(elements, claimed)
        else:
            yield _record(elements, claimed.business_date)
    if not is_ended:
        raise FormatError("trailer", "is missing")


def _header(totals: FileTotals) -> Fields:
    parts: dict[str, str | None] = {
        FILE_ID: totals.file_id,
        FILE_KIND: totals.kind,
        BUSINESS_DATE: f"{totals.business_date:%Y%m%d}",
    }
    return {"t": HEADER[0], "24": HEADER[1], **pds(parts), "93": totals.recipient_id, "94": totals.sender_id}


def _trailer(totals: FileTotals) -> Fields:
    parts: dict[str, str | None] = {
        FILE_ID: totals.file_id,
        AMOUNT_TOTAL: str(totals.amount_total_minor),
        RECORD_COUNT: str(totals.record_count),
    }
    return {"t": TRAILER[0], "24": TRAILER[1], **pds(parts)}


def _read_header(record: Elements) -> FileTotals:
    if record.kind != HEADER:
        raise record.fault("MTI", "is not the header that a file begins with")
    return FileTotals(
        file_id=record.need_pds(FILE_ID),
        kind=record.need_pds(FILE_KIND),
        sender_id=record.need("94"),
        recipient_id=record.need("93"),
        business_date=record.need_date(BUSINESS_DATE),
        record_count=0,
        amount_total_minor=0,
    )


def _read_trailer(record: Elements, claimed: FileTotals) -> FileTotals:
    if record.need_pds(FILE_ID) != claimed.file_id:
        raise record.fault(f"PDS {FILE_ID}", "is not that of the header")
    return FileTotals(
        file_id=claimed.file_id,
        kind=claimed.kind,
        sender_id=claimed.sender_id,
        recipient_id=claimed.recipient_id,
        business_date=claimed.business_date,
        record_count=record.count(RECORD_COUNT),
        amount_total_minor=record.count(AMOUNT_TOTAL),
    )


def _fields(record: ClearingRecord, number: int) -> Fields:
    match record:
        case Presentment():
            return _item(record, PRESENTMENT, number, reversal=None)
        case PresentmentReversal():
            return _item(record.presentment, PRESENTMENT, number, reversal="R")
        case Chargeback():
            kind = PARTIAL_CHARGEBACK if record.is_partial else CHARGEBACK
            reversal = "R" if record.is_reversal else None
            return {**_item(record.presentment, kind, number, reversal=reversal), "25": record.reason_code}
        case FeeCollection():
            return {
                "t": FEE_COLLECTION[0],
                "24": FEE_COLLECTION[1],
                **money(record.amount),
                "25": record.reason_code,
                "31": record.fee_id,
                **pds({REVERSAL: "R" if record.is_reversal else None}),
                "72": record.text,
                "93": record.recipient_id,
                "94": record.sender_id,
            }
        case MessageReject():
            return {
                "t": MESSAGE_REJECT[0],
                "24": MESSAGE_REJECT[1],
                **money(record.amount),
                "31": record.arn,
                "72": record.reason,
                "94": record.acquirer_id,
            }
        case FileReject():
            return {
                "t": FILE_REJECT[0],
                "24": FILE_REJECT[1],
                **pds({FILE_NAME: record.name}),
                "72": record.reason,
                "94": record.sender_id,
            }


def _item(item: Presentment, kind: tuple[str, str], number: int, *, reversal: str | None) -> Fields:
    if item.transacted_at.microsecond:
        raise FormatError(f"record {number} DE 12", "holds whole seconds only")
    fields = {
        "t": kind[0],
        "2": item.pan.clear,
        "3": item.processing_code,
        **money(item.amount),
        "12": _instant(item.transacted_at),
        "22": item.pos_entry_mode,
        "24": kind[1],
        "26": item.mcc,
        "31": item.arn,
        "41": item.terminal_id.ljust(8),
        "42": item.merchant_id.ljust(15),
        "43": item.merchant_name,
        "94": item.acquirer_id,
        **pds(
            {
                REVERSAL: reversal,
                AUTHORIZED_ON: None if item.authorized_on is None else item.authorized_on.isoformat().replace("-", ""),
                IS_FINAL: "Y" if item.is_final else "N",
                INTERCHANGE: item.interchange,
                NETWORK_FEE: item.network_fee,
                RATE: item.rate,
                DOWNGRADES: item.downgrades,
            }
        ),
    }
    if item.approval_code is not None:
        fields["38"] = item.approval_code
    if item.network_reference is not None:
        fields["63"] = item.network_reference
    return fields


def _instant(at: datetime) -> str:
    """DE 12. By hand, which is thrice as quick as a format."""
    at = at.astimezone(UTC)
    return f"{at.year % 100:02d}{at.month:02d}{at.day:02d}{at.hour:02d}{at.minute:02d}{at.second:02d}"


def _record(record: Elements, business_date: date) -> ClearingRecord:
    kind = record.kind
    if kind == PRESENTMENT:
        item = _read_item(record, business_date)
        return PresentmentReversal(presentment=item) if _is_reversal(record) else item
    if kind in (CHARGEBACK, PARTIAL_CHARGEBACK):
        return Chargeback(
            presentment=_read_item(record, business_date),
            reason_code=record.need("25"),
            is_partial=kind == PARTIAL_CHARGEBACK,
            is_reversal=_is_reversal(record),
        )
    if kind == FEE_COLLECTION:
        return FeeCollection(
            fee_id=record.need("31"),
            sender_id=record.need("94"),
            recipient_id=record.need("93"),
            amount=record.amount(),
            reason_code=record.need("25"),
            text=record.need("72"),
            business_date=business_date,
            is_reversal=_is_reversal(record),
        )
    if kind == MESSAGE_REJECT:
        return MessageReject(
            arn=record.need("31"),
            amount=record.amount(),
            acquirer_id=record.need("94"),
            reason=record.need("72"),
            business_date=business_date,
        )
    if kind == FILE_REJECT:
        return FileReject(
            name=record.need_pds(FILE_NAME),
            sender_id=record.need("94"),
            reason=record.need("72"),
            business_date=business_date,
        )
    raise record.fault("MTI", "is, with DE 24, no record of a clearing file")


def _is_reversal(record: Elements) -> bool:
    value = record.get_pds(REVERSAL)
    if value not in (None, "R"):
        raise record.fault(f"PDS {REVERSAL}", "is not R")
    return value == "R"


_ITEM: Final = itemgetter("2", "3", "12", "22", "26", "31", "41", "42", "43", "94")
"""What every presentment has."""


def _read_item(record: Elements, business_date: date) -> Presentment:
    pan, code, at, entry, mcc, arn, terminal, acceptor, name, acquirer = record.needed(_ITEM)
    return Presentment(
        arn=arn.rstrip(),
        network_reference=record.get("63"),
        acquirer_id=acquirer,
        pan=record.pan(pan),
        processing_code=code,
        amount=record.amount(),
        transacted_at=record.instant(at),
        authorized_on=record.get_date(AUTHORIZED_ON),
        approval_code=record.get("38"),
        pos_entry_mode=entry,
        mcc=mcc,
        terminal_id=terminal.rstrip(),
        merchant_id=acceptor.rstrip(),
        merchant_name=name.rstrip(),
        business_date=business_date,
        is_final=record.flag(IS_FINAL),
        interchange=record.exact(INTERCHANGE),
        network_fee=record.exact(NETWORK_FEE),
        rate=record.get_pds(RATE),
        downgrades=record.get_pds(DOWNGRADES),
    )
