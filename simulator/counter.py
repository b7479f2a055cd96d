"""A terminal of the standing world, for one purchase: whose card, how it comes in, what was said on the line.

Chips and PIN pads count their transactions for life, and a process lives for one: what they remember lies in the data
folder between purchases (`chips/BANK-HANDLE.json`, without its PIN; `pin-pads/TERMINAL.json`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from api.clock import MachineClock
from api.members import OUR_ACQUIRER
from api.settings import Settings
from api.system import MEMBERS
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.money import Money
from gateways.asking import Asker
from gateways.iso8583.codec import Fields
from gateways.iso8583.matching import TERMINAL_KEY
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import TERMINAL
from simulator.chip.card import SoftCard
from simulator.chip.state import Memory
from simulator.entry_words import EntryWord
from simulator.opening import require_test_world
from simulator.pin_pad import pin_pad_of_test_world
from simulator.plastic import Plastic
from simulator.population import Kind, Shop
from simulator.reading import Watch
from simulator.standing import Holder, holders, townspeople
from simulator.terminals import (
    BY_CHIP,
    LARGEST_STAN,
    PATIENCE,
    Conversation,
    Entry,
    Heard,
    Presented,
    Receipt,
    Reply,
    Send,
    Terminal,
    purchase,
    purchase_with_tip,
)

_ACQUIRER_ID: Final = next(member.member_id for member in MEMBERS if member.name == OUR_ACQUIRER)


ENTRIES: Final = {
    EntryWord.CHIP: Entry.CHIP,
    EntryWord.CONTACTLESS: Entry.CONTACTLESS,
    EntryWord.MAGSTRIPE: Entry.STRIPE,
    EntryWord.MANUAL: Entry.MANUAL,
    EntryWord.ECOMMERCE: Entry.ONLINE,
}
_TYPED: Final = frozenset({EntryWord.MANUAL, EntryWord.ECOMMERCE})


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a terminal sent and what it heard, by elements; `reply` is None for silence."""

    request: Fields
    reply: Fields | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChoice:
    """Which card, and how it is presented. `card` is a number or a @handle, None for the first card of our bank's.

    `pin` is what is typed; None types the card's own.
    """

    card: str | None = None
    entry: EntryWord | None = None
    expiry: str | None = None
    pin: str | None = None
    has_broken_chip: bool = False


@dataclass(frozen=True, slots=True)
class Extras:
    """What is added to a purchase: money from the till, a tip. One of them at most."""

    cashback: Money | None = None
    tip: Money | None = None


@contextmanager
def presented(settings: Settings, choice: CardChoice, watch: Watch | None = None) -> Iterator[Presented]:
    """The card at the counter; when it is taken back, what its chip remembers is kept.

    Cards that are nobody's in town can be typed in only. Raises `BezantError` for what is no card, or cannot be so.
    """
    holder = _holder(settings, choice.card)
    if holder is None:
        yield _typed(choice)
        return
    entry = choice.entry or EntryWord.CHIP
    plastic = holder.plastic
    if choice.expiry is not None:
        if entry not in _TYPED:
            raise BezantError("--expiry is typed: it goes with --entry manual or ecommerce.")
        plastic = replace(plastic, expiry=choice.expiry)
    pin = None if entry in _TYPED else choice.pin or plastic.pin
    kept = settings.data_folder / "chips" / f"{holder.person.bank}-{holder.person.handle}.json"
    chip = _chip(plastic, kept) if ENTRIES[entry] in BY_CHIP else None
    if chip is not None:
        chip.is_mute = choice.has_broken_chip
    try:
        yield Presented(plastic=plastic, entry=ENTRIES[entry], pin=pin, chip=chip, watch=watch)
    finally:
        if chip is not None:
            remembered = asdict(chip.state.memory)
            del remembered["pin"]
            _keep(remembered, kept)


def terminal(settings: Settings, terminal_id: str | None, entry: Entry, clock: MachineClock) -> Terminal:
    """One of the town's terminals; the first that takes cards in this way, if none is named. Raises `BezantError`."""
    require_test_world(settings)
    shops = {one: shop for shop in townspeople().shops for one in shop.terminals}
    fitting = {one: shop for one, shop in shops.items() if _takes(shop, entry)}
    chosen = terminal_id or next(iter(fitting))
    if chosen not in shops:
        raise BezantError(f"There is no terminal {chosen!r} in town; they go from {min(shops)} to {max(shops)}.")
    if (shops[chosen].kind is Kind.ONLINE) is not (entry is Entry.ONLINE):
        where = "a web shop: use --entry ecommerce" if entry is not Entry.ONLINE else "at a counter, not a web shop"
        raise BezantError(f"The terminal {chosen} is {where}.")
    # A terminal counts its requests. This one lives for one of them, and so begins somewhere.
    begins = clock.now().microsecond % LARGEST_STAN
    count = _read(_pad_file(settings, chosen), {"counter"}).get("counter", 0)
    pin_pad = pin_pad_of_test_world(settings.master_key_bytes(), OUR_ACQUIRER, chosen, counter=count)
    return Terminal(shops[chosen], chosen, acquirer_id=_ACQUIRER_ID, pin_pad=pin_pad, last_stan=begins)


