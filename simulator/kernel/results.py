"""What the terminal finds out, bit by bit (EMV Book 3, annex C5 and C6): TVR and TSI, as numbers of 5 and 2 bytes."""

from __future__ import annotations

from enum import IntFlag


class Tvr(IntFlag):
    """Terminal verification results, tag 95."""

    NONE = 0

    DATA_AUTHENTICATION_NOT_PERFORMED = 0x80_00000000
    SDA_FAILED = 0x40_00000000
    CHIP_OBJECT_MISSING = 0x20_00000000
    ON_EXCEPTION_FILE = 0x10_00000000
    DDA_FAILED = 0x08_00000000
    CDA_FAILED = 0x04_00000000
    SDA_SELECTED = 0x02_00000000

    VERSIONS_DIFFER = 0x80_000000
    EXPIRED = 0x40_000000
    NOT_YET_EFFECTIVE = 0x20_000000
    USAGE_NOT_ALLOWED = 0x10_000000
    """Requested service not allowed for card product."""
    NEW_CARD = 0x08_000000

    VERIFICATION_FAILED = 0x80_0000
    """Cardholder verification was not successful."""
    METHOD_UNKNOWN = 0x40_0000
    PIN_TRIES_EXCEEDED = 0x20_0000
    PIN_PAD_MISSING = 0x10_0000
    PIN_NOT_ENTERED = 0x08_0000
    ONLINE_PIN_ENTERED = 0x04_0000

    OVER_FLOOR_LIMIT = 0x80_00
    OVER_LOWER_LIMIT = 0x40_00
    OVER_UPPER_LIMIT = 0x20_00
    SELECTED_AT_RANDOM = 0x10_00
    FORCED_ONLINE = 0x08_00

    DEFAULT_TDOL_USED = 0x80
    ISSUER_AUTHENTICATION_FAILED = 0x40
    SCRIPT_FAILED_BEFORE = 0x20
    """Before the final GENERATE AC."""
    SCRIPT_FAILED_AFTER = 0x10


class Tsi(IntFlag):
    """Transaction status information, tag 9B."""

    NONE = 0
    DATA_AUTHENTICATION = 0x8000
    CARDHOLDER_VERIFICATION = 0x4000
    CARD_RISK_MANAGEMENT = 0x2000
    ISSUER_AUTHENTICATION = 0x1000
    TERMINAL_RISK_MANAGEMENT = 0x0800
    SCRIPTS = 0x0400


TVR_LENGTH, TSI_LENGTH = 5, 2
