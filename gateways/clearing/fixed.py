"""The fixed-width shape: lines of 168 characters, each a part (TCR) of a transaction, in the manner of TC files.

| TC | What it is |
| --- | --- |
| 90 | header: who sends what to whom |
| 05, 06, 07 | a purchase, a credit, cash: presented |
| 15, 16, 17 | the same, charged back |
| 25, 26, 27 | the same, taken back by its acquirer; with qualifier 1 a chargeback taken back by its issuer |
| 91 | ends a batch: counts its transactions and sums their amounts without sign |
| 92 | ends the file: the same over all batches |

A transaction is TCR 0 (who, what, how much), TCR 1 (where) and, once the network has priced it, TCR 5 and as many TCR 6
as the reasons of its price take. Transactions are
numbered through the file, so that one that is missing or moved shows. The columns are simnet's own, in the manner of
public parsers; characters are printable ASCII or code page 500, and a line ends with a line feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import BinaryIO, Final, Literal

from engine.vocabulary.clearing import Chargeback, ClearingRecord, PresentmentReversal
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import CASH, REFUND, Presentment
from engine.vocabulary.money import ASSET_BY_NUMERIC, ASSETS, Money
from gateways.clearing.elements import EXACT

Charset = Literal["ascii", "ebcdic"]
CODE_PAGES: Final[dict[Charset, str]] = {"ascii": "ascii", "ebcdic": "cp500"}
WIDTH: Final = 168
BATCH: Final = 1_000
"""Transactions of one batch: a total that does not hold is found within so many."""

SALE, CREDIT, CASH_ADVANCE = "05", "06", "07"
CHARGED_BACK, TAKEN_BACK = 10, 20
"""Added to the transaction code of a presentment."""
HEADER, BATCH_END, FILE_END = "90", "91", "92"

_COMPONENTS: Final = re.compile("015?6*")

Layout = tuple[tuple[str, int, bool], ...]
"""Name, width, and whether it is a number (zeros on the left) or text (blanks on the right)."""

_REASONS: Final = 152
"""Characters of what a TCR 6 holds."""
_START: Final[Layout] = (("transaction code", 2, True), ("qualifier", 1, True), ("component", 1, True))
_PLACES: Final[Mapping[str, Layout]] = {
    "header": (
        ("sender", 11, False),
        ("recipient", 11, False),
        ("file identity", 40, False),
        ("kind", 12, False),
        ("business date", 8, True),
    ),
    "0": (
        ("number", 8, True),
        ("account number", 19, False),
        ("acquirer reference number", 23, True),
        ("acquirer", 11, False),
        ("transacted at", 12, True),
        ("amount", 12, True),
        ("currency", 3, True),
        ("processing code", 6, True),
        ("category", 4, True),
        ("point of service", 12, False),
        ("approval code", 6, False),
        ("final", 1, False),
        ("reason code", 4, False),
        ("partial", 1, False),
        ("merchant", 40, False),
    ),
    "1": (
        ("number", 8, True),
        ("terminal", 8, False),
        ("acceptor", 15, False),
        ("network reference", 16, False),
        ("authorized on", 8, False),
        ("merchant, continued", 59, False),
    ),
    "5": (("number", 8, True), ("interchange", 27, False), ("network fee", 27, False), ("rate", 24, False)),
    "6": (("number", 8, True), ("downgrades", _REASONS, False)),
    "end": (
        ("batch", 6, True),
        ("transactions", 8, True),
        ("amount total", 18, True),
        ("file identity", 40, False),
    ),
}
LAYOUTS: Final[Mapping[str, Layout]] = {name: _START + places for name, places in _PLACES.items()}
assert all(sum(width for _, width, _ in layout) <= WIDTH for layout in LAYOUTS.values())


class FixedWriter:
    """Writes a file record by record."""

    def __init__(self, file: BinaryIO, totals: FileTotals, *, charset: Charset = "ascii"):
        self._file = file
        self._code_page = CODE_PAGES[charset]
        self._totals = totals
        self._line = self._number = self._batch = 0
        self._in_batch = self._amount_minor = 0
        self._write(
            "header",
            code=HEADER,
            values={
                "sender": totals.sender_id,
                "recipient": totals.recipient_id,
                "file identity": totals.file_id,
                "kind": totals.kind,
                "business date": f"{totals.business_date:%Y%m%d}",
            },
        )

    def write(self, record: ClearingRecord) -> None:
        """One more record. `FormatError` names a value that no column can carry, or a record without a code here."""
        code, qualifier, item, others = _coded(record, self._line + 1)
        if item.transacted_at.microsecond:
            raise FormatError(f"line {self._line + 1} transacted at", "holds whole seconds only")
        self._number += 1
        self._in_batch += 1
        self._amount_minor += item.amount.amount_minor
        number = str(self._number)
        values = {
            "number": number,
            "account number": item.pan.clear,
            "acquirer reference number": item.arn,
            "acquirer": item.acquirer_id,
            "transacted at": f"{item.transacted_at.astimezone(UTC):%y%m%d%H%M%S}",
            "amount": str(item.amount.amount_minor),
            "currency": ASSETS[item.amount.asset].numeric,
            "processing code": item.processing_code,
            "category": item.mcc,
            "point of service": item.pos_entry_mode,
            "approval code": item.approval_code or "",
            "final": "Y" if item.is_final else "N",
            "merchant": item.merchant_name[:40],
            **others,
        }
        self._write("0", code=code, qualifier=qualifier, component="0", values=values)
        where = {
            "number": number,
            "terminal": item.terminal_id,
            "acceptor": item.merchant_id,
            "network reference": item.network_reference or "",
            "authorized on": "" if item.authorized_on is None else f"{item.authorized_on:%Y%m%d}",
            "merchant, continued": item.merchant_name[40:],
        }
        self._write("1", code=code, qualifier=qualifier, component="1", values=where)
        if item.interchange is not None or item.network_fee is not None or item.rate is not None:
            price = {
                "number": number,
                "interchange": item.interchange or "",
                "network fee": item.network_fee or "",
                "rate": item.rate or "",
            }
            self._write("5", code=code, qualifier=qualifier, component="5", values=price)
        reasons = item.downgrades or ""
        for start in range(0, len(reasons), _REASONS):
            values = {"number": number, "downgrades": reasons[start : start + _REASONS]}
            self._write("6", code=code, qualifier=qualifier, component="6", values=values)
        if self._in_batch == BATCH:
            self._end_batch()

    def close(self) -> None:
        """The last batch's end, and the file's."""
        if self._in_batch:
            self._end_batch()
        self._write_end(FILE_END, self._batch, self._totals.record_count, self._totals.amount_total_minor)

    def _end_batch(self) -> None:
        self._batch += 1
        self._write_end(BATCH_END, self._batch, self._in_batch, self._amount_minor)
        self._in_batch = self._amount_minor = 0

    def _write_end(self, code: str, batch: int, count: int, amount_minor: int) -> None:
        values = {
            "batch": str(batch),
            "transactions": str(count),
            "amount total": str(amount_minor),
            "file identity": self._totals.file_id,
        }
        self._write("end", code=code, values=values)

    def _write(
        self, layout: str, *, code: str, values: Mapping[str, str], qualifier: str = "0", component: str = "0"
    ) -> None:
        self._line += 1
        start = {"transaction code": code, "qualifier": qualifier, "component": component}
        pieces = []
        for name, width, is_number in LAYOUTS[layout]:
            value = start.get(name) or values.get(name, "")
            if len(value) > width:
                raise FormatError(f"line {self._line} {name}", f"is longer than {width} characters")
            if is_number and value and not (value.isascii() and value.isdecimal()):
                raise FormatError(f"line {self._line} {name}", "is not a number")
            if not (value.isascii() and value.isprintable()) and value:
                raise FormatError(f"line {self._line} {name}", "holds characters that are not printable ASCII")
            pieces.append(value.rjust(width, "0") if is_number else value.ljust(width))
        line = "".join(pieces).ljust(WIDTH) + "\n"
        self._file.write(line.encode(self._code_page))


def charset_of(file: BinaryIO) -> Charset | None:
    """The charset of a fixed-width file by its first transaction code; None for a file that is none. The place in the
    file stays as it is."""
    place = file.tell()
    start = file.read(2)
    file.seek(place)
    return "ascii" if start == b"90" else "ebcdic" if start == b"\xf9\xf0" else None


def scan(file: BinaryIO, charset: Charset) -> Iterator[ClearingRecord | FileTotals]:
    """What the header claims, then transaction by transaction, then what the file's end claims. `FormatError` names
    line and column of whatever is malformed."""
    lines = _lines(file, CODE_PAGES[charset])
    header = next(lines, None)
    if header is None or header.code != HEADER:
        raise FormatError("header", "is missing")
    claimed = _read_header(header)
    yield claimed
    number = batch = in_batch = amount_minor = 0
    waiting = next(lines, None)
    while waiting is not None and waiting.code not in (BATCH_END, FILE_END):
        parts = [waiting]
        while (waiting := next(lines, None)) is not None and waiting.component != "0":
            parts.append(waiting)
        number += 1
        in_batch += 1
        record, item = _record(parts, number, claimed.business_date)
        amount_minor += item.amount.amount_minor
        yield record
        if waiting is not None and waiting.code == BATCH_END:
            batch += 1
            _check_end(waiting, claimed, batch, in_batch, amount_minor)
            in_batch = amount_minor = 0
            waiting = next(lines, None)
    if waiting is None or waiting.code != FILE_END or in_batch:
        raise FormatError("end of file", "is missing, or stands before its batch's")
    if waiting.number("batch") != batch:
        raise waiting.fault("batch", f"is not the {batch} batches of the file")
    if waiting.text("file identity") != claimed.file_id:
        raise waiting.fault("file identity", "is not that of the header")
    yield FileTotals(
        file_id=claimed.file_id,
        kind=claimed.kind,
        sender_id=claimed.sender_id,
        recipient_id=claimed.recipient_id,
        business_date=claimed.business_date,
        record_count=waiting.number("transactions"),
        amount_total_minor=waiting.number("amount total"),
    )
    if next(lines, None) is not None:
        raise FormatError("end of file", "has lines after it")


class _Line:
    """One line, its columns taken or refused by line number and name."""

    __slots__ = ("_number", "_values", "code", "component", "qualifier")

    def __init__(self, number: int, text: str) -> None:
        self._number = number
        self.code, self.qualifier, self.component = text[:2], text[2], text[3]
        ends = {HEADER: "header", BATCH_END: "end", FILE_END: "end"}
        layout = LAYOUTS.get(ends.get(self.code, self.component))
        if layout is None:
            raise FormatError(f"line {number} component", "is none of 0, 1, 5 and 6")
        self._values: dict[str, str] = {}
        at = 0
        for name, width, is_number in layout:
            value = text[at : at + width]
            at += width
            if is_number and not (value.isascii() and value.isdecimal()):
                raise FormatError(f"line {number} {name}", "is not a number")
            self._values[name] = value if is_number else value.rstrip()
        if text[at:].strip():
            raise FormatError(f"line {number}", "has characters beyond its last column")

    def fault(self, name: str, reason: str) -> FormatError:
        return FormatError(f"line {self._number} {name}", reason)

    def text(self, name: str) -> str:
        return self._values[name]

    def optional(self, name: str) -> str | None:
        return self._values[name] or None

    def number(self, name: str) -> int:
        return int(self._values[name])

    def date(self, name: str) -> date:
        try:
            return datetime.strptime(self._values[name].rjust(8, "x"), "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError:
            raise self.fault(name, "is not a date of the form 20260302") from None

    def flag(self, name: str) -> bool:
        value = self._values[name]
        if value not in ("Y", "N"):
            raise self.fault(name, "is neither Y nor N")
        return value == "Y"

    def exact(self, name: str) -> str | None:
        value = self.optional(name)
        if value is not None and not EXACT.fullmatch(value):
            raise self.fault(name, "is not an amount with six decimals")
        return value


def _lines(file: BinaryIO, code_page: str) -> Iterator[_Line]:
    number = 0
    while content := file.read(WIDTH + 1):
        number += 1
        try:
            text = content.decode(code_page)
        except UnicodeDecodeError:
            raise FormatError(f"line {number}", "holds bytes that are no characters") from None
        if len(text) <= WIDTH or text[-1] != "\n":
            raise FormatError(f"line {number}", f"is not {WIDTH} characters and a line feed")
        if not (text[:-1].isascii() and text[:-1].isprintable()):
            raise FormatError(f"line {number}", "holds characters that are not printable ASCII")
        yield _Line(number, text[:-1])


def _read_header(line: _Line) -> FileTotals:
    return FileTotals(
        file_id=line.text("file identity"),
        kind=line.text("kind"),
        sender_id=line.text("sender"),
        recipient_id=line.text("recipient"),
        business_date=line.date("business date"),
        record_count=0,
        amount_total_minor=0,
    )


def _check_end(line: _Line, claimed: FileTotals, batch: int, count: int, amount_minor: int) -> None:
    for name, found in (("batch", batch), ("transactions", count), ("amount total", amount_minor)):
        if line.number(name) != found:
            raise line.fault(name, "is not what the batch comes to")
    if line.text("file identity") != claimed.file_id:
        raise line.fault("file identity", "is not that of the header")


def _coded(record: ClearingRecord, line: int) -> tuple[str, str, Presentment, dict[str, str]]:
    """Transaction code, qualifier, the item, and what a chargeback says besides."""
    match record:
        case Presentment():
            return _code_of(record, 0), "0", record, {}
        case PresentmentReversal():
            return _code_of(record.presentment, TAKEN_BACK), "0", record.presentment, {}
        case Chargeback():
            others = {"reason code": record.reason_code, "partial": "P" if record.is_partial else ""}
            if record.is_reversal:
                return _code_of(record.presentment, TAKEN_BACK), "1", record.presentment, others
            return _code_of(record.presentment, CHARGED_BACK), "0", record.presentment, others
    raise FormatError(f"line {line} transaction code", "there is none for fees and rejects in this shape of file")


def _code_of(item: Presentment, added: int) -> str:
    codes = {REFUND: CREDIT, CASH: CASH_ADVANCE}
    return f"{int(codes.get(item.processing_code[:2], SALE)) + added:02d}"


def _record(parts: list[_Line], number: int, business_date: date) -> tuple[ClearingRecord, Presentment]:
    first = parts[0]
    components = "".join(part.component for part in parts)
    if not _COMPONENTS.fullmatch(components):
        raise first.fault("component", "is not followed by 1, and maybe 5 and 6")
    for part in parts:
        if (part.code, part.qualifier) != (first.code, first.qualifier):
            raise part.fault("transaction code", "is not that of its component 0")
        if part.number("number") != number:
            raise part.fault("number", "is not the transaction's in the file")
    price = next((part for part in parts if part.component == "5"), None)
    reasons = "".join(part.text("downgrades").ljust(_REASONS) for part in parts if part.component == "6").rstrip()
    item = _read_item(first, parts[1], price, reasons or None, business_date)
    added = int(first.code) - int(_code_of(item, 0))
    reason, partial = first.text("reason code"), first.text("partial")
    if added == CHARGED_BACK or (added == TAKEN_BACK and first.qualifier == "1"):
        if not reason.isdecimal() or partial not in ("", "P"):
            raise first.fault("reason code", "is not four digits, followed by P or a blank")
        is_reversal = added == TAKEN_BACK
        return Chargeback(
            presentment=item, reason_code=reason, is_partial=partial == "P", is_reversal=is_reversal
        ), item
    if reason or partial or first.qualifier != "0" or added not in (0, TAKEN_BACK):
        raise first.fault("transaction code", "does not go with the processing code, qualifier or reason code")
    return (PresentmentReversal(presentment=item) if added else item), item


def _read_item(
    first: _Line, where: _Line, price: _Line | None, downgrades: str | None, business_date: date
) -> Presentment:
    asset = ASSET_BY_NUMERIC.get(first.text("currency"))
    if asset is None:
        raise first.fault("currency", "is not a currency of this network")
    try:
        pan = Pan(first.text("account number"))
    except ValueError as error:
        raise first.fault("account number", str(error)) from None
    try:
        transacted_at = datetime.strptime("20" + first.text("transacted at"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise first.fault("transacted at", "is not a date and time") from None
    return Presentment(
        arn=first.text("acquirer reference number"),
        network_reference=where.optional("network reference"),
        acquirer_id=first.text("acquirer"),
        pan=pan,
        processing_code=first.text("processing code"),
        amount=Money(first.number("amount"), asset.code),
        transacted_at=transacted_at,
        authorized_on=where.date("authorized on") if where.text("authorized on") else None,
        approval_code=first.optional("approval code"),
        pos_entry_mode=first.text("point of service"),
        mcc=first.text("category"),
        terminal_id=where.text("terminal"),
        merchant_id=where.text("acceptor"),
        merchant_name=(first.text("merchant").ljust(40) + where.text("merchant, continued")).rstrip(),
        business_date=business_date,
        is_final=first.flag("final"),
        interchange=None if price is None else price.exact("interchange"),
        network_fee=None if price is None else price.exact("network fee"),
        rate=None if price is None else price.optional("rate"),
        downgrades=downgrades,
    )
