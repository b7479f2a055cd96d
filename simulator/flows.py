"""Documents that are told by a run: a world of one person, one shop and one purchase, written down as it happened.

The world is the one of `bezant demo`, so what the document says is what the program does. Nothing in it depends on the
machine, the run or the day on which it is made; a test makes it again and compares.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import text

from api.members import NETWORK, OUR_ACQUIRER, OUR_BANK
from api.roles import Host
from api.system import Seat, System
from engine.vocabulary.decision import Message
from engine.vocabulary.money import format_minor
from gateways.iso8583.describe import Line, describe, render_text
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import SIMNET, TERMINAL
from issuer.cards.numbers import card_number
from simulator.auditor import Auditor
from simulator.chance import Chance
from simulator.day import BEGINS_AT, FIRST_PAYMENT_AT, Day, PlannedPayment, Scenario
from simulator.faults import FaultPlan, Level
from simulator.playing import Record, Watch, play_day
from simulator.population import (
    ACCOUNT_RANGES,
    ASSET,
    CardPlan,
    CardState,
    Kind,
    Person,
    Population,
    Shop,
)
from simulator.story import Step, everything
from simulator.terminals import Receipt
from simulator.town import Town

POS_PURCHASE: Final = "pos_purchase.md"
"""The document's name."""
AMOUNT_MINOR: Final = 10_000
_FILES: Final = text(
    "select name, sender_id, record_count, amount_total_minor from files where direction = 'out' and state <> 'refused'"
    " order by name"
)

