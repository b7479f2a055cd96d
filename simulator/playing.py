"""A day, played: the plan put into the sequencer, the world run until every book of the morning after is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from api.members import OUR_BANK
from engine.vocabulary.decision import Answer
from engine.vocabulary.money import Money
from issuer.cards.numbers import card_number
from simulator.auditor import Auditor
from simulator.day import BEGINS_AT, ENDS_AT, Day, PlannedPayment, PlannedTransfer, Scenario
from simulator.faults import Fate, FaultPlan
from simulator.kernel.setup import KernelSetup
from simulator.people import People
from simulator.plastic import Plastic, other_pin
from simulator.population import ACCOUNT_RANGES, ASSET, UNKNOWN_RANGE, Kind, Population
from simulator.terminals import (
    BY_CHIP,
    Conversation,
    Entry,
    Presented,
    Receipt,
    Reply,
    TerminalRequest,
    preauthorization,
    purchase,
    purchase_cancelled,
    purchase_with_tip,
    reference_of,
    refund,
)
from simulator.town import Town

_SLICE: Final = timedelta(hours=1)
"""World time between two looks at how far it is."""
_FIRST_UNISSUED: Final = 1
"""Card numbers below 10,000 in a range are given to nobody (`population`)."""
_BROKEN_CHIPS: Final = 4
_TAPPED: Final = 65
"""Of a hundred payments at counters: those whose chip does not answer, and (with them) those that would be tapped."""
_KEPT: Final = 40
"""Purchases whose frames are kept, one of which is told."""


@dataclass(slots=True)
class Record:
    """What is remembered of the day, beside what the institutions have in their books."""

    population: Population
    day: Day
    faults: FaultPlan
    receipts: dict[str, Receipt] = field(default_factory=dict)
    transfers: list[tuple[PlannedTransfer, Answer]] = field(default_factory=list)
    frames: dict[str, list[bytes]] = field(default_factory=dict)
    """By network reference, for the first purchases only: what went over the terminal's wire. In memory alone."""
    late_replies: int = 0


class Watch:
    """Watches the counters for the auditor, and keeps the frames of a few purchases."""

    def __init__(self, auditor: Auditor, record: Record) -> None:
        self._auditor = auditor
        self._record = record

    def sent(self, request: TerminalRequest, frame: bytes, fate: Fate) -> None:
        """See `Observer`."""
        self._auditor.sent(request, frame, fate)
        self._keep(request, frame)

    def heard(self, request: TerminalRequest, reply: Reply, frame: bytes) -> None:
        """See `Observer`."""
        self._auditor.heard(request, reply, frame)
        self._keep(request, frame)

    def unheard(self, request: TerminalRequest) -> None:
        """See `Observer`."""
        self._auditor.unheard(request)

    def _keep(self, request: TerminalRequest, frame: bytes) -> None:
        frames, reference = self._record.frames, reference_of(request)
        if reference in frames or len(frames) < _KEPT:
            frames.setdefault(reference, []).append(frame)


async def play(town: Town, record: Record, auditor: Auditor, tell: Callable[[str], None]) -> None:
    """Open the town and play the whole day. `tell` hears what is being done, and how far it is."""
    await town.open(record.faults, Watch(auditor, record), tell)
    await play_day(town, record, auditor, tell)


async def play_day(town: Town, record: Record, auditor: Auditor, tell: Callable[[str], None]) -> None:
    """Play the whole day in a town that is open, its counters watched by `Watch`."""
    for planned in record.day.payments:
        _schedule(town, record, planned)
    _plan_transfers(town, record, auditor)
    until = BEGINS_AT
    while until < ENDS_AT:
        until = min(until + _SLICE, ENDS_AT)
        await town.sequencer.run(until)
        tell(f"{until:%d %b %H:%M}, {len(record.receipts)} of {len(record.day.payments)} payments done")
    record.late_replies = sum(line.late_replies for line in town.lines.values())


def _schedule(town: Town, record: Record, planned: PlannedPayment) -> None:
    def begin() -> None:
        line = town.lines[planned.shop.merchant_id]
        line.play(planned.key, conversation(town, planned), done)

    def done(receipt: Receipt) -> None:
        record.receipts[planned.key] = receipt

    town.sequencer.at(planned.at, planned.key, begin)


