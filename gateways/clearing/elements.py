"""The elements of one IPM-like record, each taken or refused by the record's number and its own name, and the private
data subelements (PDS): four digits of tag, three of length, the value, in DE 48 and, where that is full, in DE 62 and
123 to 125.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.money import ASSET_BY_NUMERIC, ASSETS, Money
from gateways.iso8583.codec import Fields
from gateways.iso8583.composites import split_tagged
from gateways.iso8583.specifications import PDS_DIGITS

PDS_ELEMENTS: Final = ("48", "62", "123", "124", "125")
_PDS_ROOM: Final = 999

EXACT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{6}")
"""An amount of minor units with six decimals, as text."""
_COUNT: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_DATE: Final = re.compile(r"[0-9]{8}")
_FLAGS: Final = {"Y": True, "N": False}


class Elements:
    """One record as it was read."""

    __slots__ = ("_fields", "_number", "_pds")

    def __init__(self, number: int, fields: Fields) -> None:
        self._number = number
        self._fields = fields
        if fields.get("71") != f"{number:08d}":
            raise self.fault("DE 71", "is not the record's number in the file")
        self._pds: dict[str, str] = {}
        for element in PDS_ELEMENTS:
            if element in fields:
                found = self._split(element, fields[element])
                self._pds = found | self._pds if self._pds else found

    @property
    def kind(self) -> tuple[str, str | None]:
        """Message type and function code (DE 24)."""
        return self._fields["t"], self._fields.get("24")

    def fault(self, element: str, reason: str) -> FormatError:
        """An error of this record's element."""
        return FormatError(f"record {self._number} {element}", reason)

    def get(self, element: str) -> str | None:
        """The element without the blanks that fill it up; None if it is not there."""
        value = self._fields.get(element)
        return None if value is None else value.rstrip()

    def needed(self, taken: Callable[[Fields], tuple[str, ...]]) -> tuple[str, ...]:
        """Several elements at once, which must all be there, with the blanks that fill them up."""
        try:
            return taken(self._fields)
        except KeyError as missing:
            raise self.fault(f"DE {missing.args[0]}", "is missing") from None

    def need(self, element: str) -> str:
        """The element, which must be there."""
        value = self._fields.get(element)
        if value is None:
            raise self.fault(f"DE {element}", "is missing")
        return value.rstrip()

    def get_pds(self, tag: str) -> str | None:
        """The subelement; None if it is not there."""
        return self._pds.get(tag)

    def need_pds(self, tag: str) -> str:
        """The subelement, which must be there."""
        value = self._pds.get(tag)
        if value is None:
            raise self.fault(f"PDS {tag}", "is missing")
        return value

    def get_date(self, tag: str) -> date | None:
        """A date, `20260302`; None if it is not there."""
        value = self._pds.get(tag)
        if value is None:
            return None
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            return date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError:
            raise self.fault(f"PDS {tag}", "is not a date of the form 20260302") from None

    def need_date(self, tag: str) -> date:
        """A date, which must be there."""
        self.need_pds(tag)
        found = self.get_date(tag)
        assert found is not None
        return found

    def flag(self, tag: str) -> bool:
        """Y or N, which must be there."""
        found = _FLAGS.get(self.need_pds(tag))
        if found is None:
            raise self.fault(f"PDS {tag}", "is neither Y nor N")
        return found

    def count(self, tag: str) -> int:
        """A number without leading zeros, which must be there."""
        text = self.need_pds(tag)
        if not _COUNT.fullmatch(text):
            raise self.fault(f"PDS {tag}", "is not a number")
        return int(text)

    def exact(self, tag: str) -> str | None:
        """An amount with six decimals; None if it is not there."""
        text = self._pds.get(tag)
        if text is not None and not EXACT.fullmatch(text):
            raise self.fault(f"PDS {tag}", "is not an amount with six decimals")
        return text

    def instant(self, text: str) -> datetime:
        """DE 12, YYMMDDhhmmss. UTC; this network began in 2000."""
        try:
            return datetime(
                2000 + int(text[:2]),
                int(text[2:4]),
                int(text[4:6]),
                int(text[6:8]),
                int(text[8:10]),
                int(text[10:]),
                tzinfo=UTC,
            )
        except ValueError:
            raise self.fault("DE 12", "is not a date and time") from None

    def amount(self) -> Money:
        """DE 4 in the currency of DE 49."""
        asset = ASSET_BY_NUMERIC.get(self.need("49"))
        if asset is None:
            raise self.fault("DE 49", "is not a currency of this network")
        return Money(int(self.need("4")), asset.code)

    def pan(self, digits: str) -> Pan:
        """DE 2."""
        try:
            return Pan(digits)
        except ValueError as error:
            raise self.fault("DE 2", str(error)) from None

    def _split(self, element: str, value: str) -> dict[str, str]:
        try:
            found = split_tagged(value, PDS_DIGITS, element)
        except FormatError as fault:
            raise self.fault(fault.element, fault.reason) from None
        if twice := found.keys() & self._pds.keys():
            raise self.fault(f"PDS {min(twice)}", "is there twice")
        return found


def pds(parts: Mapping[str, str | None]) -> Fields:
    """Subelements as elements, in the order given; those that are None are left out."""
    written = [f"{tag}{len(value):03d}{value}" for tag, value in parts.items() if value is not None]
    whole = "".join(written)
    if len(whole) <= _PDS_ROOM:
        return {"48": whole} if whole else {}
    found: list[str] = [""]
    for one in written:
        if len(found[-1]) + len(one) > _PDS_ROOM:
            found.append("")
        found[-1] += one
    return dict(zip(PDS_ELEMENTS, found, strict=False))


def money(amount: Money) -> Fields:
    """DE 4 and DE 49."""
    return {"4": f"{amount.amount_minor:012d}", "49": ASSETS[amount.asset].numeric}
