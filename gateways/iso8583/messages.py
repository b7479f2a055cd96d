"""Between the elements of a message and the vocabulary's dataclasses: what each online message of ours carries, and
where.

One table serves both dialects, since they name the same elements. What differs is what a peer may leave out: a
terminal need not know its acquirer's id (DE 32), its merchant's category (DE 18), how its name is printed (DE 43), or
give a retrieval reference (DE 37), which its acquirer then assigns; a member of the network must say all of them.

DE 7 has no year and no zone: it is UTC, and means the instant nearest to now. A message whose mandatory element is
missing or wrong raises `FormatError` naming it; the gateway answers DE 39 = 30.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import (
    AuthorizationAdvice,
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    CompletionResponse,
    NetworkManagementRequest,
    OfflineSaleAdvice,
    ReversalAdvice,
    ReversalResponse,
)
from gateways.iso8583.codec import Fields
from gateways.iso8583.composites import (
    ADDRESS,
    ADDRESS_VERDICT,
    CARD_VERIFICATION_VALUE,
    CVV2_VERDICT,
    PARTIAL_APPROVAL_SUPPORT,
    STORED_CREDENTIAL,
)
from gateways.iso8583.elements import AVAILABLE_BALANCE, CASH_BACK, LEDGER_BALANCE, MERCHANT, Reader
from gateways.iso8583.writing import (
    additional_amount,
    amount,
    balances,
    digits,
    given,
    icc_data,
    original_data,
    private,
    transmission,
)

OnlineMessage = (
    AuthorizationRequest
    | AuthorizationResponse
    | AuthorizationAdvice
    | AuthorizationAdviceResponse
    | ReversalAdvice
    | ReversalResponse
    | CompletionAdvice
    | OfflineSaleAdvice
    | CompletionResponse
    | NetworkManagementRequest
)


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
                "t": "0210" if message.is_financial else "0110",
                **_answered(message),
                **amount(message.amount),
                **given("38", message.approval_code),
                **private({ADDRESS_VERDICT: message.address_verdict, CVV2_VERDICT: message.cvv2_verdict}),
                **balances(message),
                **icc_data(message.icc_data),
            }
        case AuthorizationAdvice():
            return {
                **_authorization_request(message.request),
                "t": "0121" if message.is_repeat else "0120",
                **given("38", message.approval_code),
                "39": message.response_code.value,
                "60": message.reason.value,
            }
        case AuthorizationAdviceResponse():
            return {"t": "0130", **_answered(message)}
        case ReversalAdvice():
            return _reversal(message)
        case ReversalResponse():
            kind = "0430" if message.is_advice else "0410"
            return {"t": kind, **_answered(message), "90": original_data(message.original)}
        case CompletionAdvice():
            return {
                "t": "0221" if message.is_repeat else "0220",
                **_sent(message),
                "2": message.pan.clear,
                "3": "000000",
                **amount(message.amount),
                "42": message.merchant_id.ljust(15),
                "90": original_data(message.original),
            }
        case OfflineSaleAdvice():
            return {
                **_authorization_request(message.sale),
                "t": "0221" if message.is_repeat else "0220",
                "38": message.approval_code,
            }
        case CompletionResponse():
            original = {} if message.original is None else {"90": original_data(message.original)}
            return {"t": "0230", **_answered(message), **original}
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
    return read(Reader(fields, now, acquirer_id))


def _authorization_request(message: AuthorizationRequest) -> Fields:
    fields = {
        "t": message.message_type[:3] + ("1" if message.is_repeat else "0"),
        **_sent(message),
        "2": message.pan.clear,
        "3": message.processing_code,
        **amount(message.amount),
        **given("14", message.expiry),
        **given("18", message.mcc),
        "22": message.pos_entry_mode,
        **given("23", message.card_sequence_number),
        "25": message.pos_condition_code,
        "42": message.merchant_id.ljust(15),
        **given("43", message.merchant_name and message.merchant_name.ljust(40)),
        **icc_data(message.icc_data),
        **given("63", message.network_reference),
    }
    if message.cashback_minor:
        fields["54"] = additional_amount(CASH_BACK, message.cashback_minor, message.amount.asset)
    if message.track2 is not None:
        fields["35"] = message.track2.clear
    if message.pin_block is not None:
        fields["52"] = message.pin_block.clear
    if message.key_serial_number is not None:
        fields["53"] = message.key_serial_number.hex().upper()
    if message.original is not None:
        fields["90"] = original_data(message.original)
    return fields | private(
        {
            STORED_CREDENTIAL: MERCHANT if message.is_merchant_initiated else None,
            PARTIAL_APPROVAL_SUPPORT: "1" if message.takes_partial else None,
            ADDRESS: None if message.address is None else message.address.clear,
            CARD_VERIFICATION_VALUE: None if message.cvv2 is None else message.cvv2.clear,
        }
    )


def _reversal(message: ReversalAdvice) -> Fields:
    function = ("2" if message.is_advice else "0") + ("1" if message.is_repeat else "0")
    fields = {
        "t": "04" + function,
        **_sent(message),
        "2": message.pan.clear,
        "3": message.processing_code,
        **amount(message.amount),
        "42": message.merchant_id.ljust(15),
        **given("39", message.response_code),
        **given("63", message.network_reference),
        "90": original_data(message.original),
    }
    if message.replacement_amount is not None:
        assert message.replacement_amount.asset == message.amount.asset, "a reversal keeps its currency"
        fields["95"] = f"{digits(message.replacement_amount)}{'0' * 12}C{'0' * 8}C{'0' * 8}"
    return fields


def _sent(
    message: AuthorizationRequest
    | AuthorizationAdviceResponse
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
        **given("37", message.rrn and message.rrn.ljust(12)),
        "41": message.terminal_id.ljust(8),
    }


def _answered(
    message: AuthorizationResponse | AuthorizationAdviceResponse | ReversalResponse | CompletionResponse,
) -> Fields:
    reference = None if isinstance(message, CompletionResponse) else message.network_reference
    return {**_sent(message), "39": message.response_code.value, **given("63", reference)}


def _read_authorization_request(read: Reader) -> AuthorizationRequest:
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
        cashback_minor=read.cashback_minor(),
        track2=track2,
        pin_block=read.secret("52"),
        key_serial_number=read.key_serial_number(),
        cvv2=read.private_secret(CARD_VERIFICATION_VALUE),
        card_sequence_number=read.get("23"),
        icc_data=read.icc_data(),
        network_reference=read.get("63"),
        is_financial=read.message_type[1] == "2" and read.message_type[2] == "0",
        original=None if read.get("90") is None else read.original(),
        takes_partial=read.private(PARTIAL_APPROVAL_SUPPORT) == "1",
        is_merchant_initiated=read.private(STORED_CREDENTIAL) == MERCHANT,
        address=read.private_secret(ADDRESS),
        is_repeat=read.message_type[2:] == "01",
    )


def _read_authorization_response(read: Reader) -> AuthorizationResponse:
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
        is_financial=read.message_type == "0210",
        ledger_minor=read.balance(LEDGER_BALANCE),
        available_minor=read.balance(AVAILABLE_BALANCE),
        address_verdict=read.private(ADDRESS_VERDICT),
        cvv2_verdict=read.private(CVV2_VERDICT),
    )


def _read_authorization_advice(read: Reader) -> AuthorizationAdvice:
    return AuthorizationAdvice(
        request=_read_authorization_request(read),
        reason=read.advice_reason(),
        response_code=read.response_code(),
        approval_code=read.get("38"),
        is_repeat=read.message_type == "0121",
    )


def _read_authorization_advice_response(read: Reader) -> AuthorizationAdviceResponse:
    return AuthorizationAdviceResponse(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.need("37"),
        response_code=read.response_code(),
        network_reference=read.get("63"),
    )


def _read_reversal(read: Reader) -> ReversalAdvice:
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


def _read_reversal_response(read: Reader) -> ReversalResponse:
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


def _read_advice(read: Reader) -> CompletionAdvice | OfflineSaleAdvice:
    """0220: with DE 90 the final amount of an earlier request, without it a sale made offline."""
    if read.get("90") is None:
        is_repeat = read.message_type == "0221"
        return OfflineSaleAdvice(
            sale=_read_authorization_request(read), approval_code=read.need("38"), is_repeat=is_repeat
        )
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


def _read_completion_response(read: Reader) -> CompletionResponse:
    return CompletionResponse(
        acquirer_id=read.acquirer_id(),
        terminal_id=read.need("41"),
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        rrn=read.need("37"),
        response_code=read.response_code(),
        original=None if read.get("90") is None else read.original(),
    )


def _read_network_management(read: Reader) -> NetworkManagementRequest:
    return NetworkManagementRequest(
        stan=read.need("11"),
        transmitted_at=read.transmitted_at(),
        information_code=read.need("70"),
        member_id=read.get("33") or "",
    )


_READERS: Final[dict[str, Callable[[Reader], OnlineMessage]]] = {
    "0100": _read_authorization_request,
    "0101": _read_authorization_request,
    "0110": _read_authorization_response,
    "0120": _read_authorization_advice,
    "0121": _read_authorization_advice,
    "0130": _read_authorization_advice_response,
    "0200": _read_authorization_request,
    "0201": _read_authorization_request,
    "0210": _read_authorization_response,
    "0220": _read_advice,
    "0221": _read_advice,
    "0230": _read_completion_response,
    "0400": _read_reversal,
    "0401": _read_reversal,
    "0410": _read_reversal_response,
    "0420": _read_reversal,
    "0421": _read_reversal,
    "0430": _read_reversal_response,
    "0800": _read_network_management,
}
