"""Terminals as conversations: generators without I/O that say what to send, hear what came back, and go on from there.

    heard = yield Send(request)       the reply to it, or None after PATIENCE of silence
    heard = yield Wait(until)         time has passed

A terminal that hears nothing does not know whether money was promised, so it takes the request back: a 0400, repeated
as 0401 up to three times, then it gives up and leaves the books to the acquirer's reconciliation. Advices of a final
amount (0220) are repeated as 0221 the same way. `simulator/terminal_lines.py` plays conversations over TCP.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from engine.vocabulary.identifiers import Secret, network_reference
from engine.vocabulary.messages import (
    CASHBACK,
    PREAUTHORIZED,
    PURCHASE,
    REFUND,
    AuthorizationRequest,
    CompletionAdvice,
    OfflineSaleAdvice,
    OriginalData,
    ReversalAdvice,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from simulator.chip.card import SoftCard
from simulator.kernel.contact import contact
from simulator.kernel.contactless import contactless
from simulator.kernel.setup import CardRead, KernelSetup, Outcome, Sale, Word
from simulator.kernel.setup import Conversation as KernelConversation
from simulator.kernel.setup import End as KernelEnd
from simulator.pin_pad import PinPad
from simulator.plastic import Plastic
from simulator.population import Shop
from simulator.reading import Watch, read_card

PATIENCE: Final = timedelta(seconds=45)
"""How long a terminal waits for a reply: longer than the acquirer's 30 seconds, so that its 91 still arrives."""
REPEATS: Final = 3
FORWARD_REPEATS: Final = 20
"""How often a sale made offline is told again, a quarter of an hour apart: its goods are gone."""
LARGEST_STAN: Final = 999_999

FORWARD_AFTER: Final = timedelta(minutes=15)
"""How long a sale that was approved offline lies in the terminal before it is told."""

TerminalRequest = AuthorizationRequest | ReversalAdvice | CompletionAdvice | OfflineSaleAdvice


class Entry(StrEnum):
    """How the card comes into the terminal: DE 22, PAN entry mode and PIN capability.

    | | DE 22 | DE 23 | DE 25 | DE 35 | DE 48.92 | DE 52 | DE 55 |
    | --- | --- | --- | --- | --- | --- | --- | --- |
    | chip | 051 | yes | 00 | the chip's copy | | if the kernel asks for an online PIN | yes |
    | contactless | 071 | yes | 00 | the chip's copy | | likewise, over the limit | yes |
    | stripe, no chip reader | 901 | | 00 | the stripe | | if typed | |
    | fallback: the chip does not answer | 801 | | 00 | the stripe | | if typed | |
    | manual | 012 | | 00 | | | | |
    | e-commerce | 812 | | 59 | | yes | | |

    A pre-authorization has 06 in DE 25 whatever its entry.
    """

    CHIP = "051"
    CONTACTLESS = "071"
    STRIPE = "901"
    FALLBACK = "801"
    MANUAL = "012"
    ONLINE = "812"


BY_CHIP: Final = frozenset({Entry.CHIP, Entry.CONTACTLESS})
BY_STRIPE: Final = frozenset({Entry.STRIPE, Entry.FALLBACK})


@dataclass(frozen=True, slots=True)
class Reply:
    """What of an answer matters at the counter: DE 39 and DE 38; and to the chip, DE 55."""

    response_code: ResponseCode
    approval_code: str | None = None
    icc_data: bytes | None = None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Reply:
        """From a message's elements."""
        chip = fields.get("55")
        return cls(ResponseCode(fields["39"]), fields.get("38"), None if chip is None else bytes.fromhex(chip))


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
    APPROVED_OFFLINE = "approved_offline"
    """By chip and terminal."""
    DECLINED_OFFLINE = "declined_offline"
    """By chip or terminal; nobody was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the terminal prints. `amount_minor` is the final amount; `reply` answers the 0100, None for silence.

    `request` is what was sent, or would have been where chip and terminal decided alone. `chip` is how the kernel's
    part ended.
    """

    end: End
    request: AuthorizationRequest
    reply: Reply | None
    amount_minor: int
    chip: Outcome | None = None

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
    chip: SoftCard | None = None
    """The plastic's chip, for entry by it."""
    watch: Watch | None = None
    """Hears the APDUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be paid: DE 3's type, the amount with cash back, DE 25."""

    amount: Money
    at: datetime
    transaction_type: str = PURCHASE
    condition: str = "00"
    cashback_minor: int = 0