def _plan_transfers(town: Town, record: Record, auditor: Auditor) -> None:
    def answered(transfer: PlannedTransfer, answer: Answer) -> None:
        record.transfers.append((transfer, answer))
        auditor.told(transfer, "done" if answer.code in ("sent", "paid") else answer.code)

    people = People(town.seats[OUR_BANK].processor, town.customers[OUR_BANK], town.sequencer, answered)
    for transfer in record.day.transfers:
        people.plan(transfer)


def conversation(town: Town, planned: PlannedPayment) -> Conversation:
    """What the terminal will say for a planned payment."""
    terminal = town.terminals[planned.terminal_id]
    presented = _presented(town, planned)
    amount = Money(planned.amount_minor, ASSET)
    at, then_at, scenario = planned.at, planned.then_at, planned.scenario
    then = None if planned.then_minor is None else Money(planned.then_minor, ASSET)
    if scenario is Scenario.REFUND:
        return refund(terminal, presented, amount, at)
    if scenario in (Scenario.HOTEL, Scenario.FUEL, Scenario.FUEL_ABANDONED):
        return preauthorization(terminal, presented, amount, at, complete_at=then_at, final=then)
    if scenario in (Scenario.TIP, Scenario.TIP_TOO_LARGE):
        assert then is not None and then_at is not None, "a tip has an amount and a time"
        return purchase_with_tip(terminal, presented, amount, at, tip=then, tip_at=then_at)
    if scenario is Scenario.CANCELLED:
        assert then_at is not None, "a cancellation has a time"
        return purchase_cancelled(terminal, presented, amount, at, cancel_at=then_at)
    return purchase(terminal, presented, amount, at)


def _presented(town: Town, planned: PlannedPayment) -> Presented:
    card = planned.person.cards[planned.card]
    plastic = _in_hand(town.plastic(card.pan), planned)
    entry = entry_of(planned, has_chip=plastic.chip_secrets is not None)
    chip = town.chip(card.pan) if entry in BY_CHIP else None
    if not planned.with_pin or entry in (Entry.MANUAL, Entry.ONLINE):
        return Presented(plastic=plastic, entry=entry, chip=chip)
    pin = other_pin(plastic.pin) if planned.scenario is Scenario.WRONG_PIN else plastic.pin
    return Presented(plastic=plastic, entry=entry, pin=pin, chip=chip)


def entry_of(planned: PlannedPayment, *, has_chip: bool) -> Entry:
    """How the card comes into the terminal: tapped where the amount allows it, else inserted; a few chips do not
    answer, and old terminals know the stripe alone."""
    if planned.shop.kind is Kind.ONLINE:
        return Entry.ONLINE
    if planned.scenario is Scenario.MANUAL:
        return Entry.MANUAL
    if not planned.shop.reads_chips:
        return Entry.STRIPE
    if not has_chip or planned.draw < _BROKEN_CHIPS:
        return Entry.FALLBACK
    limits = KernelSetup()
    free = planned.amount_minor <= limits.contactless_free_minor
    may_tap = free or (planned.with_pin and planned.amount_minor <= limits.contactless_limit_minor)
    # A wrong PIN is only noticed where one is asked for.
    if may_tap and planned.draw < _TAPPED and not (free and planned.scenario is Scenario.WRONG_PIN):
        return Entry.CONTACTLESS
    return Entry.CHIP


def _in_hand(plastic: Plastic, planned: PlannedPayment) -> Plastic:
    """The card as it is presented: the right one, a counterfeit, or one that nobody issued."""
    match planned.scenario:
        case Scenario.WRONG_CVV | Scenario.WRONG_CVV2:
            return plastic.counterfeit()
        case Scenario.UNKNOWN_CARD:
            unissued = card_number(ACCOUNT_RANGES[planned.person.bank], _FIRST_UNISSUED)
            return replace(plastic, pan=unissued, chip_secrets=None)
        case Scenario.UNKNOWN_RANGE:
            return replace(plastic, pan=card_number(UNKNOWN_RANGE, _FIRST_UNISSUED), chip_secrets=None)
        case _:
            return plastic
