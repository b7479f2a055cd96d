"""The messages of the card network, in the standard's words, free of any wire:

ISO 8583:1987 online messages and presentments.

Gateways translate a wire to and from these; stages decide on them. The same request travels terminal -> acquirer ->
network -> issuer; each hop keeps its own record of it. Instants are UTC and complete: a gateway resolves DE 7, which
has no year, before it builds one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode

PURCHASE = "00"
CASH = "01"
CASHBACK = "09"
"""A purchase with money from the till on top: DE 4 is both, DE 54 says how much is cash."""
ACCOUNT_FUNDING = "10"
"""Money pulled from the card into an account: a wallet is topped up."""
QUASI_CASH = "11"
"""Chips, crypto, money orders: what is as good as cash."""
REFUND = "20"
ORIGINAL_CREDIT = "26"
"""Money pushed to the card that answers no purchase: winnings, a transfer."""
BALANCE_INQUIRY = "30"
"""First two digits of DE 3, the transaction type (from 10 on as the networks use what the standard leaves to them)."""

CREDITS = frozenset({REFUND, ORIGINAL_CREDIT})
"""Transaction types that move money to the cardholder."""
DEBITS = frozenset({PURCHASE, CASH, CASHBACK, ACCOUNT_FUNDING, QUASI_CASH})
"""Those that move money from the cardholder."""
CASH_LIKE = frozenset({CASH, QUASI_CASH, ACCOUNT_FUNDING})
"""Those that leave the cardholder with money, not goods."""

MAIL_OR_TELEPHONE = "08"
RECURRING = "02"
"""DE 25 of an order by mail or telephone, and of one that its cardholder's standing consent covers."""

