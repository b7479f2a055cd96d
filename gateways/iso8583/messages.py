"""Between the elements of a message and the vocabulary's dataclasses: what each online message of ours carries, and
where.

One table serves both dialects, since they name the same elements. What differs is what a peer may leave out: a
terminal need not know its acquirer's id (DE 32), its merchant's category (DE 18), how its name is printed (DE 43), or
give a retrieval reference (DE 37), which its acquirer then assigns; a member of the network must say all of them.

DE 7 has no year and no zone: it is UTC, and means the instant nearest to now. A message whose mandatory element is
missing or wrong raises `FormatError` naming it; the gateway answers DE 39 = 30.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    CompletionResponse,
    NetworkManagementRequest,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import ASSET_BY_NUMERIC, ASSETS, Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields, element_name
from gateways.iso8583.composites import (
    CARD_VERIFICATION_VALUE,
    LAYOUTS,
    join_private,
    split,
    split_private,
)

OnlineMessage = (
    AuthorizationRequest
    | AuthorizationResponse
    | ReversalAdvice
    | ReversalResponse
    | CompletionAdvice
    | CompletionResponse
    | NetworkManagementRequest
)

_TRACK_2: Final = re.compile(r";?(?P<pan>[0-9]{12,19})[=D](?P<expiry>[0-9]{4})[0-9]*[?F]?")
"""ISO/IEC 7813: PAN, separator, expiry YYMM, then service code and discretionary digits."""

_MAX_AMOUNT_MINOR: Final = 10**12

_RESPONSE_CODES: Final = {code.value: code for code in ResponseCode}


def to_fields(message: OnlineMessage) -> Fields:
    """The elements of a message, ready for `codec.encode` in either dialect.

    Instants must be whole seconds in UTC and amounts 0 to 999,999,999,999 minor units: more does not fit DE 7 and DE
    4, and what does not fit would not come back.
    """
    match message:
        case AuthorizationRequest():
            return _authorization_request(message)
        case AuthorizationResponse():
            return {
                "t": "0110",
                **_answered(message),
                **_amount(message.amount),
                **_given("38", message.approval_code),
                **_icc_data(message.icc_data),
            }
        case ReversalAdvice():
            return _reversal(message)
        case ReversalResponse():
            return {
                "t": "0430" if message.is_advice else "0410", **_answered(message), "90": _original(message.original)
            }  # fmt: skip
        case CompletionAdvice():
            return {
                "t": "0221" if message.is_repeat else "0220",
                **_sent(message),
                "2": message.pan.clear,
                "3": "000000",
                **_amount(message.amount),
                "42": message.merchant_id.ljust(15),
                "90": _original(message.original),
            }
        case CompletionResponse():
            return {"t": "0230", **_answered(message), "90": _original(message.original)}
        case NetworkManagementRequest():
            return {
                "t": "0800",
                "7": transmission(message.transmitted_at),
                "11": message.stan,
                "33": message.member_id,
                "70": message.information_code,
            }


def from_fields(fields: Fields, *, now: datetime, acquirer_id: str | None = None) -> OnlineMessage:
    """The message that the elements say, DE 7 resolved to the instant nearest to `now`.

    `acquirer_id` is the acquirer whose terminals speak on this link, and stands for a missing DE 32; None on the
    network, where members must say DE 18, 32 and 43 themselves. Raises `FormatError` naming the element that is
    missing or cannot be understood.
    """
    read = _READERS.get(fields["t"])
    if read is None:
        raise FormatError("MTI", "is not a message of this network")
    return read(_Reader(fields, now, acquirer_id))


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


def transmission(instant: datetime) -> str:
    """An instant as DE 7."""
    assert instant.utcoffset() is not None and not instant.microsecond, "DE 7 takes aware instants in whole seconds"
    return instant.astimezone(UTC).strftime("%m%d%H%M%S")


def _authorization_request(message: AuthorizationRequest) -> Fields:
    fields = {
        "t": "0101" if message.is_repeat else "0100",
        **_sent(message),
        "2": message.pan.clear,
        "3": message.processing_code,
        **_amount(message.amount),
        **_given("14", message.expiry),
        **_given("18", message.mcc),
        "22": message.pos_entry_mode,
        **_given("23", message.card_sequence_number),
        "25": message.pos_condition_code,
        "42": message.merchant_id.ljust(15),
        **_given("43", message.merchant_name and message.merchant_name.ljust(40)),
        **_icc_data(message.icc_data),
        **_given("63", message.network_reference),
    }
    if message.track2 is not None:
        fields["35"] = message.track2.clear
    if message.pin_block is not None:
        fields["52"] = message.pin_block.clear
    if message.cvv2 is not None:
        fields["48"] = join_private({CARD_VERIFICATION_VALUE: message.cvv2.clear})
    return fields


def _reversal(message: ReversalAdvice) -> Fields:
    function = ("2" if message.is_advice else "0") + ("1" if message.is_repeat else "0")
    fields = {
        "t": "04" + function,
        **_sent(message),
        "2": message.pan.clear,
        "3": message.processing_code,
        **_amount(message.amount),
        "42": message.merchant_id.ljust(15),
        **_given("39", message.response_code),
        **_given("63", message.network_reference),
        "90": _original(message.original),
    }
    if message.replacement_amount is not None:
        assert message.replacement_amount.asset == message.amount.asset, "a reversal keeps its currency"
        fields["95"] = f"{_digits(message.replacement_amount)}{'0' * 12}C{'0' * 8}C{'0' * 8}"
    return fields


def _sent(
    message: AuthorizationRequest
    | ReversalAdvice
    | CompletionAdvice
    | ReversalResponse
    | CompletionResponse
    | AuthorizationResponse,
) -> Fields:
    return {
        "7": transmission(message.transmitted_at),
        "11": message.stan,
        "32": message.acquirer_id,
        **_given("37", message.rrn and message.rrn.ljust(12)),
        "41": message.terminal_id.ljust(8),
    }


def _answered(message: AuthorizationResponse | ReversalResponse | CompletionResponse) -> Fields:
    reference = None if isinstance(message, CompletionResponse) else message.network_reference
    return {**_sent(message), "39": message.response_code.value, **_given("63", reference)}


def _given(element: str, value: str | None) -> Fields:
    return {element: str(value)} if value else {}


def _icc_data(icc_data: bytes | None) -> Fields:
    return {"55": icc_data.hex().upper()} if icc_data else {}


def _amount(money: Money) -> Fields:
    return {"4": _digits(money), "49": ASSETS[money.asset].numeric}


def _digits(money: Money) -> str:
    assert 0 <= money.amount_minor < _MAX_AMOUNT_MINOR, "DE 4 holds 0 to 999,999,999,999 minor units"
    return f"{money.amount_minor:012d}"


def _original(original: OriginalData) -> str:
    institution = original.acquirer_id.rjust(11, "0")
    return f"{original.message_type}{original.stan}{transmission(original.transmitted_at)}{institution}{'0' * 11}"


class _Reader:
    """The elements of one message, each taken in the vocabulary's terms or refused by name."""

    __slots__ = ("_acquirer_id", "_fields", "_now")

    def __init__(self, fields: Fields, now: datetime, acquirer_id: str | None) -> None:
        self._fields = fields
        self._now = now
        self._acquirer_id = acquirer_id

    @property
    def message_type(self) -> str:
        return self._fields["t"]

    def get(self, element: str) -> str | None:
        """The element's text without the blanks that fill it up, None if there is nothing."""
        return self._fields.get(element, "").rstrip() or None

    def need(self, element: str) -> str:
        value = self.get(element)
        if value is None:
            raise FormatError(element_name(element), "is missing")
        return value

    def from_member(self, element: str) -> str:
        """What a member must say and a terminal may leave to its acquirer."""
        return self.need(element) if self._acquirer_id is None else self.get(element) or ""

    def acquirer_id(self) -> str:
        return self.get("32") or self._acquirer_id or self.need("32")

    def transmitted_at(self) -> datetime:
        return resolve_transmission(self.need("7"), self._now)

    def amount(self) -> Money:
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
        return _pan(self.get("2"))

    def secret(self, element: str) -> Secret | None:
        value = self.get(element)
        return None if value is None else Secret(value)

    def icc_data(self) -> bytes | None:
        """DE 55; the codec has seen to it that it is hexadecimal."""
        value = self.get("55")
        return None if value is None else bytes.fromhex(value)

    def cvv2(self) -> Secret | None:
        value = split_private(self._fields.get("48", "")).get(CARD_VERIFICATION_VALUE)
        return None if value is None else Secret(value)

    def response_code(self) -> ResponseCode:
        """DE 39 of an answer. A code that we do not know declines, as the standard has it: what does not approve
        declines."""
        return _RESPONSE_CODES.get(self.need("39"), ResponseCode.DO_NOT_HONOR)

    def reversal_reason(self) -> ResponseCode | None:
        """DE 39 of a reversal. Reasons that change nothing for us (17, the customer cancelled) count as none."""
        return _RESPONSE_CODES.get(self.get("39") or "")

    def original(self) -> OriginalData:
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


