"""What an authorization is decided on: every fact that a check, a control or a risk rule looks at, in one flat row of
plain values. Gathered for all checks before the first is made; kept with the authorization, so that it can be shown,
and decided again with other rules without any of the rows of then.

No card number, PIN, track or address is among them: of these only the verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from engine.accounts.model import Customer, CustomerState
from engine.ledger.model import Account
from engine.vocabulary.messages import CREDITS
from issuer.authorization.controls import CardActivity, CardControls
from issuer.authorization.model import PinCheck, VerifiedRequest
from issuer.cards.model import Card, CardState, CardUse

_NOTHING: Final[Mapping[str, Any]] = {}


class Facts(NamedTuple):
    """One request as the rules see it. Dates are ISO 8601 (`today` is the bank's, `local_date` the cardholder's),
    amounts minor units of `asset`."""

    # The request.
    transaction_type: str
    amount_minor: int
    asset: str
    merchant_id: str
    mcc: str
    country: str
    pos_entry_mode: str
    pos_condition_code: str
    transacted_at: str
    today: str
    expiry: str
    sequence_number: str | None = None
    cashback_minor: int = 0
    is_financial: bool = False
    is_preauthorization: bool = False
    is_merchant_initiated: bool = False
    is_increment: bool = False
    takes_partial: bool = False
    has_icc_data: bool = False
    # What was verified.
    malformed: str | None = None
    cvv: bool | None = None
    cvv2: bool | None = None
    pin: str = PinCheck.ABSENT.value
    address: str | None = None
    """Y, Z, A, N or U, where an address was given."""
    is_genuine: bool | None = None
    """The chip's cryptogram; None without DE 55."""
    chip_sequence_number: str | None = None
    counter: int = 0
    asks_online: bool = True
    chip_says_amount: bool = True
    chip_pin_failed: bool = False
    chip_pin_tries_exceeded: bool = False
    is_signed_for: bool = False
    # The card, its holder and the account.
    is_known: bool = True
    card_state: str = CardState.ACTIVE.value
    card_expiry: str = ""
    card_sequence_number: str = ""
    service_code: str = ""
    use: str = CardUse.ANY.value
    card_merchant_id: str | None = None
    pin_tries_left: int = 0
    last_atc: int = 0
    customer_state: str = CustomerState.ACTIVE.value
    account_asset: str = ""
    account_is_closed: bool = False
    available_minor: int = 0
    held_minor: int = 0
    base: str | None = None
    """Of an increment: the state of the authorization that it adds to ("missing": there is none, "other": another
    card's)."""
    # What the cardholder has set, and what the card has done (controls.py).
    limits: Mapping[str, Sequence[int | None]] = _NOTHING
    used: Mapping[str, Sequence[int]] = _NOTHING
    """Of each window that is counted ("day/all"): how many, and how much."""
    allowed: Mapping[str, Sequence[str]] = _NOTHING
    blocked: Mapping[str, Sequence[str]] = _NOTHING
    local_date: str = ""
    last_country: str = ""
    seconds_since_last: int | None = None
    approved_before: int = 0
    mean_minor: int = 0
    in_last_hour: int = 0

    @property
    def is_credit(self) -> bool:
        """Money comes to the cardholder."""
        return self.transaction_type in CREDITS

    @property
    def entry(self) -> str:
        """First two digits of DE 22."""
        return self.pos_entry_mode[:2]


_DEFAULTS: Final = Facts._field_defaults


def kept(facts: Facts) -> dict[str, Any]:
    """The facts as they are stored, all of them JSON values: those that say something."""
    defaults = _DEFAULTS
    return {
        name: value
        for name, value in zip(Facts._fields, facts, strict=True)
        if name not in defaults or value != defaults[name]
    }


def restored(stored: Mapping[str, Any]) -> Facts:
    """The reverse of `kept`, after a trip through JSON."""
    return Facts(**stored)


def of_request(verified: VerifiedRequest, today: str) -> Facts:
    """What is known of a request for a card that is none of ours."""
    request, chip = verified.request, verified.chip
    facts = Facts(
        transaction_type=request.transaction_type,
        amount_minor=request.amount.amount_minor,
        asset=request.amount.asset,
        merchant_id=request.merchant_id.strip(),
        mcc=request.mcc,
        country=request.country,
        pos_entry_mode=request.pos_entry_mode,
        pos_condition_code=request.pos_condition_code,
        transacted_at=request.transmitted_at.isoformat(),
        today=today,
        expiry=request.expiry,
        sequence_number=None if request.card_sequence_number is None else request.card_sequence_number[-2:],
        cashback_minor=request.cashback_minor,
        is_financial=request.is_financial,
        is_preauthorization=request.is_preauthorization,
        is_merchant_initiated=request.is_merchant_initiated,
        is_increment=request.original is not None,
        takes_partial=request.takes_partial,
        has_icc_data=request.icc_data is not None,
        malformed=verified.malformed,
        cvv=verified.cvv,
        cvv2=verified.cvv2,
        pin=verified.pin.value,
        address=verified.address,
        is_known=False,
    )
    if chip is None:
        return facts
    said = chip.chip
    return facts._replace(
        is_genuine=chip.is_genuine,
        chip_sequence_number=chip.sequence_number,
        counter=said.counter,
        asks_online=said.asks_online,
        chip_says_amount=said.says(request.amount),
        chip_pin_failed=said.pin_failed,
        chip_pin_tries_exceeded=said.pin_tries_exceeded,
        is_signed_for=said.is_signed_for,
    )


def of_card(facts: Facts, card: Card, customer: Customer, account: Account, held_minor: int) -> Facts:
    """The same with the card, its holder and the account, as they stand under lock."""
    return facts._replace(
        is_known=True,
        card_state=card.state.value,
        card_expiry=card.expiry,
        card_sequence_number=card.sequence_number,
        service_code=card.service_code,
        use=card.use.value,
        card_merchant_id=None if card.merchant_id is None else card.merchant_id.strip(),
        pin_tries_left=card.pin_tries_left,
        last_atc=card.last_atc or 0,
        customer_state=customer.state.value,
        account_asset=account.asset,
        account_is_closed=account.closed,
        available_minor=account.balance_minor,
        held_minor=held_minor,
    )


def of_habits(facts: Facts, controls: CardControls | None, activity: CardActivity | None, now: datetime) -> Facts:
    """The same with what the cardholder has set, and what the card has done before."""
    if controls is not None:
        facts = facts._replace(
            limits=controls.limits,
            allowed=controls.allowed,
            blocked=controls.blocked,
            local_date=controls.local_date(now).isoformat(),
        )
    if activity is None:
        return facts
    return facts._replace(
        used=activity.used_on(facts.local_date or facts.today),
        last_country=activity.last_country,
        seconds_since_last=(
            None if activity.last_at is None else max(0, int((now - activity.last_at).total_seconds()))
        ),
        approved_before=activity.approved,
        mean_minor=activity.mean_minor,
        in_last_hour=activity.since(now),
    )