class Terminal:
    """One terminal of a shop, with its trace numbers. `setup` is its kernel's."""

    def __init__(
        self,
        shop: Shop,
        terminal_id: str,
        *,
        acquirer_id: str,
        pin_pad: PinPad,
        last_stan: int = 0,
        setup: KernelSetup | None = None,
    ) -> None:
        self.shop = shop
        self.setup = setup or KernelSetup()
        self.terminal_id = terminal_id
        self.acquirer_id = acquirer_id
        self.pin_pad = pin_pad
        self._stan = last_stan

    def next_stan(self) -> str:
        """DE 11: counts, and wraps from 999999 to 000001."""
        self._stan = self._stan % LARGEST_STAN + 1
        return f"{self._stan:06d}"

    def kernel(self, presented: Presented, order: Order) -> KernelConversation:
        """The kernel's part of this order, with the card that is presented.

        Its unpredictable number and lot follow from terminal, trace number and time: no two are alike, and a world
        played again is the same.
        """
        drawn = blake2b(f"{self.terminal_id}{self._stan}{order.at.isoformat()}".encode(), digest_size=8).digest()
        sale = Sale(
            amount_minor=order.amount.amount_minor,
            cashback_minor=order.cashback_minor,
            transaction_type=order.transaction_type,
            at=order.at,
            unpredictable=drawn[:4],
            lot=1 + int.from_bytes(drawn[4:], "big") % 99,
        )
        return (contactless if presented.entry is Entry.CONTACTLESS else contact)(self.setup, sale)

    def authorization(self, presented: Presented, order: Order, read: CardRead | None = None) -> AuthorizationRequest:
        """The 0100 for a card that is presented; `read` is what the kernel says of it, for entry by chip."""
        plastic, stan, at = presented.plastic, self.next_stan(), order.at
        entry, condition = presented.entry, order.condition
        online = entry is Entry.ONLINE
        pin = presented.pin if read is None else read.pin
        pin_block, serial = (None, None) if pin is None else self.pin_pad.encrypt(plastic.pan, pin)
        stripe = plastic.track2 if entry in BY_STRIPE else None
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
            expiry=plastic.expiry if read is None else read.expiry,
            processing_code=f"{order.transaction_type}0000",
            amount=order.amount,
            cashback_minor=order.cashback_minor,
            pos_entry_mode=entry.value,
            pos_condition_code="59" if online and condition == "00" else condition,
            track2=stripe if read is None else Secret(read.track2),
            pin_block=pin_block,
            key_serial_number=serial,
            cvv2=Secret(plastic.cvv2) if online else None,
            card_sequence_number=None if read is None else read.sequence_number,
            icc_data=None if read is None else read.icc_data,
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
    if isinstance(request, ReversalAdvice | CompletionAdvice):
        stan, transmitted_at = request.original.stan, request.original.transmitted_at
    return network_reference(request.acquirer_id, request.terminal_id, stan, transmitted_at)


def purchase(
    terminal: Terminal, presented: Presented, amount: Money, at: datetime, *, cashback: Money | None = None
) -> Conversation:
    """A purchase: approved, declined, or taken back after silence. `cashback` is paid out and added to the amount."""
    if cashback is None:
        return (yield from _authorize(terminal, presented, Order(amount=amount, at=at)))
    order = Order(amount=amount + cashback, at=at, transaction_type=CASHBACK, cashback_minor=cashback.amount_minor)
    return (yield from _authorize(terminal, presented, order))


def refund(terminal: Terminal, presented: Presented, amount: Money, at: datetime) -> Conversation:
    """Money back to a card, by a request of its own."""
    return (yield from _authorize(terminal, presented, Order(amount=amount, at=at, transaction_type=REFUND)))


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
    receipt = yield from _authorize(terminal, presented, Order(amount=amount, at=at, condition=PREAUTHORIZED))
    if receipt.end is not End.APPROVED or complete_at is None or final is None:
        return receipt
    heard = yield Wait(complete_at)
    return (yield from _complete(terminal, receipt, final, heard.at))


def purchase_with_tip(
    terminal: Terminal, presented: Presented, amount: Money, at: datetime, *, tip: Money, tip_at: datetime
) -> Conversation:
    """A purchase in a restaurant; the tip is written on the slip and told later."""
    receipt = yield from _authorize(terminal, presented, Order(amount=amount, at=at))
    if receipt.end is not End.APPROVED:
        return receipt
    heard = yield Wait(tip_at)
    return (yield from _complete(terminal, receipt, amount + tip, heard.at))


def purchase_cancelled(
    terminal: Terminal, presented: Presented, amount: Money, at: datetime, *, cancel_at: datetime
) -> Conversation:
    """A purchase that the customer thinks better of at the counter."""
    receipt = yield from _authorize(terminal, presented, Order(amount=amount, at=at))
    if receipt.end is not End.APPROVED:
        return receipt
    heard = yield Wait(cancel_at)
    return (yield from _reverse(terminal, receipt, None, heard.at))


