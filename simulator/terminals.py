"""Terminals as conversations: generators without I/O that say what to send, hear what came back, and go on from there.

    heard = yield Send(request)       the reply to it, or None after PATIENCE of silence
    heard = yield Wait(until)         time has passed

A terminal that hears nothing does not know whether money was promised, so it takes the request back: a 0400, repeated
as 0401 up to three times, then it gives up and leaves the books to the acquirer's reconciliation. Advices of a final
amount (0220) are repeated as 0221 the same way. `simulator/terminal_lines.py` plays conversations over TCP.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from engine.crypto import des
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary.identifiers import Secret, network_reference
from engine.vocabulary.messages import (
    PREAUTHORIZED,
    PURCHASE,
    REFUND,
    AuthorizationRequest,
    CompletionAdvice,
    OriginalData,
    ReversalAdvice,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.plastic import Plastic
from simulator.population import Shop

PATIENCE: Final = timedelta(seconds=45)
"""How long a terminal waits for a reply: longer than the acquirer's 30 seconds, so that its 91 still arrives."""
REPEATS: Final = 3
LARGEST_STAN: Final = 999_999

TerminalRequest = AuthorizationRequest | ReversalAdvice | CompletionAdvice


class Entry(StrEnum):
    """How the card comes into the terminal: DE 22, PAN entry mode and PIN capability."""

    STRIPE = "901"
    MANUAL = "012"
    ONLINE = "812"


