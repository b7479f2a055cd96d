"""Whole clearing files: the port `ClearingFormat`, in any of the shapes of simnet.

A file is read twice and kept in memory never: once to see that every record and every total holds, and then, record by
record, by whoever takes it in. A file that is cut, has bytes after its end, or whose numbers or totals do not hold is
refused whole. What shape a file has, it says by its first and last bytes. Card numbers are clear in it, as the standard
has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from engine.vocabulary.clearing import ClearingRecord, R, amount_of, date_of
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals
from gateways.clearing import fixed, ipm
from gateways.clearing.vbs import is_blocked

Charset = Literal["ascii", "ebcdic"]


@dataclass(frozen=True, slots=True)
class FileShape:
    """How the bytes of a clearing file lie. `is_blocked` is for IPM-like files: 1014 bytes a block."""

    layout: Literal["ipm", "fixed"] = "ipm"
    charset: Charset = "ascii"
    is_blocked: bool = False

    def __str__(self) -> str:
        return f"{self.layout} {self.charset}{' 1014-blocked' if self.is_blocked else ''}"


def shape_of(file: BinaryIO) -> FileShape:
    """The shape of a file that stands at its beginning. `FormatError` for a file that begins as none does."""
    if (charset := ipm.charset_of(file)) is not None:
        return FileShape("ipm", charset, is_blocked(file))
    if (charset := fixed.charset_of(file)) is not None:
        return FileShape("fixed", charset)
    raise FormatError("header", "is not that of a clearing file: neither a 1644 behind its length nor a TC 90")


class ClearingFiles:
    """Writes one shape and reads all of them."""

    def __init__(self, shape: FileShape | None = None) -> None:
        self._shape = shape or FileShape()

    def write(self, path: Path, totals: FileTotals, records: Iterable[ClearingRecord]) -> None:
        """Write a whole file.

        The records are taken one by one, and must be as many and of such amounts as `totals` says, and of its
        business date. `FormatError` names a value that the shape cannot carry.
        """
        count = amount_minor = 0
        with path.open("wb") as file:
            writer = self._writer(file, totals)
            for record in records:
                assert date_of(record) == totals.business_date, "a file holds the records of one clearing date"
                count += 1
                amount = amount_of(record)
                amount_minor += 0 if amount is None else amount.amount_minor
                writer.write(record)
            assert count == totals.record_count, "the file's count is not that of its records"
            assert amount_minor == totals.amount_total_minor, "the file's total is not that of its records"
            writer.close()

    def read(
        self, path: Path, kind: type[R], check: Callable[[FileTotals, R], None] = lambda totals, record: None
    ) -> tuple[FileTotals, Iterable[R]]:
        """Prove a whole file, and give its records to be read; see `engine.ports.ClearingFormat`."""
        totals: FileTotals | None = None
        for found in scan(path):
            if isinstance(found, FileTotals):
                totals = found
            elif isinstance(found, kind):
                assert totals is not None, "the header comes first"
                check(totals, found)
            else:
                raise FormatError("record", f"is a {type(found).__name__}, and only a {kind.__name__} has a place here")
        assert totals is not None, "a scan ends with totals or an error"
        return totals, _Records(path, kind)

    def _writer(self, file: BinaryIO, totals: FileTotals) -> ipm.IpmWriter | fixed.FixedWriter:
        shape = self._shape
        if shape.layout == "fixed":
            return fixed.FixedWriter(file, totals, charset=shape.charset)
        return ipm.IpmWriter(file, totals, charset=shape.charset, is_blocked=shape.is_blocked)


def scan(path: Path) -> Iterator[ClearingRecord | FileTotals]:
    """What a file's header claims, then its records one by one, then its totals, which have been found to hold.

    `FormatError` names the place of whatever does not.
    """
    with path.open("rb") as file:
        shape = shape_of(file)
        found = fixed.scan(file, shape.charset) if shape.layout == "fixed" else ipm.scan(file, shape.charset)
        yield next(found)
        count = amount_minor = 0
        proven: FileTotals | None = None
        for one in found:
            if not isinstance(one, FileTotals):
                count += 1
                amount = amount_of(one)
                amount_minor += 0 if amount is None else amount.amount_minor
                yield one
            elif one.record_count != count:
                raise FormatError("trailer", f"its count is not the {count} records of the file")
            elif one.amount_total_minor != amount_minor:
                raise FormatError("trailer", "its total is not the sum of the records")
            else:
                proven = one
        assert proven is not None, "a file without a trailer is refused by its shape"
        yield proven


@dataclass(frozen=True, slots=True)
class _Records(Iterable[R]):
    """The records of a proven file, from the file, as often as they are asked for."""

    path: Path
    kind: type[R]

    def __iter__(self) -> Iterator[R]:
        for found in scan(self.path):
            if isinstance(found, self.kind):
                yield found
