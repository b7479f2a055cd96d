"""Single elements of a message that goes out, from the vocabulary's terms: the reverse of `elements.Reader`.

What they are put together to is `gateways.iso8583.messages`' affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from engine.vocabulary.messages import AuthorizationResponse, OriginalData
from engine.vocabulary.money import ASSETS, Money
from gateways.iso8583.codec import Fields
from gateways.iso8583.composites import join_private
from gateways.iso8583.elements import AVAILABLE_BALANCE, CASH_BACK, LEDGER_BALANCE

_MAX_AMOUNT_MINOR: Final = 10**12


def transmission(instant: datetime) -> str:
    """An instant as DE 7."""
    assert instant.utcoffset() is not None and not instant.microsecond, "DE 7 takes aware instants in whole seconds"
    return instant.astimezone(UTC).strftime("%m%d%H%M%S")


def private(parts: Mapping[str, str | None]) -> Fields:
    """DE 48 of those sub-elements that say something."""
    said = {number: value for number, value in parts.items() if value}
    return {"48": join_private(said)} if said else {}


def balances(message: AuthorizationResponse) -> Fields:
    """DE 54 of an answer to an inquiry."""
    asset = message.amount.asset
    told = ((LEDGER_BALANCE, message.ledger_minor), (AVAILABLE_BALANCE, message.available_minor))
    amounts = "".join(additional_amount(kind, minor, asset) for kind, minor in told if minor is not None)
    return {"54": amounts} if amounts else {}


def additional_amount(kind: str, minor: int, asset: str) -> str:
    """One amount of DE 54, of the default account."""
    return f"00{kind}{ASSETS[asset].numeric}{'D' if minor < 0 or kind == CASH_BACK else 'C'}{abs(minor):012d}"


def given(element: str, value: str | None) -> Fields:
    """An element, where there is something to say."""
    return {element: str(value)} if value else {}


def icc_data(icc_data: bytes | None) -> Fields:
    """DE 55."""
    return {"55": icc_data.hex().upper()} if icc_data else {}


def amount(money: Money) -> Fields:
    """DE 4 and DE 49."""
    return {"4": digits(money), "49": ASSETS[money.asset].numeric}


def digits(money: Money) -> str:
    """An amount as DE 4 writes it."""
    assert 0 <= money.amount_minor < _MAX_AMOUNT_MINOR, "DE 4 holds 0 to 999,999,999,999 minor units"
    return f"{money.amount_minor:012d}"


def original_data(original: OriginalData) -> str:
    """DE 90."""
    institution = original.acquirer_id.rjust(11, "0")
    return f"{original.message_type}{original.stan}{transmission(original.transmitted_at)}{institution}{'0' * 11}"