def _authorize(terminal: Terminal, presented: Presented, order: Order) -> Conversation:
    if presented.entry in BY_CHIP:
        return (yield from _by_chip(terminal, presented, order))
    if presented.entry is Entry.STRIPE and terminal.shop.reads_chips and presented.plastic.chip_secrets is not None:
        # The stripe's service code says that there is a chip: it is swiped only when the chip has failed.
        refused = Outcome(end=KernelEnd.TERMINATED, reason="insert the card")
        return (yield from _alone(terminal, presented, order, refused))
    request = terminal.authorization(presented, order)
    heard = yield Send(request)
    return (yield from _answered(terminal, request, heard))


def _answered(
    terminal: Terminal, request: AuthorizationRequest, heard: Heard, chip: Outcome | None = None
) -> Conversation:
    """The end of an 0100, once the card has had its say: silence, and what the card refused, are taken back."""
    amount_minor = request.amount.amount_minor
    receipt = Receipt(end=End.DECLINED, request=request, reply=heard.reply, amount_minor=amount_minor, chip=chip)
    if heard.reply is None:
        receipt = yield from _reverse(terminal, receipt, ResponseCode.RESPONSE_RECEIVED_TOO_LATE, heard.at)
        if chip is None or chip.end is not KernelEnd.APPROVED_OFFLINE:
            return receipt
        # The request is off, and chip and terminal have agreed without it: a sale of its own.
        sold = replace(request, stan=terminal.next_stan(), transmitted_at=heard.at)
        made = replace(receipt, end=End.APPROVED_OFFLINE, amount_minor=amount_minor, request=sold)
        return (yield from _forward(made, heard.at))
    if chip is not None and chip.must_reverse:
        return (yield from _reverse(terminal, receipt, None, heard.at))
    if heard.reply.response_code.approved:
        return replace(receipt, end=End.APPROVED)
    return replace(receipt, amount_minor=0)


def _by_chip(terminal: Terminal, presented: Presented, order: Order) -> Conversation:
    """Insert or tap: the kernel goes first; a chip that does not answer is followed by its stripe."""
    assert presented.chip is not None, "a card that is inserted or tapped has a chip"
    reading = read_card(
        terminal.kernel(presented, order),
        presented.chip,
        contactless=presented.entry is Entry.CONTACTLESS,
        pin=presented.pin,
        watch=presented.watch,
    )
    try:
        read = next(reading)
    except StopIteration as ended:
        outcome: Outcome = ended.value
        if outcome.end is KernelEnd.FALLBACK:
            return (yield from _authorize(terminal, replace(presented, entry=Entry.FALLBACK), order))
        return (yield from _alone(terminal, presented, order, outcome))
    request = terminal.authorization(presented, order, read)
    heard = yield Send(request)
    word = Word(None)
    if heard.reply is not None:
        word = Word(heard.reply.response_code.value, heard.reply.icc_data)
    try:
        reading.send(word)
    except StopIteration as ended:
        return (yield from _answered(terminal, request, heard, ended.value))
    raise AssertionError("the kernel asks the issuer once")


def _alone(terminal: Terminal, presented: Presented, order: Order, outcome: Outcome) -> Conversation:
    """Chip and terminal have decided, and nobody was asked."""
    request = terminal.authorization(presented, order, outcome.card)
    receipt = Receipt(end=End.DECLINED_OFFLINE, request=request, reply=None, amount_minor=0, chip=outcome)
    if outcome.end is not KernelEnd.APPROVED_OFFLINE:
        return receipt
    sold = replace(receipt, end=End.APPROVED_OFFLINE, amount_minor=order.amount.amount_minor)
    return (yield from _forward(sold, order.at))


def _forward(receipt: Receipt, at: datetime) -> Conversation:
    """Store and forward: the sale is told when its time has come, and kept until somebody says that they heard."""
    assert receipt.chip is not None, "the chip has approved"
    request = replace(receipt.request, pin_block=None, key_serial_number=None)
    if receipt.chip.card is not None:
        request = replace(request, icc_data=receipt.chip.card.icc_data)
    advice = OfflineSaleAdvice(sale=request, approval_code=f"Y1{request.stan[-4:]}")
    heard = yield Wait(at + FORWARD_AFTER)
    for attempt in range(1 + FORWARD_REPEATS):
        heard = yield Send(replace(advice, is_repeat=attempt > 0))
        if heard.reply is not None:
            end = End.APPROVED_OFFLINE if heard.reply.response_code.approved else End.NOT_COMPLETED
            return replace(receipt, end=end, reply=heard.reply)
        heard = yield Wait(heard.at + FORWARD_AFTER)
    return replace(receipt, end=End.NOT_COMPLETED)


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
