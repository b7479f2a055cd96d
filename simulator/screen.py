"""The one screen at the end of a demonstration, and the purchase told below it. Builds what a command shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.ledger.chart import Side
from engine.vocabulary.money import format_minor
from gateways.iso8583.describe import render_table
from simulator.figures import Figures
from simulator.population import ASSET
from simulator.proofs import Proven
from simulator.story import Step


def screen(figures: Figures) -> RenderableType:
    """Everything, in the order in which one asks: what happened, what it came to, whether it is proven."""
    return Group(
        Rule("The day"),
        Columns(
            [
                _counted("payments", figures.payments),
                _counted("messages", figures.messages),
                Group(_faults(figures), Text(), _counted("between people", figures.transfers), _value(figures)),
                Group(_net(figures), Text(), _payouts(figures)),
            ],
            padding=(0, 3),
        ),
        Rule("The books"),
        Columns([_trial(book, figures) for book in figures.trial], padding=(0, 3)),
        Rule("One purchase"),
        purchase(figures),
        Rule("Proofs"),
        _proofs(figures.proofs),
        Text(),
        _verdict(figures),
    )


def purchase(figures: Figures) -> RenderableType:
    """The purchase step by step: the messages at the terminal, masked, and what each institution did and posted."""
    dumps = [render_table(list(dump)) for dump in figures.purchase.dumps]
    steps = Table(box=None, pad_edge=False, show_header=False)
    for style in ("dim", "bold cyan", "", "", ""):
        steps.add_column(style=style)
    for step in figures.purchase.steps:
        steps.add_row(*_step(step))
    return Group(Columns(dumps, padding=(0, 4)), Text(), steps)


def _step(step: Step) -> tuple[str, str, str, str]:
    posted = "\n".join(
        f"{one.debit} / {one.credit}  {format_minor(one.amount_minor, ASSET)}  ({one.kind})" for one in step.postings
    )
    return f"{step.at:%d %b %H:%M:%S}", step.institution, "\n".join(step.what), posted


def _counted(title: str, counts: Mapping[str, int]) -> Table:
    table = _table(title, "")
    for name, number in counts.items():
        table.add_row(name, f"{number:,}")
    return table


def _faults(figures: Figures) -> Table:
    table = _table("faults, and how each payment ended", "")
    for kind, endings in figures.faults.items():
        table.add_row(Text(kind, style="bold"), f"{sum(endings.values()):,}")
        for ending, number in endings.items():
            table.add_row(f"  {ending}", f"{number:,}")
    table.add_row("replies that came too late", f"{figures.late_replies:,}")
    return table


def _value(figures: Figures) -> Table:
    cleared = figures.cleared
    return _amounts(
        {
            "sent between people": figures.transferred_minor,
            f"purchases cleared, {cleared.items:,} items with refunds": cleared.bought_minor,
            "refunds cleared": cleared.given_back_minor,
            "interchange": cleared.interchange_minor,
            "network fees": cleared.fees_minor,
            "merchants' discount": cleared.discount_minor,
            "interest accrued": figures.interest_minor,
        }
    )


def _net(figures: Figures) -> Table:
    table = _table("net positions", "")
    for name, minor in figures.net_positions.items():
        table.add_row(name, format_minor(minor, ASSET))
    table.add_row("sum", format_minor(sum(figures.net_positions.values()), ASSET), style="bold")
    return table


def _payouts(figures: Figures) -> Table:
    table = _table("payouts", "")
    for merchant, minor in sorted(figures.payouts.items()):
        table.add_row(figures.shops[merchant], format_minor(minor, ASSET))
    table.add_row("sum", format_minor(sum(figures.payouts.values()), ASSET), style="bold")
    return table


def _amounts(amounts: Mapping[str, int]) -> Table:
    table = _table("value", "")
    for name, minor in amounts.items():
        table.add_row(name, format_minor(minor, ASSET))
    return table


def _trial(book: str, figures: Figures) -> Table:
    table = _table(book, "debit", "credit")
    totals = {Side.DEBIT: 0, Side.CREDIT: 0}
    for line in figures.trial[book]:
        # A balance on the other side of its code's own is shown there.
        other = Side.CREDIT if line.side is Side.DEBIT else Side.DEBIT
        side = line.side if line.balance_minor >= 0 else other
        totals[side] += abs(line.balance_minor)
        shown = format_minor(abs(line.balance_minor), line.asset)
        table.add_row(f"{line.code} {line.name}", *((shown, "") if side is Side.DEBIT else ("", shown)))
    table.add_row("", *(format_minor(totals[side], ASSET) for side in (Side.DEBIT, Side.CREDIT)), style="bold")
    return table


def _proofs(proofs: Sequence[Proven]) -> Table:
    """What holds, once for all institutions that have proven it; what does not, with every finding."""
    owners: dict[str, list[str]] = {}
    for proof in proofs:
        owner, _, what = proof.name.partition(": ")
        owners.setdefault(what, []).extend([owner] if proof.holds else [])
    by_owners: dict[str, list[str]] = {}
    for what, of in owners.items():
        by_owners.setdefault(", ".join(sorted(of)), []).append(what)
    table = Table(box=None, pad_edge=False, show_header=False)
    for names, held in by_owners.items():
        if names:
            table.add_row(Text(names, style="bold"), Text("; ".join(held), style="green"))
    for proof in proofs:
        for finding in proof.findings:
            table.add_row(Text("FAILED", style="bold red"), Text(f"{proof.name}: {finding}", style="red"))
    return table


def _verdict(figures: Figures) -> Text:
    failed = [proof.name for proof in figures.proofs if not proof.holds]
    verdict = (
        Text(f"{len(failed)} of {len(figures.proofs)} proofs failed", style="bold red")
        if failed
        else Text(f"books proven: {len(figures.proofs)} proofs", style="bold green")
    )
    return Text.assemble(
        verdict,
        f"\nworld hash {figures.world_hash} (seed {figures.seed})\nfiles of the day in {figures.folder}\n"
        f"played in {figures.seconds:.1f} seconds",
    )


def _table(title: str, *more: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title)
    for name in more:
        table.add_column(name, justify="right")
    return table