async def buy(
    settings: Settings, at: Terminal, card: Presented, amount: Money, extras: Extras, *, clock: MachineClock
) -> tuple[Receipt, list[Exchange]]:
    """One purchase over the acquirer's wire: the receipt, and all that was said. Raises `PeerUnreachable`."""
    asker = Asker(
        settings.called_host, settings.pos_port, TERMINAL, key_elements=TERMINAL_KEY, clock=clock, timeout=PATIENCE
    )
    now = clock.now().replace(microsecond=0)
    conversation = (
        purchase(at, card, amount, now, cashback=extras.cashback)
        if extras.tip is None
        else purchase_with_tip(at, card, amount, now, tip=extras.tip, tip_at=now)
    )
    try:
        await asker.open()
        said: list[Exchange] = []
        receipt = await _played(conversation, asker, clock, said)
    finally:
        _keep({"counter": at.pin_pad.counter}, _pad_file(settings, at.terminal_id))
        await asker.close()
    return receipt, said


async def _played(conversation: Conversation, asker: Asker, clock: MachineClock, said: list[Exchange]) -> Receipt:
    heard: Heard | None = None
    while True:
        try:
            step = next(conversation) if heard is None else conversation.send(heard)
        except StopIteration as end:
            receipt: Receipt = end.value
            return receipt
        reply: Fields | None = None
        if isinstance(step, Send):
            elements = to_fields(step.request)
            try:
                reply = await asker.ask(elements)
            except TimeoutError:
                reply = None
            said.append(Exchange(elements, reply))
        else:
            await clock.sleep_until(step.until)
        # DE 7 of what is said next has whole seconds.
        heard = Heard(None if reply is None else Reply.of(reply), clock.now().replace(microsecond=0))


def _takes(shop: Shop, entry: Entry) -> bool:
    if entry is Entry.ONLINE or shop.kind is Kind.ONLINE:
        return entry is Entry.ONLINE and shop.kind is Kind.ONLINE
    return not shop.reads_chips if entry is Entry.STRIPE else shop.reads_chips


def _holder(settings: Settings, card: str | None) -> Holder | None:
    town = holders(settings, townspeople())
    if card is None:
        return next(town)
    wanted = card.removeprefix("@")
    for one in town:
        if wanted in (one.plastic.pan.clear, one.person.handle):
            return one
    if card.startswith("@"):
        raise BezantError(f"--card: nobody in town is called {card}, or their card does not work.")
    return None


def _typed(choice: CardChoice) -> Presented:
    try:
        number = Pan(choice.card or "")
    except ValueError as fault:
        raise BezantError(f"--card: {fault}, and names begin with @.") from None
    entry = choice.entry or EntryWord.MANUAL
    if entry not in _TYPED:
        raise BezantError("The town does not know this card: it can be typed in only, --entry manual or ecommerce.")
    if choice.expiry is None:
        raise BezantError("The town does not know this card: give its --expiry (YYMM) as well.")
    unknown = Plastic(pan=number, expiry=choice.expiry, pin="", pvv="", cvv="", cvv2="000")
    return Presented(plastic=unknown, entry=ENTRIES[entry], pin=choice.pin)


def _chip(plastic: Plastic, kept: Path) -> SoftCard:
    chip = plastic.soft_card()
    remembered = _read(kept, {field.name for field in fields(Memory)} - {"pin"})
    chip.state = replace(chip.state, memory=replace(chip.state.memory, **remembered))
    return chip


def _pad_file(settings: Settings, terminal_id: str) -> Path:
    return settings.data_folder / "pin-pads" / f"{terminal_id}.json"


def _read(kept: Path, names: Set[str]) -> dict[str, Any]:
    """What is remembered there, by these names; nothing yet where there is no file."""
    if not kept.exists():
        return {}
    try:
        remembered = json.loads(kept.read_text(encoding="utf-8"))
        assert remembered.keys() <= names
        assert all(isinstance(value, int) for value in remembered.values())
    except (OSError, ValueError, AttributeError, AssertionError):
        raise BezantError(f"{kept} is not what a chip or PIN pad remembers: remove it, and it begins anew.") from None
    else:
        return dict(remembered)


def _keep(remembered: Mapping[str, int], kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = kept.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(remembered, indent=1) + "\n", encoding="utf-8")
    beside.replace(kept)
