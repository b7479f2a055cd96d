"""The checks of an authorization, in one order. All are made and every reason is kept; the first that fails is
answered.

| # | Reason | DE 39 | When |
| --- | --- | --- | --- |
| 1 | icc_data_missing | 30 | DE 22 says chip, and there is no DE 55 |
| | icc_data_malformed:TAG | 30 | DE 55 is not what a request says of a chip (EMV Book 4, annex A); TAG is to blame |
| 2 | transaction_type_unknown | 12 | DE 3 begins with none of 00 purchase, 01 cash, 09 cash back, 20 refund |
| 3 | amount_not_positive | 13 | the amount is 0 |
| 4 | card_unknown | 14 | no card of ours has this number; nothing further is checked |
| 5 | currency_not_held | 13 | the card's account holds another currency |
| 6 | card_closed, card_lost, card_stolen | 14, 41, 43 | the card's state, for good |
| | card_blocked, card_frozen, card_not_activated | 62 | the card's state: by the bank, by its holder, not yet in use |
| | merchant_differs | 57 | the card is locked to another merchant (DE 42) |
| 7 | customer_not_active | 62 | the customer is frozen or closed |
| 8 | card_expired | 54 | the last month of the card's expiry is over, at the bank's local date |
| 9 | expiry_differs | 54 | DE 14 is not the card's: whoever typed it does not have the card (or has its predecessor) |
| | sequence_number_differs | 54 | DE 23 or tag 5F34 is of another plastic than the one in use |
| 10 | stripe_of_a_chip_card | 57 | the stripe was read of a card with a chip, and no line of `entry.py` lets it |
| 11 | cvv_wrong | 82 | there is a track 2, and the HSM does not confirm its CVV (a chip's copy: its iCVV) |
| 12 | cvv2_wrong | 82 | there is a CVV2, and the HSM does not confirm it |
| 13 | cryptogram_wrong | 82 | there is a DE 55, and the HSM does not confirm its cryptogram |
| | chip_does_not_ask | 05 | the cryptogram is no ARQC: chip and terminal have decided already |
| | chip_says_another_amount | 59 | what the chip has signed for is not DE 4 and DE 49 |
| 14 | atc_used | 59 | the chip's counter (ATC) is not higher than one seen before: a copy, or a message of yesterday |
| | atc_too_far | 59 | it is more than `MOST_ATC_AHEAD` higher: so many without the issuer are looked at |
| 15 | pin_tries_exceeded | 75 | there is a PIN block, and no try is left |
| | chip_pin_tries_exceeded | 75 | there is none, and the chip would not look at a PIN: no try is left there (TVR) |
| 16 | pin_wrong | 55 | the HSM says that the PIN is wrong |
| | chip_pin_wrong | 55 | there is no PIN block, and the chip says that its PIN was wrong (CVR) |
| 17 | pin_unreadable | 55 | the PIN block is none of this card's; costs no try |
| 18 | pin_needed | 65 | tapped for more than `entry.py` lets pass, without PIN or signature: with a PIN it will do |
| 19 | funds | 51 | not a refund, and the account's available balance is less than the amount |

13 and 14 are asked where DE 55 could be read, and what the chip says of itself counts where its cryptogram is genuine.

Before all of them: a request that was reversed before it came is declined with 05 (already_reversed), and one under a
network reference that another request has used with 94 (reference_used).

A wrong PIN costs a try only if it is what is answered: a card that is blocked says nothing about its PIN. The third
wrong one is still answered 55, the next 75. A right PIN gives the tries back, if 1 to 18 pass. But for taps, which
transactions need a PIN is the terminal's rule. A refund (20) is approved without a hold.
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
from issuer.authorization.chip import ChipReport
from issuer.authorization.entry import CHIP, TAPPED, is_free_tap, refuses_stripe
from issuer.authorization.model import PinCheck, VerifiedRequest
from issuer.cards.model import Card, CardState

MOST_ATC_AHEAD = 255
"""How many transactions a chip may have counted between two that its issuer hears of. Chips approve a few offline,
and count those that break off; a jump beyond is looked at by a person. It is declined once: the counter counts from
there on, for only the chip itself can have signed it."""

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

    @property
    def chip(self) -> ChipReport | None:
        """What the chip says, if it is the chip."""
        check = self.verified.chip
        return check.chip if check is not None and check.is_genuine else None

    @property
    def has_pin(self) -> bool:
        """Whether there is a PIN block."""
        return self.verified.pin is not PinCheck.ABSENT

    @property
    def last_atc(self) -> int:
        """The highest counter that the card's chip has shown."""
        return self.card.last_atc or 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason to decline, and its DE 39."""

    code: ResponseCode
    reason: str


def expired(expiry: str, today: date) -> bool:
    """Whether a card that is good through the last day of month `expiry` (YYMM) is so no longer."""
    return (2000 + int(expiry[:2]), int(expiry[2:])) < (today.year, today.month)


def _is_other_plastic(case: Case) -> bool:
    stated, check = case.verified.request.card_sequence_number, case.verified.chip
    return (stated is not None and stated[-2:] != case.card.sequence_number) or (
        check is not None and check.sequence_number != case.card.sequence_number
    )


def _needs_pin(case: Case) -> bool:
    request = case.verified.request
    return (
        request.pos_entry_mode[:2] == TAPPED
        and request.transaction_type != REFUND
        and not case.has_pin
        and not (case.chip is not None and case.chip.is_signed_for)
        and not is_free_tap(request.amount)
    )


_OF_THE_REQUEST: tuple[tuple[Refusal, Callable[[VerifiedRequest], bool]], ...] = (
    (
        Refusal(ResponseCode.FORMAT_ERROR, "icc_data_missing"),
        lambda verified: verified.request.pos_entry_mode[:2] in CHIP and verified.request.icc_data is None,
    ),
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
    (Refusal(ResponseCode.EXPIRED_CARD, "sequence_number_differs"), _is_other_plastic),
    (
        Refusal(ResponseCode.NOT_PERMITTED_TO_CARDHOLDER, "stripe_of_a_chip_card"),
        lambda case: refuses_stripe(case.card.service_code, case.verified.request),
    ),
    (Refusal(ResponseCode.CVV_FAILED, "cvv_wrong"), lambda case: case.verified.cvv is False),
    (Refusal(ResponseCode.CVV_FAILED, "cvv2_wrong"), lambda case: case.verified.cvv2 is False),
    (
        Refusal(ResponseCode.CVV_FAILED, "cryptogram_wrong"),
        lambda case: case.verified.chip is not None and not case.verified.chip.is_genuine,
    ),
    (
        Refusal(ResponseCode.DO_NOT_HONOR, "chip_does_not_ask"),
        lambda case: case.verified.chip is not None and not case.verified.chip.chip.asks_online,
    ),
    (
        Refusal(ResponseCode.SUSPECTED_FRAUD, "chip_says_another_amount"),
        lambda case: case.verified.chip is not None and not case.verified.chip.chip.says(case.verified.request.amount),
    ),
    (
        Refusal(ResponseCode.SUSPECTED_FRAUD, "atc_used"),
        lambda case: case.chip is not None and case.chip.counter <= case.last_atc,
    ),
    (
        Refusal(ResponseCode.SUSPECTED_FRAUD, "atc_too_far"),
        lambda case: case.chip is not None and case.chip.counter - case.last_atc > MOST_ATC_AHEAD,
    ),
    (
        Refusal(ResponseCode.PIN_TRIES_EXCEEDED, "pin_tries_exceeded"),
        lambda case: case.has_pin and case.card.pin_tries_left <= 0,
    ),
    (
        Refusal(ResponseCode.PIN_TRIES_EXCEEDED, "chip_pin_tries_exceeded"),
        lambda case: case.chip is not None and not case.has_pin and case.chip.pin_tries_exceeded,
    ),
    (PIN_WRONG, lambda case: case.verified.pin is PinCheck.WRONG),
    (
        Refusal(ResponseCode.INCORRECT_PIN, "chip_pin_wrong"),
        lambda case: case.chip is not None and not case.has_pin and case.chip.pin_failed,
    ),
    (
        Refusal(ResponseCode.INCORRECT_PIN, "pin_unreadable"),
        lambda case: case.verified.pin is PinCheck.UNREADABLE,
    ),
    (Refusal(ResponseCode.EXCEEDS_COUNT_LIMIT, "pin_needed"), _needs_pin),
    # An amount of nothing has a reason of its own, above.
    (FUNDS, lambda case: case.hold_outcome not in (PostingOutcome.OK, PostingOutcome.AMOUNT_NOT_POSITIVE)),
)


def refusals(verified: VerifiedRequest, case: Case | None) -> list[Refusal]:
    """Every reason to decline, in order of precedence; none: approve. `case` is None where no card of ours has the
    number."""
    found = [refusal for refusal, fails in _OF_THE_REQUEST if fails(verified)]
    if verified.malformed is not None:
        found.insert(0, Refusal(ResponseCode.FORMAT_ERROR, f"icc_data_malformed:{verified.malformed}"))
    if case is None:
        return [*found, CARD_UNKNOWN]
    return found + [refusal for refusal, fails in _OF_THE_CARD if fails(case)]
