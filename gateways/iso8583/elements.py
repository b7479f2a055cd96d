"""The elements of a message that came in, each taken in the vocabulary's terms or refused by name.

What they are made into is `gateways.iso8583.messages`' affair.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.messages import AdviceReason, OriginalData
from engine.vocabulary.money import ASSET_BY_NUMERIC, Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, element_name
from gateways.iso8583.composites import LAYOUTS, split, split_private

_TRACK_2: Final = re.compile(r";?(?P<pan>[0-9]{12,19})[=D](?P<expiry>[0-9]{4})[0-9]*[?F]?")
"""ISO/IEC 7813: PAN, separator, expiry YYMM, then service code and discretionary digits."""

KEY_SERIAL_NUMBER_BYTES: Final = 10
"""DUKPT by triple DES (ANSI X9.24-1). By AES it has 12, but then the PIN block, of format 4, does not fit DE 52."""

LEDGER_BALANCE: Final = "01"
AVAILABLE_BALANCE: Final = "02"
CASH_BACK: Final = "40"
"""Amount types of DE 54 (ISO 8583:1987, table of amount types)."""

MERCHANT: Final = "M"
"""DE 48 sub-element 22: the merchant asks, not the cardholder."""

_ADVICE_REASONS: Final = {reason.value: reason for reason in AdviceReason}
_RESPONSE_CODES: Final = {code.value: code for code in ResponseCode}


def resolve_transmission(value: str, now: datetime) -> datetime:
    """DE 7 (MMDDhhmmss, UTC) as the instant nearest to `now`: a message of 31 December may arrive on 1 January, and
    the reverse.

    Raises `FormatError` when no year near now has such an instant.
    """
    candidates: list[datetime] = []
    if len(value) != 10 or not value.isdecimal():
        raise FormatError("DE 7", "is not a date and time")
    month, day, hour, minute, second = (int(value[at : at + 2]) for at in range(0, 10, 2))
    for year in (now.year - 1, now.year, now.year + 1):
        try:
            candidates.append(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
        except ValueError:
            # 29 February, or no date at all.
            continue
    if not candidates:
        raise FormatError("DE 7", "is not a date and time")
    return min(candidates, key=lambda instant: abs(instant - now))


class Reader:
    """The elements of one message, each taken in the vocabulary's terms or refused by name."""

    __slots__ = ("_acquirer_id", "_fields", "_now")

    def __init__(self, fields: Fields, now: datetime, acquirer_id: str | None) -> None:
        self._fields = fields
        self._now = now
        self._acquirer_id = acquirer_id

    @property
    def message_type(self) -> str:
        """The MTI."""
        return self._fields["t"]

    def get(self, element: str) -> str | None:
        """The element's text without the blanks that fill it up, None if there is nothing."""
        return self._fields.get(element, "").rstrip() or None

    def need(self, element: str) -> str:
        """As `get`; `FormatError` where there is nothing."""
        value = self.get(element)
        if value is None:
            raise FormatError(element_name(element), "is missing")
        return value

    def from_member(self, element: str) -> str:
        """What a member must say and a terminal may leave to its acquirer."""
        return self.need(element) if self._acquirer_id is None else self.get(element) or ""

    def acquirer_id(self) -> str:
        """DE 32, or the acquirer whose link this is."""
        return self.get("32") or self._acquirer_id or self.need("32")

    def transmitted_at(self) -> datetime:
        """DE 7."""
        return resolve_transmission(self.need("7"), self._now)

    def amount(self) -> Money:
        """DE 4 and DE 49."""
        asset = ASSET_BY_NUMERIC.get(self.need("49"))
        if asset is None:
            raise FormatError("DE 49", "is not a currency of this network")
        return Money(int(self.need("4")), asset.code)

    def card(self) -> tuple[Pan, str, Secret | None]:
        """PAN, expiry and track 2: from DE 2 and 14, or from DE 35, which must agree where both are there."""
        number, expiry, track = self.get("2"), self.get("14"), self.get("35")
        if track is not None:
            parts = _TRACK_2.fullmatch(track)
            if parts is None:
                raise FormatError("DE 35", "is not track 2 data")
            if number not in {None, parts["pan"]}:
                raise FormatError("DE 35", "is not the track of the card in DE 2")
            number, expiry = parts["pan"], expiry or parts["expiry"]
        if expiry is None:
            raise FormatError("DE 14", "is missing")
        if not 1 <= int(expiry[2:]) <= 12:
            raise FormatError("DE 14", "is not a year and month")
        return _pan(number), expiry, None if track is None else Secret(track)

    def pan(self) -> Pan:
        """DE 2."""
        return _pan(self.get("2"))

    def secret(self, element: str) -> Secret | None:
        """An element that is never shown."""
        value = self.get(element)
        return None if value is None else Secret(value)

    def cashback_minor(self) -> int:
        """The cash back among the additional amounts (DE 54); 0 if there is none. At most the amount itself."""
        cash = self._additional(CASH_BACK)
        if cash is None:
            return 0
        if cash > self.amount().amount_minor:
            raise FormatError("DE 54", "is more cash back than the whole amount")
        return cash

    def balance(self, amount_type: str) -> int | None:
        """A balance among the additional amounts (DE 54), negative where it is a debit; None if it is not there."""
        return self._additional(amount_type, signed=True)

    def _additional(self, amount_type: str, *, signed: bool = False) -> int | None:
        if self.get("54") is None:
            return None
        parts = [value for _, value in split("54", self._fields["54"])]
        if not parts:
            raise FormatError("DE 54", "is not a row of additional amounts of 20 characters each")
        amounts = [parts[start : start + 5] for start in range(0, len(parts), 5)]
        found = [one for one in amounts if one[1] == amount_type]
        if not found:
            return None
        _, _, currency, side, digits = found[0]
        if not digits.isdecimal() or currency != self.need("49"):
            raise FormatError("DE 54", "is not an amount in the transaction's currency")
        return -int(digits) if signed and side == "D" else int(digits)

    def key_serial_number(self) -> bytes | None:
        """DE 53 from a terminal, 10 bytes; members of the network say something else there."""
        value = None if self._acquirer_id is None else self.get("53")
        if value is None:
            return None
        if len(value) != 2 * KEY_SERIAL_NUMBER_BYTES:
            raise FormatError("DE 53", "is not a key serial number of 10 bytes")
        return bytes.fromhex(value)

    def icc_data(self) -> bytes | None:
        """DE 55; the codec has seen to it that it is hexadecimal."""
        value = self.get("55")
        return None if value is None else bytes.fromhex(value)

    def private(self, number: str) -> str | None:
        """A sub-element of DE 48."""
        return split_private(self._fields["48"]).get(number) if "48" in self._fields else None

    def private_secret(self, number: str) -> Secret | None:
        """A sub-element of DE 48 that is never shown."""
        value = self.private(number)
        return None if value is None else Secret(value)

    def advice_reason(self) -> AdviceReason:
        """DE 60 of an 0120."""
        reason = _ADVICE_REASONS.get(self.need("60"))
        if reason is None:
            raise FormatError("DE 60", "is not a reason of this network for an advice")
        return reason

    def response_code(self) -> ResponseCode:
        """DE 39 of an answer. A code that we do not know declines, as the standard has it: what does not approve
        declines."""
        return _RESPONSE_CODES.get(self.need("39"), ResponseCode.DO_NOT_HONOR)

    def reversal_reason(self) -> ResponseCode | None:
        """DE 39 of a reversal. Reasons that change nothing for us (17, the customer cancelled) count as none."""
        return _RESPONSE_CODES.get(self.get("39") or "")

    def original(self) -> OriginalData:
        """DE 90, its DE 7 resolved as ours is."""
        self.need("90")
        parts = [value for _, value in split("90", self._fields["90"])]
        if len(parts) != len(LAYOUTS["90", 42]):
            raise FormatError("DE 90", "does not hold original data elements")
        message_type, stan, transmitted_at, institution, _ = parts
        # Filled with zeros to 11 digits, which is not how DE 32 writes it; all zeros from a terminal that does not
        # know.
        acquirer_id = self.acquirer_id()
        if institution.strip("0") and int(institution) != int(acquirer_id):
            acquirer_id = institution.lstrip("0")
        try:
            instant = resolve_transmission(transmitted_at, self._now)
        except FormatError as fault:
            raise FormatError("DE 90", f"the original's DE 7 {fault.reason}") from None
        return OriginalData(message_type=message_type, stan=stan, transmitted_at=instant, acquirer_id=acquirer_id)

    def replacement_amount(self) -> Money | None:
        """The new total of a partial reversal (DE 95); nothing, or a new total of nothing, reverses all."""
        if self.get("95") is None:
            return None
        parts = split("95", self._fields["95"])
        if not parts or not parts[0][1].isdecimal():
            raise FormatError("DE 95", "does not begin with an amount of 12 digits")
        amount = Money(int(parts[0][1]), self.amount().asset)
        return amount if amount.amount_minor else None


def _pan(digits: str | None) -> Pan:
    if digits is None:
        raise FormatError("DE 2", "is missing")
    try:
        return Pan(digits)
    except ValueError as fault:
        raise FormatError("DE 2", str(fault)) from None