@dataclass(frozen=True, slots=True)
class Reply:
    """What of an answer matters at the counter: DE 39 and DE 38."""

    response_code: ResponseCode
    approval_code: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send this, and tell me the reply."""

    request: TerminalRequest


@dataclass(frozen=True, slots=True)
class Wait:
    """Tell me when it is `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a `Send` or `Wait`, and when it is now."""

    reply: Reply | None
    at: datetime


class End(StrEnum):
    """How a conversation ended, as far as the terminal knows."""

    APPROVED = "approved"
    DECLINED = "declined"
    REVERSED = "reversed"
    NOT_REVERSED = "not_reversed"
    """A reversal that nobody acknowledged."""
    NOT_COMPLETED = "not_completed"
    """Approved, but nobody acknowledged the final amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the terminal prints. `amount_minor` is the final amount; `reply` answers the 0100, None for silence."""

    end: End
    request: AuthorizationRequest
    reply: Reply | None
    amount_minor: int

    @property
    def reference(self) -> str:
        """The network's reference of the transaction."""
        return reference_of(self.request)


Conversation = Generator[Send | Wait, Heard, Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A card at the counter or on a web page. `pin` is what is typed; None where none is asked for."""

    plastic: Plastic
    entry: Entry
    pin: str | None = field(default=None, repr=False)


class Terminal:
    """One terminal of a shop, with its trace numbers. `zone_key` is the PIN pad's (16 bytes)."""

    def __init__(self, shop: Shop, terminal_id: str, *, acquirer_id: str, zone_key: bytes, last_stan: int = 0) -> None:
        self.shop = shop
        self.terminal_id = terminal_id
        self.acquirer_id = acquirer_id
        self._zone_key = zone_key
        self._stan = last_stan

    def next_stan(self) -> str:
        """DE 11: counts, and wraps from 999999 to 000001."""
        self._stan = self._stan % LARGEST_STAN + 1
        return f"{self._stan:06d}"

    def pin_block(self, presented: Presented) -> Secret | None:
        """DE 52: the PIN as typed, in format 0 under the PIN pad's key, 16 hexadecimal digits."""
        if presented.pin is None:
            return None
        clear = encode_format_0(presented.pin, presented.plastic.pan.clear)
        return Secret(des.encrypt_ecb(self._zone_key, clear).hex().upper())

    def authorization(
        self, presented: Presented, amount: Money, at: datetime, *, transaction_type: str, condition: str = "00"
    ) -> AuthorizationRequest:
        """The 0100 for a card presented at `at`."""
        plastic, stan = presented.plastic, self.next_stan()
        online = presented.entry is Entry.ONLINE
        return AuthorizationRequest(
            acquirer_id=self.acquirer_id,
            terminal_id=self.terminal_id,
            merchant_id=self.shop.merchant_id,
            merchant_name=self.shop.name_and_location,
            mcc=self.shop.mcc,
            stan=stan,
            transmitted_at=at,
            rrn=retrieval_reference(at, stan),
            pan=plastic.pan,
            expiry=plastic.expiry,
            processing_code=f"{transaction_type}0000",
            amount=amount,
            pos_entry_mode=presented.entry.value,
            pos_condition_code="59" if online and condition == "00" else condition,
            track2=plastic.track2 if presented.entry is Entry.STRIPE else None,
            pin_block=self.pin_block(presented),
            cvv2=Secret(plastic.cvv2) if online else None,
        )


def retrieval_reference(at: datetime, stan: str) -> str:
    """DE 37 as it is usually made: last digit of the year, day of the year, hour, then the trace number."""
    return f"{at.year % 10}{at.timetuple().tm_yday:03d}{at.hour:02d}{stan}"


def original_data(request: AuthorizationRequest) -> OriginalData:
    """DE 90 naming a request."""
    return OriginalData(
        message_type="0100",
        stan=request.stan,
        transmitted_at=request.transmitted_at,
        acquirer_id=request.acquirer_id,
    )


def reference_of(request: TerminalRequest) -> str:
    """The network's reference of the transaction that a request begins or is about."""
    stan, transmitted_at = request.stan, request.transmitted_at
    if not isinstance(request, AuthorizationRequest):
        stan, transmitted_at = request.original.stan, request.original.transmitted_at
    return network_reference(request.acquirer_id, request.terminal_id, stan, transmitted_at)


def purchase(terminal: Terminal, presented: Presented, amount: Money, at: datetime) -> Conversation:
    """A purchase: approved, declined, or taken back after silence."""
    return (yield from _authorize(terminal, presented, amount, at))


def refund(terminal: Terminal, presented: Presented, amount: Money, at: datetime) -> Conversation:
    """Money back to a card, by a request of its own."""
    return (yield from _authorize(terminal, presented, amount, at, transaction_type=REFUND))


def preauthorization(
    terminal: Terminal,
    presented: Presented,
    amount: Money,
    at: datetime,
    *,
    complete_at: datetime | None,
    final: Money | None,
) -> Conversation:
    """A pre-authorization, completed at `complete_at` for `final`; without them it is abandoned, its hold expires."""
    receipt = yield from _authorize(terminal, presented, amount, at, condition=PREAUTHORIZED)
    if receipt.end is not End.APPROVED or complete_at is None or final is None:
        return receipt
    heard = yield Wait(complete_at)
    return (yield from _complete(terminal, receipt, final, heard.at))


def purchase_with_tip(
    terminal: Terminal, presented: Presented, amount: Money, at: datetime, *, tip: Money, tip_at: datetime
) -> Conversation:
    """A purchase in a restaurant; the tip is written on the slip and told later."""
    receipt = yield from _authorize(terminal, presented, amount, at)
    if receipt.end is not End.APPROVED:
        return receipt
    heard = yield Wait(tip_at)
    return (yield from _complete(terminal, receipt, amount + tip, heard.at))


def purchase_cancelled(
    terminal: Terminal, presented: Presented, amount: Money, at: datetime, *, cancel_at: datetime
) -> Conversation:
    """A purchase that the customer thinks better of at the counter."""
    receipt = yield from _authorize(terminal, presented, amount, at)
    if receipt.end is not End.APPROVED:
        return receipt
    heard = yield Wait(cancel_at)
    return (yield from _reverse(terminal, receipt, None, heard.at))


def _authorize(
    terminal: Terminal,
    presented: Presented,
    amount: Money,
    at: datetime,
    *,
    transaction_type: str = PURCHASE,
    condition: str = "00",
) -> Conversation:
    request = terminal.authorization(presented, amount, at, transaction_type=transaction_type, condition=condition)
    heard = yield Send(request)
    receipt = Receipt(end=End.DECLINED, request=request, reply=heard.reply, amount_minor=amount.amount_minor)
    if heard.reply is None:
        return (yield from _reverse(terminal, receipt, ResponseCode.RESPONSE_RECEIVED_TOO_LATE, heard.at))
    if heard.reply.response_code.approved:
        return replace(receipt, end=End.APPROVED)
    return replace(receipt, amount_minor=0)


def _reverse(terminal: Terminal, receipt: Receipt, reason: ResponseCode | None, at: datetime) -> Conversation:
    original = receipt.request
    stan = terminal.next_stan()
    reversal = ReversalAdvice(
        acquirer_id=original.acquirer_id,
        terminal_id=original.terminal_id,
        merchant_id=original.merchant_id,
        stan=stan,
        transmitted_at=at,
        rrn=original.rrn,
        pan=original.pan,
        processing_code=original.processing_code,
        amount=original.amount,
        original=original_data(original),
        response_code=reason,
        is_advice=False,
    )
    for attempt in range(1 + REPEATS):
        heard = yield Send(replace(reversal, is_repeat=attempt > 0))
        if heard.reply is not None:
            accepted = heard.reply.response_code.approved
            return replace(receipt, end=End.REVERSED if accepted else End.NOT_REVERSED, amount_minor=0)
    return replace(receipt, end=End.NOT_REVERSED, amount_minor=0)


def _complete(terminal: Terminal, receipt: Receipt, final: Money, at: datetime) -> Conversation:
    original = receipt.request
    stan = terminal.next_stan()
    advice = CompletionAdvice(
        acquirer_id=original.acquirer_id,
        terminal_id=original.terminal_id,
        merchant_id=original.merchant_id,
        stan=stan,
        transmitted_at=at,
        rrn=original.rrn,
        pan=original.pan,
        amount=final,
        original=original_data(original),
    )
    for attempt in range(1 + REPEATS):
        heard = yield Send(replace(advice, is_repeat=attempt > 0))
        if heard.reply is not None:
            if heard.reply.response_code.approved:
                return replace(receipt, amount_minor=final.amount_minor)
            return replace(receipt, end=End.NOT_COMPLETED)
    return replace(receipt, end=End.NOT_COMPLETED)