def _read_authorization_request(read: _Reader) -> AuthorizationRequest:
    pan, expiry, track2 = read.card()
    return AuthorizationRequest(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        merchant_id=read.need("42"),
        merchant_name=read.from_member("43"),
        mcc=read.from_member("18"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.from_member("37"),
        pan=pan,
        expiry=expiry,
        processing_code=read.need("3"),
        amount=read.amount(),
        pos_entry_mode=read.need("22"),
        pos_condition_code=read.need("25"),
        track2=track2,
        pin_block=read.secret("52"),
        cvv2=read.cvv2(),
        card_sequence_number=read.get("23"),
        icc_data=read.icc_data(),
        network_reference=read.get("63"),
        is_repeat=read.message_type == "0101",
    )


def _read_authorization_response(read: _Reader) -> AuthorizationResponse:
    return AuthorizationResponse(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.need("37"),
        response_code=read.response_code(),
        approval_code=read.get("38"),
        amount=read.amount(),
        icc_data=read.icc_data(),
        network_reference=read.get("63"),
    )


def _read_reversal(read: _Reader) -> ReversalAdvice:
    return ReversalAdvice(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        merchant_id=read.need("42"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.from_member("37"),
        pan=read.pan(),
        processing_code=read.need("3"),
        amount=read.amount(),
        original=read.original(),
        replacement_amount=read.replacement_amount(),
        network_reference=read.get("63"),
        response_code=read.reversal_reason(),
        is_advice=read.message_type[2] == "2",
        is_repeat=read.message_type[3] == "1",
    )


def _read_reversal_response(read: _Reader) -> ReversalResponse:
    return ReversalResponse(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.need("37"),
        response_code=read.response_code(),
        original=read.original(),
        network_reference=read.get("63"),
        is_advice=read.message_type == "0430",
    )


def _read_completion(read: _Reader) -> CompletionAdvice:
    return CompletionAdvice(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        merchant_id=read.need("42"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.from_member("37"),
        pan=read.pan(),
        amount=read.amount(),
        original=read.original(),
        is_repeat=read.message_type == "0221",
    )


def _read_completion_response(read: _Reader) -> CompletionResponse:
    return CompletionResponse(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.need("37"),
        response_code=read.response_code(),
        original=read.original(),
    )


def _read_network_management(read: _Reader) -> NetworkManagementRequest:
    return NetworkManagementRequest(
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        information_code=read.need("70"),
        member_id=read.get("33") or "",
    )


_READERS: Final[dict[str, Callable[[_Reader], OnlineMessage]]] = {
    "0100": _read_authorization_request,
    "0101": _read_authorization_request,
    "0110": _read_authorization_response,
    "0220": _read_completion,
    "0221": _read_completion,
    "0230": _read_completion_response,
    "0400": _read_reversal,
    "0401": _read_reversal,
    "0410": _read_reversal_response,
    "0420": _read_reversal,
    "0421": _read_reversal,
    "0430": _read_reversal_response,
    "0800": _read_network_management,
}