PREAUTHORIZED = "06"
"""DE 25 of a pre-authorization: approved now, captured by a later completion, perhaps for another amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalData:
    """DE 90: which request a reversal or completion is about, or an increment adds to."""

    message_type: str
    stan: str
    transmitted_at: datetime
    acquirer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """0100, repeat 0101. May money of this card be promised? 0200, repeat 0201: may it be taken?"""

    acquirer_id: str
    """DE 32, the acquirer's member id."""
    terminal_id: str
    """DE 41, 8 characters, stripped."""
    merchant_id: str
    """DE 42, 15 characters, stripped."""
    merchant_name: str
    """DE 43, name, city and country as one text of at most 40 characters."""
    mcc: str
    """DE 18."""
    stan: str
    """DE 11, 6 digits. Wraps; never unique by itself."""
    transmitted_at: datetime
    """DE 7, resolved to an instant."""
    rrn: str
    """DE 37, 12 characters."""
    pan: Pan
    """DE 2, or from track 2."""
    expiry: str
    """DE 14, YYMM."""
    processing_code: str
    """DE 3, 6 digits."""
    amount: Money
    """DE 4 and DE 49."""
    pos_entry_mode: str
    """DE 22, 3 digits."""
    pos_condition_code: str
    """DE 25, 2 digits."""
    cashback_minor: int = 0
    """DE 54: how much of the amount is paid out in cash, in minor units of its currency."""
    track2: Secret | None = None
    """DE 35. In memory only."""
    pin_block: Secret | None = None
    """DE 52, hexadecimal. In memory only."""
    key_serial_number: bytes | None = None
    """Of the device that encrypted the PIN block, 10 bytes: DUKPT by triple DES (DE 53 from a terminal). None where the
    block is under the key of a zone."""
    cvv2: Secret | None = None
    """DE 48 sub-element 92. In memory only."""
    card_sequence_number: str | None = None
    """DE 23, 3 digits: which of the cards with this number (EMV tag 5F34)."""
    icc_data: bytes | None = None
    """DE 55: what the chip and the terminal's kernel say, in BER-TLV (EMV Book 4, annex A)."""
    network_reference: str | None = None
    """DE 63, given by the network; absent before it."""
    is_financial: bool = False
    """0200, repeat 0201: the same question, and the answer moves the money at once (single message)."""
    original: OriginalData | None = None
    """DE 90: the pre-authorization that this request adds to (an incremental authorization)."""
    takes_partial: bool = False
    """DE 48 sub-element 61: the terminal can go on with less than it asked for (DE 39 = 10)."""
    is_merchant_initiated: bool = False
    """DE 48 sub-element 22: the merchant asks, on the strength of credentials that it has stored."""
    address: Secret | None = None
    """DE 48 sub-element 82: what the cardholder gave as billing address, postcode (9, filled with blanks) and digits
    of the street line. Personal, so in memory only."""
    is_repeat: bool = False

    @property
    def transaction_type(self) -> str:
        """First two digits of DE 3."""
        return self.processing_code[:2]

    @property
    def message_type(self) -> str:
        """The MTI without the repeat."""
        return "0200" if self.is_financial else "0100"

    @property
    def country(self) -> str:
        """The last two characters of DE 43: ISO 3166-1 alpha-2, where it says one."""
        return self.merchant_name[-2:]

    @property
    def is_preauthorization(self) -> bool:
        """Whether it waits for a completion."""
        return self.pos_condition_code == PREAUTHORIZED


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """0110, 0210. The issuer's answer (or the network's, for a silent one), on its way back."""

    acquirer_id: str
    terminal_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    response_code: ResponseCode
    """DE 39."""
    approval_code: str | None = None
    """DE 38, 6 characters."""
    amount: Money
    """DE 4 and DE 49: the amount approved."""
    icc_data: bytes | None = None
    """DE 55: issuer authentication data (tag 91) and scripts (71, 72) for the chip, in BER-TLV."""
    network_reference: str | None = None
    is_financial: bool = False
    """0210."""
    ledger_minor: int | None = None
    available_minor: int | None = None
    """DE 54: the account's balances in the currency of DE 49, amount types 01 and 02."""
    address_verdict: str | None = None
    """DE 48 sub-element 83: Y both parts match, Z the postcode, A the street, N neither, U nothing is known."""
    cvv2_verdict: str | None = None
    """DE 48 sub-element 87: M match, N no match."""

    @property
    def facts(self) -> dict[str, str | int]:
        """What a hop that passes the response on tells beside DE 38, 39 and 63, by the names of its fields: the amount
        where it is less than asked for, balances, verdicts, and `icc_data` in hexadecimal."""
        less = self.response_code in (ResponseCode.PARTIAL_APPROVAL, ResponseCode.PURCHASE_ONLY_APPROVED)
        told = {
            "amount_minor": self.amount.amount_minor if less else None,
            "icc_data": None if self.icc_data is None else self.icc_data.hex().upper(),
            "ledger_minor": self.ledger_minor,
            "available_minor": self.available_minor,
            "address_verdict": self.address_verdict,
            "cvv2_verdict": self.cvv2_verdict,
        }
        return {name: value for name, value in told.items() if value is not None}