_CARD: Final = CardPlan(
    pan=card_number(ACCOUNT_RANGES[OUR_BANK], 10_001), expiry="2812", state=CardState.ACTIVE, pin="4711"
)
_PERSON: Final = Person(
    bank=OUR_BANK, handle="ada", name="Ada Park", opening_minor=50_000, savings_minor=None, cards=(_CARD,)
)
_SHOP: Final = Shop(
    merchant_id="200001000000001",
    name="Harbor Books",
    city="Springfield",
    country="US",
    mcc="5942",
    kind=Kind.STORE,
    terminals=("M001T001",),
    discount_bps=200,
    fixed_minor=0,
    typical_minor=(AMOUNT_MINOR, AMOUNT_MINOR),
)
_PURCHASE: Final = PlannedPayment(
    key="purchase",
    at=FIRST_PAYMENT_AT,
    scenario=Scenario.PURCHASE,
    shop=_SHOP,
    terminal_id=_SHOP.terminals[0],
    person=_PERSON,
    card=0,
    amount_minor=AMOUNT_MINOR,
    with_pin=True,
    draw=99,  # inserted
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message on a wire, as a masked dump."""

    sender: str
    receiver: str
    dump: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class ExchangedFile:
    """One file between institutions: how many items, and the sum of their amounts in minor units."""

    name: str
    items: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Everything that came of one purchase."""

    receipt: Receipt
    messages: tuple[Sent, ...]
    steps: tuple[Step, ...]
    files: tuple[ExchangedFile, ...]


@dataclass(slots=True)
class _Listening:
    """A host, and what it was given to send."""

    host: Host
    name: str
    receiver: str
    sent: list[Sent] = field(default_factory=list)

    async def start(self) -> None:
        await self.host.start()

    async def close(self) -> None:
        await self.host.close()

    def send(self, message: Message) -> None:
        self.sent.append(Sent(self.name, self.receiver, tuple(describe(to_fields(message.body), SIMNET))))
        self.host.send(message)

    def reachable(self, member_id: str) -> bool:
        return self.host.reachable(member_id)


def one_purchase(system: System) -> Flow:
    """Play it in a fresh system, from the terminal to the payout."""
    return asyncio.run(_play(system))


async def _play(system: System) -> Flow:
    population = Population(people=(_PERSON,), shops=(_SHOP,))
    day = Day(payments=(_PURCHASE,), transfers=(), silences=())
    record = Record(population, day, FaultPlan(Chance(0), Level.NONE))

    async with Town(system, population, BEGINS_AT) as town:
        auditor = Auditor(population, day, record.faults, town.clock.now)
        await town.open(record.faults, Watch(auditor, record), _unheard)
        wires = [_listen(town.seats[OUR_ACQUIRER], NETWORK), _listen(town.seats[NETWORK], OUR_BANK)]
        await play_day(town, record, auditor, _unheard)
        receipt = record.receipts[_PURCHASE.key]
        request, reply = (tuple(describe(frame, TERMINAL)) for frame in record.frames[receipt.reference])
        steps = everything({name: seat.processor.engine for name, seat in town.seats.items()}, FIRST_PAYMENT_AT)
        return Flow(
            receipt=receipt,
            messages=(
                Sent("terminal", OUR_ACQUIRER, request),
                *(sent for wire in wires for sent in wire.sent),
                Sent(OUR_ACQUIRER, "terminal", reply),
            ),
            steps=tuple(steps),
            files=tuple(_files(town.seats.values())),
        )


def _unheard(what: str) -> None:
    """How far it is interests nobody."""


def _listen(seat: Seat, receiver: str) -> _Listening:
    assert seat.outward.host is not None, "a member has wires"
    seat.outward.host = listening = _Listening(seat.outward.host, seat.institution.name, receiver)
    return listening


def _files(seats: Iterable[Seat]) -> Iterator[ExchangedFile]:
    for seat in seats:
        with seat.processor.engine.connect() as connection:
            for row in connection.execute(_FILES):
                yield ExchangedFile(row.name, row.record_count, row.amount_total_minor)


# --- the document ---


def pos_purchase(flow: Flow) -> str:
    """The document, in Markdown."""
    online_until = FIRST_PAYMENT_AT + timedelta(hours=1)
    online = [step for step in flow.steps if step.at < online_until]
    later = [step for step in flow.steps if step.at >= online_until]
    return "\n".join(
        (
            "# One purchase at a counter",
            "",
            "Made by `bezant flows --write` from a run: the world of the demonstration with one person, one shop and"
            " one purchase.",
            "A test makes it again and compares. Instants are UTC; card number, track and PIN block are masked.",
            "",
            f"{_PERSON.name} buys for {format_minor(AMOUNT_MINOR, ASSET)} at {_SHOP.name}, with the chip of her card"
            f" and her PIN. Her bank is `{OUR_BANK}`,",
            f"the shop's acquirer is `{OUR_ACQUIRER}`; between them stands the network, `{NETWORK}`. The receipt says"
            f" {flow.receipt.end}; the network's reference is {flow.receipt.reference}.",
            "",
            "## The messages",
            "",
            *(line for number, sent in enumerate(flow.messages, start=1) for line in _message(number, sent)),
            "The network's answer to the acquirer and the bank's to the network are 0110s with the same DE 7, 11, 32"
            " and 41 as their requests.",
            "",
            "## The decisions",
            "",
            "Each is one transaction in the book of one institution: it commits, then its messages leave.",
            "",
            *_table(online),
            "",
            "## The evening and the morning after",
            "",
            'Clearing, settlement and payout, by the jobs of each institution (`docs/ARCHITECTURE.md`, "A day").',
            "",
            *_table(later),
            "",
            "## The files",
            "",
            "| File | Items | Sum |",
            "| --- | --- | --- |",
            *(f"| `{one.name}` | {one.items} | {format_minor(one.total_minor, ASSET)} |" for one in flow.files),
            "",
        )
    )


def _message(number: int, sent: Sent) -> Iterator[str]:
    yield f"### {number}. `{sent.sender}` to `{sent.receiver}`: {sent.dump[0].value}"
    yield ""
    yield "```text"
    yield render_text(list(sent.dump))
    yield "```"
    yield ""


def _table(steps: Iterable[Step]) -> Iterator[str]:
    yield "| When | Who | What happened | Debit | Credit | Amount |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for at, those in groupby(steps, key=lambda step: step.at):
        when = f"{at:%d %b %H:%M:%S}"
        for step, times in Counter(those).items():
            yield from _rows(step, when, times)
            when = ""


def _rows(step: Step, when: str, times: int) -> Iterator[str]:
    what = ", ".join(step.what) + (f" ({times} times)" if times > 1 else "")
    if not step.postings:
        yield f"| {when} | {step.institution} | {what} | | | |"
    for number, posted in enumerate(step.postings):
        first = (when, step.institution, what) if number == 0 else ("", "", "")
        amount = format_minor(posted.amount_minor, ASSET)
        yield f"| {' | '.join(first)} | {posted.debit} | {posted.credit} | {amount} ({posted.kind}) |"
