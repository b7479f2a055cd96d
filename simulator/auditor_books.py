"""What the books must say in the end, as the auditor reckons it: wallets, merchants, members, interest.

The tariff is written down here a second time, from the published schedule and not from the code that charges it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from simulator.auditor import Auditor, Story
from simulator.population import Population
from simulator.terminals import Entry

SAVINGS_RATE_BPS: Final = 425
_DAYS_OF_A_YEAR: Final = 365
_CREDIT_BANKS: Final = frozenset({"northbank"})
"""Whose cards are credit cards; the others' are debit."""
_GROUPS: Final = {
    "everyday": frozenset({"4111", "5411", "5462", "5542"}),
    "restaurant": frozenset({"5812", "5814"}),
    "travel": frozenset({"4511", "7011", "7512"}),
}
_TARIFF: Final = {
    # group: debit read, debit not read, credit read, credit not read; each basis points and cents
    "everyday": (("45", "4"), ("95", "6"), ("110", "5"), ("155", "10")),
    "restaurant": (("105", "4"), ("140", "10"), ("152.5", "4"), ("185", "10")),
    "travel": (("130", "5"), ("165", "10"), ("175", "5"), ("212.5", "10")),
    "general": (("115", "5"), ("160", "10"), ("158.25", "5"), ("195", "10")),
}
_SMALL_MINOR: Final = 500
_SMALL: Final = ("100", "0")
"""Everyday debit, read, up to 5.00."""
_LARGE_MINOR: Final = 250_000
_LARGE: Final = ("97.5", "5")
"""General credit, read, from 2,500.00."""
_REGULATED_BANKS: Final = frozenset({"southbank"})
_CAP: Final = ("5", "22")
"""What the law allows them at most."""
_FEE: Final = ("8.5", "1.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What institutions say in the end, in minor units. Also what the auditor says they must."""

    wallets: Mapping[str, tuple[int, int]]
    """By handle: available, held."""
    payouts: Mapping[str, int]
    """By merchant id: what was paid out."""
    net_positions: Mapping[str, int]
    """By member: what it receives (less than nothing: pays) in the day's settlement."""
    interest_micro: Mapping[str, int]
    """By handle: interest earned on the day, in millionths of a minor unit."""


@dataclass(slots=True)
class _Sums:
    net_minor: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    interchange: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    fees: Decimal = Decimal(0)
    payable_minor: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def expected_books(auditor: Auditor, population: Population) -> Books:
    """What the model comes to once everything that was captured has cleared. Call after `Auditor.reckon`.

    Nothing is said of the books of banks that other programs play.
    """
    sums = _Sums()
    for story in auditor.stories.values():
        if story.captured_minor is not None:
            _clear(auditor, story, story.captured_minor, sums)
    here = [person for person in population.people if person.bank not in auditor.outside]
    wallets = {}
    for handle in (person.handle for person in here):
        wallet = auditor.wallets[handle]
        held = sum(hold.amount_minor for hold in wallet.holds.values() if hold.certain)
        wallets[handle] = (wallet.settled_minor - held, held)
    banks = {person.bank for person in here}
    net = {bank: sums.net_minor[bank] + _whole(sums.interchange[bank]) for bank in banks}
    acquirer = -sum(sums.net_minor.values())
    net["acquirer"] = acquirer - _whole(sum(sums.interchange.values(), Decimal(0))) - _whole(sums.fees)
    return Books(
        wallets=wallets,
        payouts={merchant: minor for merchant, minor in sums.payable_minor.items() if minor > 0},
        net_positions=net,
        interest_micro={
            person.handle: person.savings_minor * SAVINGS_RATE_BPS * 100 // _DAYS_OF_A_YEAR
            for person in here
            if person.savings_minor is not None
        },
    )


def compare(expected: Books, found: Books) -> Iterator[str]:
    """Where the books differ from the model, a sentence for each place."""
    for what, must, is_ in (
        ("wallet of @", expected.wallets, found.wallets),
        ("payout to merchant ", expected.payouts, found.payouts),
        ("net position of ", expected.net_positions, found.net_positions),
        ("interest of @", expected.interest_micro, found.interest_micro),
    ):
        for name in sorted(must.keys() | is_.keys()):
            if must.get(name) != is_.get(name):
                yield f"{what}{name}: the books say {is_.get(name)}, the model {must.get(name)}"


def _clear(auditor: Auditor, story: Story, amount: int, sums: _Sums) -> None:
    planned, sign = story.planned, -1 if story.refund else 1
    wallet = auditor.wallets[planned.person.handle]
    wallet.holds.pop(story.reference, None)
    wallet.settled_minor -= sign * amount
    bank = planned.person.bank
    sums.net_minor[bank] -= sign * amount
    sums.interchange[bank] += sign * _interchange(story, amount)
    sums.fees += _rate(_FEE, amount)
    discount = 0 if story.refund else _discount(story, amount)
    sums.payable_minor[planned.shop.merchant_id] += sign * amount - discount


def _discount(story: Story, amount: int) -> int:
    shop = story.planned.shop
    return _whole(Decimal(amount * shop.discount_bps).scaleb(-4)) + shop.fixed_minor


def _interchange(story: Story, amount: int) -> Decimal:
    mcc = story.planned.shop.mcc
    group = next((name for name, codes in _GROUPS.items() if mcc in codes), "general")
    credit, remote = story.planned.person.bank in _CREDIT_BANKS, story.entry in (Entry.MANUAL, Entry.ONLINE)
    rate = _TARIFF[group][2 * credit + remote]
    if group == "everyday" and not credit and not remote and amount <= _SMALL_MINOR:
        rate = _SMALL
    if group == "general" and credit and not remote and amount >= _LARGE_MINOR:
        rate = _LARGE
    usual = _rate(rate, amount)
    return min(usual, _rate(_CAP, amount)) if story.planned.person.bank in _REGULATED_BANKS else usual


def _rate(rate: tuple[str, str], amount: int) -> Decimal:
    return (Decimal(rate[0]) * amount).scaleb(-4) + Decimal(rate[1])


def _whole(exact: Decimal) -> int:
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
