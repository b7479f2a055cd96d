"""Settlement files: one record a line, fields between bars, so that a person can read them and a wrong byte shows.

    H|<kind>|1|<the document's fields, in the order in which the vocabulary declares them>
    D|<a line's fields>                                            for each line of the document
    T|<record count>|<sum of the amounts without sign>

Strict both ways: what is read is exactly what this module would write. A file that is cut, has a line too many, or
whose trailer, sums or identities do not hold is refused whole, by line and field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

from engine.vocabulary.errors import FormatError
from engine.vocabulary.settlement import (
    BankStatement,
    D,
    Exact,
    InstructionLine,
    PayoutInstructions,
    PayoutLine,
    SettlementDocument,
    SettlementInstruction,
    SettlementReport,
    StatementLine,
)

VERSION = "1"
MAX_FILE_BYTES = 64 * 1024 * 1024
"""A larger file is not read into memory: nobody has that many members or merchants."""

_TEXT = re.compile(r"[\x21-\x7b\x7d\x7e]([\x20-\x7b\x7d\x7e]*[\x21-\x7b\x7d\x7e])?")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_EXACT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{6}")

_LINES: Mapping[type, type | None] = {
    SettlementReport: None,
    SettlementInstruction: InstructionLine,
    BankStatement: StatementLine,
    PayoutInstructions: PayoutLine,
}
"""The kind of line that each document has."""


class SettlementFiles:
    """The port `SettlementFormat`, as text files."""

    def write(self, path: Path, document: SettlementDocument) -> None:
        """Write a document. `FormatError` names a field whose value the file cannot carry (a bar, a line break)."""
        totals = document.totals
        records = [("H", document.KIND, VERSION, *_written(document))]
        records += [("D", *_written(line)) for line in getattr(document, "lines", ())]
        records.append(("T", str(totals.record_count), str(totals.amount_total_minor)))
        path.write_bytes("".join("|".join(record) + "\n" for record in records).encode("ascii"))

    def read(self, path: Path, kind: type[D]) -> D:
        """Read a document; see `engine.ports.SettlementFormat`."""
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError("file", f"is larger than {MAX_FILE_BYTES} bytes")
        try:
            content = path.read_bytes().decode("ascii")
        except UnicodeDecodeError as error:
            raise FormatError("file", "holds a byte that is not ASCII", error.start) from None
        if not content.endswith("\n"):
            raise FormatError("file", "does not end with a whole line")
        records = [line.split("|") for line in content[:-1].split("\n")]
        if len(records) < 2 or records[-1][0] != "T":
            raise FormatError(f"line {len(records)}", "is not the trailer that a file ends with")
        document = _document(kind, records)
        _check_trailer(records[-1], len(records), document)
        if (broken := _IDENTITIES[kind](document)) is not None:
            raise FormatError("line 1", broken)
        return document


def _document(kind: type[D], records: list[list[str]]) -> D:
    head = records[0]
    if head[:1] != ["H"]:
        raise FormatError("line 1", "is not a header")
    if head[1:3] != [kind.KIND, VERSION]:
        raise FormatError("line 1 kind", f"is not version {VERSION} of a {kind.KIND} file")
    values = _read_fields(kind, head[3:], 1)
    line_kind = _LINES[kind]
    if line_kind is None:
        if len(records) > 2:
            raise FormatError("line 2", "is one too many: this document has no lines")
        return kind(**values)
    lines = []
    for number, record in enumerate(records[1:-1], start=2):
        if record[0] != "D":
            raise FormatError(f"line {number}", "is not a detail record")
        lines.append(line_kind(**_read_fields(line_kind, record[1:], number)))
    return kind(**values | {"lines": tuple(lines)})


def _check_trailer(trailer: list[str], number: int, document: SettlementDocument) -> None:
    if len(trailer) != 3:
        raise FormatError(f"line {number}", f"has {len(trailer)} fields, not 3")
    totals = document.totals
    for name, text, value in (
        ("record count", trailer[1], totals.record_count),
        ("amount total", trailer[2], totals.amount_total_minor),
    ):
        if _integer(text, f"line {number} {name}") != value:
            raise FormatError(f"line {number} {name}", "is not what the records come to")


def _report_identity(report: SettlementReport) -> str | None:
    amounts = report.purchases_minor + report.credits_minor
    amounts += report.interchange_booked_minor + report.network_fee_booked_minor
    return None if amounts == report.net_position_minor else "net_position_minor is not the sum of its parts"


def _statement_identity(statement: BankStatement) -> str | None:
    moved = sum(line.amount_minor for line in statement.lines)
    agrees = statement.opening_minor + moved == statement.closing_minor
    return None if agrees else "opening_minor and the lines do not make closing_minor"


def _payouts_identity(payouts: PayoutInstructions) -> str | None:
    return None if all(line.amount_minor > 0 for line in payouts.lines) else "a payout is not more than nothing"


_IDENTITIES: Mapping[type, Callable[[Any], str | None]] = {
    SettlementReport: _report_identity,
    SettlementInstruction: lambda _: None,
    BankStatement: _statement_identity,
    PayoutInstructions: _payouts_identity,
}
"""What must hold within a document beyond its trailer: what is wrong, or None."""


def _layout(kind: type) -> list[tuple[str, Any]]:
    """Names and types of the fields that make one record."""
    hints = get_type_hints(kind, include_extras=True)
    return [(field.name, hints[field.name]) for field in fields(kind) if field.name != "lines"]


def _written(record: object) -> list[str]:
    written = []
    for name, kind in _layout(type(record)):
        value = getattr(record, name)
        text = value.isoformat() if isinstance(value, date) else str(value)
        _READERS[kind](text, name)
        written.append(text)
    return written


def _read_fields(kind: type, texts: list[str], number: int) -> dict[str, Any]:
    layout = _layout(kind)
    if len(texts) != len(layout):
        raise FormatError(f"line {number}", f"has {len(texts)} fields of its kind, not {len(layout)}")
    return {name: _READERS[of](text, f"line {number} {name}") for (name, of), text in zip(layout, texts, strict=True)}


def _text(text: str, element: str) -> str:
    if not _TEXT.fullmatch(text):
        raise FormatError(element, "is empty, begins or ends with a blank, or holds what a field cannot")
    return text


def _integer(text: str, element: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise FormatError(element, "is not a whole number in minor units")
    return int(text)


def _exact(text: str, element: str) -> str:
    if not _EXACT.fullmatch(text):
        raise FormatError(element, "is not an amount with six decimals")
    return text


def _date(text: str, element: str) -> date:
    try:
        read = date.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.isoformat() != text:
        raise FormatError(element, "is not a date of the form 2026-03-02")
    return read


_READERS: Mapping[Any, Callable[[str, str], Any]] = {str: _text, int: _integer, Exact: _exact, date: _date}
