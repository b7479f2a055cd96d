"""Response codes (ISO 8583:1987, DE 39): the words in which a decline is told. A decline is a value, not an error."""

from __future__ import annotations

from enum import StrEnum


class ResponseCode(StrEnum):
    """DE 39. The value is what travels."""

    APPROVED = "00"
    DO_NOT_HONOR = "05"
    HONOR_WITH_IDENTIFICATION = "08"
    PARTIAL_APPROVAL = "10"
    APPROVED_VIP = "11"
    INVALID_TRANSACTION = "12"
    INVALID_AMOUNT = "13"
    INVALID_CARD_NUMBER = "14"
    NO_SUCH_ISSUER = "15"
    UNABLE_TO_LOCATE_RECORD = "25"
    FORMAT_ERROR = "30"
    LOST_CARD = "41"
    STOLEN_CARD = "43"
    INSUFFICIENT_FUNDS = "51"
    EXPIRED_CARD = "54"
    INCORRECT_PIN = "55"
    NOT_PERMITTED_TO_CARDHOLDER = "57"
    NOT_PERMITTED_TO_TERMINAL = "58"
    SUSPECTED_FRAUD = "59"
    EXCEEDS_AMOUNT_LIMIT = "61"
    RESTRICTED_CARD = "62"
    SECURITY_VIOLATION = "63"
    EXCEEDS_COUNT_LIMIT = "65"
    """Also: too much for a tap without PIN. The same with a PIN will do."""
    RESPONSE_RECEIVED_TOO_LATE = "68"
    PIN_TRIES_EXCEEDED = "75"
    CVV_FAILED = "82"
    NO_REASON_TO_DECLINE = "85"
    PURCHASE_ONLY_APPROVED = "87"
    ISSUER_INOPERATIVE = "91"
    ROUTING_UNKNOWN = "92"
    DUPLICATE_TRANSMISSION = "94"
    SYSTEM_MALFUNCTION = "96"

    @property
    def approved(self) -> bool:
        """Whether this code approves: 00 08 10 11 85 87 do, all others decline."""
        return self in APPROVALS


APPROVALS = frozenset(ResponseCode(code) for code in ("00", "08", "10", "11", "85", "87"))
