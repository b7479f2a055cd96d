"""The checks of an authorization, in one order. All are made and every reason is kept; the first that fails is
answered.

| # | Reason | DE 39 | When |
| --- | --- | --- | --- |
| 1 | transaction_type_unknown | 12 | DE 3 begins with none of 00 purchase, 01 cash, 09 cash back, 20 refund |
| 2 | amount_not_positive | 13 | the amount is 0 |
| 3 | card_unknown | 14 | no card of ours has this number; nothing further is checked |
| 4 | currency_not_held | 13 | the card's account holds another currency |
| 5 | card_closed, card_lost, card_stolen | 14, 41, 43 | the card's state, for good |
| | card_blocked, card_frozen, card_not_activated | 62 | the card's state: by the bank, by its holder, not yet in use |
| | merchant_differs | 57 | the card is locked to another merchant (DE 42) |
| 6 | customer_not_active | 62 | the customer is frozen or closed |
| 7 | card_expired | 54 | the last month of the card's expiry is over, at the bank's local date |
| 8 | expiry_differs | 54 | DE 14 is not the card's: whoever typed it does not have the card (or has its predecessor) |
| 9 | cvv_wrong | 82 | there is a track 2, and the HSM does not confirm its CVV |
| 10 | cvv2_wrong | 82 | there is a CVV2, and the HSM does not confirm it |
| 11 | pin_tries_exceeded | 75 | there is a PIN block, and no try is left |
| 12 | pin_wrong | 55 | the HSM says that the PIN is wrong |
| 13 | pin_unreadable | 55 | the PIN block is none of this card's; costs no try |
| 14 | funds | 51 | not a refund, and the account's available balance is less than the amount |

Before all of them: a request that was reversed before it came is declined with 05 (already_reversed), and one under a
network reference that another request has used with 94 (reference_used).

A wrong PIN costs a try only if it is what is answered: a card that is blocked says nothing about its PIN. The third
wrong one is still answered 55, the next 75. A right PIN gives the tries back, if 1 to 13 pass. Without a PIN block,
11 to 13 pass: which transactions need a PIN is the terminal's rule. A refund (20) is approved without a hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from engine.accounts.model import Customer, CustomerState
from engine.ledger.model import Account
from engine.vocabulary.messages import CASH, CASHBACK, PURCHASE, REFUND
from engine.vocabulary.postings import PostingOutcome
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.model import PinCheck, VerifiedRequest
from issuer.cards.model import Card, CardState

TRANSACTION_TYPES = frozenset({PURCHASE, CASH, CASHBACK, REFUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request for a card of ours and what is known under lock: customer, account, local date, and the ledger's
    word on the hold."""

    verified: VerifiedRequest
    card: Card
    customer: Customer
    account: Account
    today: date
    hold_outcome: PostingOutcome
    """OK for a refund, which holds nothing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason to decline, and its DE 39."""

    code: ResponseCode
    reason: str


def expired(expiry: str, today: date) -> bool:
    """Whether a card that is good through the last day of month `expiry` (YYMM) is so no longer."""
    return (2000 + int(expiry[:2]), int(expiry[2:])) < (today.year, today.month)


_OF_THE_REQUEST: tuple[tuple[Refusal, Callable[[VerifiedRequest], bool]], ...] = (
    (
        Refusal(ResponseCode.INVALID_TRANSACTION, "transaction_type_unknown"),
        lambda verified: verified.request.transaction_type not in TRANSACTION_TYPES,
    ),
    (
        Refusal(ResponseCode.INVALID_AMOUNT, "amount_not_positive"),
        lambda verified: verified.request.amount.amount_minor <= 0,
    ),
)
CARD_UNKNOWN = Refusal(ResponseCode.INVALID_CARD_NUMBER, "card_unknown")
PIN_WRONG = Refusal(ResponseCode.INCORRECT_PIN, "pin_wrong")
FUNDS = Refusal(ResponseCode.INSUFFICIENT_FUNDS, "funds")
_OF_THE_CARD: tuple[tuple[Refusal, Callable[[Case], bool]], ...] = (
    (
        Refusal(ResponseCode.INVALID_AMOUNT, "currency_not_held"),
        lambda case: case.account.asset != case.verified.request.amount.asset,
    ),
    (Refusal(ResponseCode.INVALID_CARD_NUMBER, "card_closed"), lambda case: case.card.state is CardState.CLOSED),
    (Refusal(ResponseCode.LOST_CARD, "card_lost"), lambda case: case.card.state is CardState.LOST),
    (Refusal(ResponseCode.STOLEN_CARD, "card_stolen"), lambda case: case.card.state is CardState.STOLEN),
    (Refusal(ResponseCode.RESTRICTED_CARD, "card_blocked"), lambda case: case.card.state is CardState.BLOCKED),
    (Refusal(ResponseCode.RESTRICTED_CARD, "card_frozen"), lambda case: case.card.state is CardState.FROZEN),
    (Refusal(ResponseCode.RESTRICTED_CARD, "card_not_activated"), lambda case: case.card.state is CardState.ORDERED),
    (
        Refusal(ResponseCode.NOT_PERMITTED_TO_CARDHOLDER, "merchant_differs"),
        lambda case: (
            case.card.merchant_id is not None
            and case.card.merchant_id.strip() != case.verified.request.merchant_id.strip()
        ),
    ),
    (
        Refusal(ResponseCode.RESTRICTED_CARD, "customer_not_active"),
        lambda case: case.customer.state is not CustomerState.ACTIVE,
    ),
    (Refusal(ResponseCode.EXPIRED_CARD, "card_expired"), lambda case: expired(case.card.expiry, case.today)),
    (
        Refusal(ResponseCode.EXPIRED_CARD, "expiry_differs"),
        lambda case: case.verified.request.expiry != case.card.expiry,
    ),
    (Refusal(ResponseCode.CVV_FAILED, "cvv_wrong"), lambda case: case.verified.cvv is False),
    (Refusal(ResponseCode.CVV_FAILED, "cvv2_wrong"), lambda case: case.verified.cvv2 is False),
    (
        Refusal(ResponseCode.PIN_TRIES_EXCEEDED, "pin_tries_exceeded"),
        lambda case: case.verified.pin is not PinCheck.ABSENT and case.card.pin_tries_left <= 0,
    ),
    (PIN_WRONG, lambda case: case.verified.pin is PinCheck.WRONG),
    (
        Refusal(ResponseCode.INCORRECT_PIN, "pin_unreadable"),
        lambda case: case.verified.pin is PinCheck.UNREADABLE,
    ),
    # An amount of nothing has a reason of its own, above.
    (FUNDS, lambda case: case.hold_outcome not in (PostingOutcome.OK, PostingOutcome.AMOUNT_NOT_POSITIVE)),
)


def refusals(verified: VerifiedRequest, case: Case | None) -> list[Refusal]:
    """Every reason to decline, in order of precedence; none: approve. `case` is None where no card of ours has the
    number."""
    found = [refusal for refusal, fails in _OF_THE_REQUEST if fails(verified)]
    if case is None:
        return [*found, CARD_UNKNOWN]
    return found + [refusal for refusal, fails in _OF_THE_CARD if fails(case)]