class AdviceReason(StrEnum):
    """DE 60 of an 0120: why the issuer is told and not asked. The network's own codes."""

    FINAL_AMOUNT = "200"
    """The acquirer's: what a pre-authorization of unknown amount (fuel) has come to."""
    ISSUER_SILENT = "400"
    ISSUER_SIGNED_OFF = "401"
    """The network's: it has answered in the issuer's place (stand-in)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAdvice:
    """0120, repeat 0121: what has been decided already, or what an approved request has come to. Cannot be refused.

    `request` is the request as it was (its trace is this message's), with the final amount for FINAL_AMOUNT, whose
    `request.original` names the pre-authorization. `response_code` and `approval_code` are what was answered.
    """

    request: AuthorizationRequest
    reason: AdviceReason
    response_code: ResponseCode
    approval_code: str | None = None
    is_repeat: bool = False

    @property
    def acquirer_id(self) -> str:
        """Of the request, as all of these."""
        return self.request.acquirer_id

    @property
    def terminal_id(self) -> str:
        """DE 41."""
        return self.request.terminal_id

    @property
    def stan(self) -> str:
        """DE 11."""
        return self.request.stan

    @property
    def transmitted_at(self) -> datetime:
        """DE 7."""
        return self.request.transmitted_at

    @property
    def rrn(self) -> str:
        """DE 37."""
        return self.request.rrn

    @property
    def pan(self) -> Pan:
        """DE 2."""
        return self.request.pan

    @property
    def network_reference(self) -> str | None:
        """DE 63."""
        return self.request.network_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAdviceResponse:
    """0130: the advice was heard."""

    acquirer_id: str
    terminal_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    response_code: ResponseCode
    network_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalAdvice:
    """0400 (a terminal asks) or 0420 (a hop tells; repeat 0421). What the original promised is off, or less.

    `replacement_amount` (DE 95) is the *new total* of a partial reversal; None reverses all of it.
    """

    acquirer_id: str
    terminal_id: str
    merchant_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    pan: Pan
    processing_code: str
    amount: Money
    """DE 4: the original's amount."""
    original: OriginalData
    replacement_amount: Money | None = None
    network_reference: str | None = None
    response_code: ResponseCode | None = None
    """DE 39 in a reversal says why: 68 the response came too late or never, 17 or none the customer cancelled."""
    is_advice: bool = True
    """True 0420, False 0400."""
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalResponse:
    """0430 (to an advice, which cannot be refused) or 0410 (to a request)."""

    acquirer_id: str
    terminal_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    response_code: ResponseCode
    original: OriginalData
    """Echoed from the request, so that the hop that asked can match it without knowing the STAN."""
    network_reference: str | None = None
    is_advice: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionAdvice:
    """0220, repeat 0221: a terminal tells the final amount of a pre-authorization, or of a purchase with a tip.

    Cannot be refused for funds.
    """

    acquirer_id: str
    terminal_id: str
    merchant_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    pan: Pan
    amount: Money
    """The final amount."""
    original: OriginalData
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineSaleAdvice:
    """0220 without DE 90, repeat 0221: chip and terminal have approved a sale alone; told when there is a line.

    Cannot be refused for funds. `sale` is what the terminal would have asked, `approval_code` (DE 38) its own.
    """

    sale: AuthorizationRequest
    approval_code: str
    is_repeat: bool = False

    @property
    def acquirer_id(self) -> str:
        """Of the sale, as all of these."""
        return self.sale.acquirer_id

    @property
    def terminal_id(self) -> str:
        """DE 41."""
        return self.sale.terminal_id

    @property
    def stan(self) -> str:
        """DE 11."""
        return self.sale.stan

    @property
    def transmitted_at(self) -> datetime:
        """DE 7: when the sale was made."""
        return self.sale.transmitted_at

    @property
    def rrn(self) -> str:
        """DE 37."""
        return self.sale.rrn

    @property
    def pan(self) -> Pan:
        """DE 2."""
        return self.sale.pan


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionResponse:
    """0230."""

    acquirer_id: str
    terminal_id: str
    stan: str
    transmitted_at: datetime
    rrn: str
    response_code: ResponseCode
    original: OriginalData | None
    """None where the advice had none: it told of a sale made offline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentment:
    """One record of a clearing file (shaped like 1240): the acquirer presents a transaction for payment.

    `arn` is the acquirer reference number, the presentment's own identity; interchange, fee and rate are filled by the
    network, which computes them once and tells both sides.
    """

    arn: str
    """DE 31: 23 digits with check digit."""
    network_reference: str | None
    """DE 63, None for a force post without authorization."""
    acquirer_id: str
    pan: Pan
    processing_code: str
    """DE 3: 00 purchase, 20 credit (refund)."""
    amount: Money
    transacted_at: datetime
    """DE 12."""
    authorized_on: date | None
    approval_code: str | None
    pos_entry_mode: str
    """DE 22, 12 positions in clearing."""
    mcc: str
    terminal_id: str
    merchant_id: str
    merchant_name: str
    business_date: date
    """The clearing date of the file that carries it."""
    is_final: bool = True
    """The last presentment of its authorization: what is left of the hold is released."""
    interchange: str | None = None
    """The item's interchange in minor units with six decimals, signed from the issuer's side, e.g. "120.000000"."""
    network_fee: str | None = None
    """The acquirer's fee for the item, in minor units with six decimals."""
    rate: str | None = None
    """The program of the network's tariff that the item got."""
    downgrades: str | None = None
    """Each better program and what the item would have needed for it; None where it got the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkManagementRequest:
    """0800 with DE 70: 001 sign-on, 002 sign-off, 301 echo."""

    stan: str
    transmitted_at: datetime
    information_code: str
    member_id: str
