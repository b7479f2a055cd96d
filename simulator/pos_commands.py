"""`bezant pos`: a terminal in the standing world. Its receipt, the messages on its line, the talk with the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.vocabulary.errors import BezantError
from simulator.entry_words import EntryWord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.vocabulary.money import Money
    from simulator.counter import Exchange
    from simulator.kernel.setup import Outcome
    from simulator.population import Shop
    from simulator.terminals import Receipt

pos = typer.Typer(help="A terminal of the standing world.", no_args_is_help=True)


@pos.callback()
def _pos() -> None:
    """Keeps `purchase` a word of its own."""


@pos.command("purchase")
def buy_something(
    *,
    amount: Annotated[str, typer.Option(help="In dollars, e.g. 12.34.")],
    entry: Annotated[
        EntryWord | None, typer.Option(help="How the card comes in; by chip, or typed in where nobody here has it.")
    ] = None,
    card: Annotated[
        str | None, typer.Option(help="A card number, or @somebody's card; our bank's first card if none.")
    ] = None,
    expiry: Annotated[str | None, typer.Option(help="The expiry as typed, YYMM.")] = None,
    pin: Annotated[str | None, typer.Option(help="The PIN as typed; the card's own if none.")] = None,
    terminal: Annotated[str | None, typer.Option(help="DE 41; the first that takes cards so, if none.")] = None,
    tip: Annotated[str | None, typer.Option(help="In dollars, told after the approval (0220).")] = None,
    cashback: Annotated[str | None, typer.Option(help="In dollars, paid out and added to the amount.")] = None,
    broken_chip: Annotated[bool, typer.Option("--broken-chip", help="The chip does not answer: fallback.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show what terminal and chip say to each other.")] = False,
) -> None:
    """Buy at a terminal of a running `bezant up`, and show the receipt and all messages."""
    import asyncio

    from api.clock import MachineClock
    from api.settings import load_settings
    from simulator import counter
    from simulator.chip.apdu import Command, Response
    from simulator.trace import trace_lines

    extras = counter.Extras(
        cashback=None if cashback is None else _money("--cashback", cashback),
        tip=None if tip is None else _money("--tip", tip),
    )
    money = _money("--amount", amount)
    if extras.cashback is not None and extras.tip is not None:
        raise BezantError("--tip and --cashback do not go together.")
    if extras.cashback is not None and entry in (EntryWord.MANUAL, EntryWord.ECOMMERCE):
        raise BezantError("--cashback needs a card at the counter: insert, tap or swipe it.")
    for option, value, digits in (("--expiry", expiry, (4, 4)), ("--pin", pin, (4, 12))):
        if value is not None and not (value.isdecimal() and digits[0] <= len(value) <= digits[1]):
            raise BezantError(f"{option} has {' to '.join(map(str, sorted(set(digits))))} digits.")
    settings, clock, lines = load_settings(), MachineClock(), list[str]()

    def watch(command: Command, response: Response) -> None:
        lines.extend(trace_lines(command, response))

    choice = counter.CardChoice(card=card, entry=entry, expiry=expiry, pin=pin, has_broken_chip=broken_chip)
    with counter.presented(settings, choice, watch if trace else None) as held:
        at = counter.terminal(settings, terminal, held.entry, clock)
        receipt, said = asyncio.run(counter.buy(settings, at, held, money, extras, clock=clock))
    console = Console(highlight=False)
    console.print(_receipt(receipt, at.shop, extras.tip))
    if lines:
        console.print(Group(Text("\nchip", style="bold"), Text("\n".join(lines))))
    console.print(*_dumps(said))


def _money(option: str, text: str) -> Money:
    from engine.vocabulary.money import parse_amount

    try:
        money = parse_amount(text)
    except ValueError as fault:
        raise BezantError(f"{option}: {fault}.") from None
    if not 0 < money.amount_minor < 10**12:
        raise BezantError(f"{option}: more than nothing, and no more than DE 4 holds (9999999999.99).")
    return money


def _receipt(receipt: Receipt, shop: Shop, tip: Money | None) -> Panel:
    """What the customer takes home."""
    from engine.vocabulary.money import format_minor
    from gateways.iso8583.describe import ENTRY_MODES

    request, reply = receipt.request, receipt.reply
    asset = request.amount.asset
    lines = Table(box=None, show_header=False)
    lines.add_row("at", f"{shop.name}, {shop.city}")
    lines.add_row("time", f"{request.transmitted_at:%Y-%m-%d %H:%M:%S} UTC")
    lines.add_row("card", f"{request.pan.masked}, {ENTRY_MODES.get(request.pos_entry_mode[:2], '')}")
    lines.add_row("amount", format_minor(request.amount.amount_minor, asset))
    if request.cashback_minor:
        lines.add_row("cash back in it", format_minor(request.cashback_minor, asset))
    if tip is not None:
        lines.add_row("tip", format_minor(tip.amount_minor, asset))
        lines.add_row("total", format_minor(receipt.amount_minor, asset))
    lines.add_row("result", _result(receipt))
    if reply is not None:
        lines.add_row("response code", reply.response_code.value)
        lines.add_row("approval code", reply.approval_code or "")
    lines.add_row("terminal, trace", f"{request.terminal_id}, {request.stan}")
    lines.add_row("retrieval reference", request.rrn)
    lines.add_row("network reference", receipt.reference)
    if receipt.chip is not None:
        for name, value in _of_the_chip(receipt.chip):
            lines.add_row(name, value)
    return Panel.fit(lines, title=shop.name)


def _result(receipt: Receipt) -> str:
    end = receipt.end.value.replace("_", " ")
    if receipt.reply is None:
        said = receipt.chip.reason if receipt.chip is not None and receipt.chip.reason else "no reply"
    else:
        said = receipt.reply.response_code.name.lower().replace("_", " ")
    return end if end == said else f"{end}: {said}"


def _of_the_chip(chip: Outcome) -> Iterator[tuple[str, str]]:
    from simulator.kernel.cardholder import Method
    from simulator.kernel.results import TSI_LENGTH, TVR_LENGTH

    if chip.aid:
        yield "application", f"{chip.label}, {chip.aid.hex().upper()}"
    if "9F36" in chip.objects:
        yield "ATC", str(int.from_bytes(chip.objects["9F36"], "big"))
        yield "cryptogram", f"{chip.objects['9F27'].hex().upper()} {chip.objects['9F26'].hex().upper()}"
    yield "TVR, TSI", f"{chip.tvr:0{2 * TVR_LENGTH}X}, {chip.tsi:0{2 * TSI_LENGTH}X}"
    code = chip.verification[0] & 0x3F
    known = {one.value: one.name.lower().replace("_", " ") for one in Method}
    yield "verification", known.get(code, "not performed")
    if chip.needs_signature:
        yield "signature", "_" * 24


def _dumps(said: list[Exchange]) -> Iterator[Group]:
    """Each message that went over the wire, masked."""
    from gateways.iso8583.describe import describe, render_table
    from gateways.iso8583.specifications import TERMINAL

    for exchange in said:
        for title, elements in (("sent", exchange.request), ("heard", exchange.reply)):
            dump = Text("nothing") if elements is None else render_table(describe(elements, TERMINAL))
            yield Group(Text(f"\n{title}", style="bold"), dump)
