"""Messages that the tests share: one of each kind, made up here, with cards of the test range 400000."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.messages import (
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    CompletionResponse,
    NetworkManagementRequest,
    OfflineSaleAdvice,
    OriginalData,
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import Fields
from gateways.iso8583.messages import OnlineMessage

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CARD = "4000001234562345"
TRACK_2 = f"{CARD}=29122011234567890"
PIN_BLOCK = "041226CBA9EDCBA9"
CVV2 = "737"
SECRETS = (CARD, TRACK_2, PIN_BLOCK, "2011234567890")

ORIGINAL = OriginalData(message_type="0100", stan="000123", transmitted_at=NOW, acquirer_id="400001")

REQUEST = AuthorizationRequest(
    acquirer_id="400001",
    terminal_id="TERM0001",
    merchant_id="MERCHANT0000001",
    merchant_name=f"{'Corner Cafe':25}{'Springfield':13}US",
    mcc="5812",
    stan="000123",
    transmitted_at=NOW,
    rrn="606109000123",
    pan=Pan(CARD),
    expiry="2912",
    processing_code="000000",
    amount=Money(10000, "USD"),
    pos_entry_mode="021",
    pos_condition_code="00",
    track2=Secret(TRACK_2),
    pin_block=Secret(PIN_BLOCK),
)

MESSAGES: dict[str, OnlineMessage] = {
    "0100": REQUEST,
    "0100 of a chip": replace(
        REQUEST,
        pos_entry_mode="051",
        card_sequence_number="001",
        icc_data=bytes.fromhex("9F2608D8E1A2B3C4D5E6F79F36020001"),
    ),
    "0100 with cash back": replace(REQUEST, processing_code="090000", cashback_minor=2_500),
    "0101 card not present": AuthorizationRequest(
        acquirer_id="400001",
        terminal_id="WEB00001",
        merchant_id="SHOP",
        merchant_name="Shop",
        mcc="5999",
        stan="999999",
        transmitted_at=NOW,
        rrn="606109999999",
        pan=Pan("4000001234562345123"),
        expiry="2901",
        processing_code="000000",
        amount=Money(1, "JPY"),
        pos_entry_mode="810",
        pos_condition_code="06",
        cvv2=Secret(CVV2),
        network_reference="S00000000000001",
        is_repeat=True,
    ),
    "0110 approved": AuthorizationResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000123",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.APPROVED,
        approval_code="A1B2C3",
        amount=Money(10000, "USD"),
        network_reference="S00000000000001",
    ),
    "0110 for a chip": AuthorizationResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000123",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.APPROVED,
        approval_code="A1B2C3",
        amount=Money(10000, "USD"),
        icc_data=bytes.fromhex("9108AABBCCDD00800000"),
    ),
    "0110 declined": AuthorizationResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000123",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.INSUFFICIENT_FUNDS,
        amount=Money(10000, "USD"),
    ),
    "0400 by a terminal": ReversalAdvice(
        acquirer_id="400001",
        terminal_id="TERM0001",
        merchant_id="MERCHANT0000001",
        stan="000124",
        transmitted_at=NOW,
        rrn="606109000123",
        pan=Pan(CARD),
        processing_code="000000",
        amount=Money(10000, "USD"),
        original=ORIGINAL,
        is_advice=False,
    ),
    "0421 partial": ReversalAdvice(
        acquirer_id="400001",
        terminal_id="TERM0001",
        merchant_id="MERCHANT0000001",
        stan="000125",
        transmitted_at=NOW,
        rrn="606109000123",
        pan=Pan(CARD),
        processing_code="000000",
        amount=Money(10000, "USD"),
        original=ORIGINAL,
        replacement_amount=Money(4000, "USD"),
        network_reference="S00000000000001",
        response_code=ResponseCode.RESPONSE_RECEIVED_TOO_LATE,
        is_repeat=True,
    ),
    "0430": ReversalResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000125",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.APPROVED,
        original=ORIGINAL,
        network_reference="S00000000000001",
    ),
    "0410": ReversalResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000124",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.UNABLE_TO_LOCATE_RECORD,
        original=ORIGINAL,
        is_advice=False,
    ),
    "0220": CompletionAdvice(
        acquirer_id="400001",
        terminal_id="TERM0001",
        merchant_id="MERCHANT0000001",
        stan="000126",
        transmitted_at=NOW,
        rrn="606109000126",
        pan=Pan(CARD),
        amount=Money(8850, "EUR"),
        original=ORIGINAL,
    ),
    "0221 of an offline sale": OfflineSaleAdvice(
        sale=replace(REQUEST, pin_block=None, icc_data=bytes.fromhex("9F2701409F36020001")),
        approval_code="Y10123",
        is_repeat=True,
    ),
    "0230 to an offline sale": CompletionResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000123",
        transmitted_at=NOW,
        rrn="606109000123",
        response_code=ResponseCode.APPROVED,
        original=None,
    ),
    "0230": CompletionResponse(
        acquirer_id="400001",
        terminal_id="TERM0001",
        stan="000126",
        transmitted_at=NOW,
        rrn="606109000126",
        response_code=ResponseCode.APPROVED,
        original=ORIGINAL,
    ),
    "0800": NetworkManagementRequest(stan="000001", transmitted_at=NOW, information_code="001", member_id="400001"),
}

CHIP: Fields = {
    "t": "0100",
    "2": CARD,
    "3": "000000",
    "4": "000000010000",
    "7": "0302093000",
    "11": "000123",
    "22": "051",
    "23": "001",
    "35": TRACK_2.replace("=", "D"),
    "41": "TERM0001",
    "48": f"9203{CVV2}",
    "52": PIN_BLOCK,
    "54": "0001840C0000000010000002840D000000000500",
    "55": "9F2608D8E1A2B3C4D5E6F79F360200015F2A020840",
    "64": "CAFEBABECAFEBABE",
    "90": "0100000123030209300000000400001" + "0" * 11,
    "96": "0102030405060708",
    "102": "4000001234562345",
    "128": "0011223344556677",
}
"""Nearly every shape of element, in both halves of the bitmap."""

NETWORK_MANAGEMENT: dict[str, Fields] = {
    "0810": {"t": "0810", "7": "0302093000", "11": "000001", "33": "400001", "39": "00", "70": "001"},
    "0800, new key": {
        "t": "0800",
        "7": "0302093000",
        "11": "000002",
        "33": "400001",
        "48": "A1B2C3B0080P0TE00E0000" + "9" * 58,
        "70": "101",
    },
    "0810, check value": {
        "t": "0810",
        "7": "0302093000",
        "11": "000002",
        "33": "400001",
        "39": "00",
        "48": "A1B2C3",
        "70": "101",
    },
    "0800, cutover": {"t": "0800", "7": "0302093000", "11": "000003", "15": "0303", "33": "400001", "70": "201"},
    "0120": {
        "t": "0120",
        "2": CARD,
        "3": "000000",
        "4": "000000010000",
        "7": "0302093000",
        "11": "000124",
        "32": "400001",
        "37": "606109000124",
        "38": "A1B2C3",
        "39": "00",
        "41": "TERM0001",
        "49": "978",
    },
    "0130": {"t": "0130", "7": "0302093000", "11": "000124", "32": "400001", "39": "00", "41": "TERM0001"},
    "0312": {"t": "0312", "7": "0302093000", "11": "000125", "39": "00", "91": "1", "101": "CARDFILE", "128": "00" * 8},
    "0520": {
        "t": "0520",
        "7": "0302235900",
        "11": "000126",
        "15": "0302",
        "50": "978",
        "74": "0" * 10,
        "97": "C" + "0" * 16,
    },
}
"""Messages of links and networks, as elements."""
