"""The acquirer's participants: merchants with their fee plans, and their terminals; the requests that open and close
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase, digits
from typing import ClassVar
from uuid import UUID

from engine.vocabulary.errors import FormatError
from engine.vocabulary.events import Event
from engine.vocabulary.identifiers import STATIC, derive_id
from engine.vocabulary.keys import KeyRule
from engine.vocabulary.money import ASSETS, BPS, share_bps

_CHARACTERS = digits + ascii_uppercase


class MerchantState(StrEnum):
    """Whether a merchant takes payments. What a closed one has taken still clears and is paid out."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A card acceptor. `account_id` is its merchant payable, `deposit_reference` its account at the settlement bank.

    The fee plan is `discount_bps` of a purchase plus `discount_fixed_minor` a purchase, in minor units of `asset`.
    """

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    merchant_id: str
    name: str
    city: str
    country: str
    mcc: str
    asset: str
    discount_bps: int
    discount_fixed_minor: int
    account_id: UUID
    deposit_reference: str
    state: MerchantState

    @property
    def acceptor(self) -> str:
        """DE 43, card acceptor name and location: name in 25 positions, city in 13, country in 2 (ISO 3166 alpha-2)."""
        return f"{self.name[:25]:<25}{self.city[:13]:<13}{self.country}"

    def discount_minor(self, purchase_minor: int) -> int:
        """What a purchase of `purchase_minor` costs the merchant: share and fixed part, rounded half to even, once."""
        return share_bps(purchase_minor, self.discount_bps) + self.discount_fixed_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """A terminal (DE 41, unique within the acquirer) and the merchant it belongs to."""

    ALSO_BY: ClassVar[tuple[str, ...]] = ()

    id: UUID
    terminal_id: str
    merchant: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMerchant:
    """Take on a merchant with its terminals, and one more for e-commerce. Answered "opened", or "refused" with reasons.

    Raises `FormatError` for what DE 18, 41, 42, 43 or a fee plan cannot hold.
    """

    merchant_id: str
    name: str
    city: str
    country: str
    mcc: str
    asset: str
    discount_bps: int
    discount_fixed_minor: int
    deposit_reference: str
    terminal_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(0 < len(self.merchant_id) <= 15, "merchant_id", "has 1 to 15 characters (DE 42)")
        _require(len(self.country) == 2, "country", "has 2 letters (ISO 3166)")
        _require(len(self.mcc) == 4 and self.mcc.isdecimal(), "mcc", "has 4 digits (ISO 18245)")
        _require(self.asset in ASSETS, "asset", "is not a currency of this network")
        _require(0 <= self.discount_bps <= BPS, "discount_bps", "is between 0 and 10,000")
        _require(self.discount_fixed_minor >= 0, "discount_fixed_minor", "is not negative")
        for terminal_id in self.terminal_ids:
            _require(0 < len(terminal_id) <= 8, "terminal_ids", "have 1 to 8 characters each (DE 41)")
        _require(len(set(self.terminal_ids)) == len(self.terminal_ids), "terminal_ids", "differ from each other")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseMerchant:
    """Let a merchant take no more payments. Answered "closed", or "refused" with `unknown_merchant`."""

    merchant_id: str


KEYS: Mapping[type, KeyRule] = {
    OpenMerchant: KeyRule(
        "open_merchant",
        # With the terminals, so that a request refused for one of them can be made again with others.
        ("merchant_id", "terminal_ids"),
        ("name", "city", "country", "mcc", "asset", "discount_bps", "discount_fixed_minor", "deposit_reference"),
    ),
    CloseMerchant: KeyRule("close_merchant", ("merchant_id",), ()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantOpened(Event):
    """A merchant may take payments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalOpened(Event):
    """A terminal belongs to a merchant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantClosed(Event):
    """A merchant takes no more payments."""


def id_of_merchant(institution: str, merchant_id: str) -> UUID:
    """The identifier of the merchant that DE 42 names."""
    return derive_id(f"{institution}/merchant", merchant_id, on=STATIC)


def id_of_terminal(institution: str, terminal_id: str) -> UUID:
    """The identifier of the terminal that DE 41 names."""
    return derive_id(f"{institution}/terminal", terminal_id, on=STATIC)


def ecommerce_terminal(institution: str, merchant_id: str) -> str:
    """DE 41 of a merchant's payments over the internet: `E` and seven letters or digits that follow from the merchant.

    No device has it, so a device's trace numbers (DE 11) never meet those that the acquirer gives.
    """
    rest, characters = id_of_merchant(institution, merchant_id).int, ["E"]
    for _ in range(7):
        rest, place = divmod(rest, len(_CHARACTERS))
        characters.append(_CHARACTERS[place])
    return "".join(characters)


def _require(holds: bool, element: str, reason: str) -> None:
    if not holds:
        raise FormatError(element, reason)
