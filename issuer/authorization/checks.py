"""The checks of an authorization, in one order. All are made on the same facts and every reason is kept; the first
that fails is answered.

| Place | Reason | DE 39 | When |
| --- | --- | --- | --- |
| format | icc_data_malformed:TAG | 30 | DE 55 is not what a request says of a chip; TAG is to blame |
| | icc_data_missing | 30 | DE 22 says chip, and there is no DE 55 |
| | transaction_type_unknown | 12 | DE 3 begins with none of `TRANSACTION_TYPES` |
| | preauthorization_of_another_kind | 12 | DE 25 says pre-authorization of what is no purchase, or in one message |
| | amount_not_positive | 13 | the amount is 0, of what is neither an account verification nor an inquiry |
| | inquiry_with_amount | 13 | the amount of a balance inquiry is not 0 |
| card | card_unknown | 14 | no card of ours has this number; nothing further is checked |
| | currency_not_held | 13 | the card's account holds another currency |
| | card_expired | 54 | the last month of the card's expiry is over, at the bank's local date |
| | expiry_differs | 54 | DE 14 is not the card's, and no merchant asks with what it has stored |
| | sequence_number_differs | 54 | DE 23 or tag 5F34 is of another plastic than the one in use |
| | stripe_of_a_chip_card | 57 | the stripe was read of a card with a chip, and no line of `entry.py` lets it |
| | original_unknown | 25 | an increment names no authorization of this card |
| | original_not_open | 12 | an increment of what is no approved pre-authorization |
| verification | cvv_wrong | 82 | there is a track 2, and the HSM does not confirm its CVV (a chip's copy: its iCVV) |
| | cvv2_wrong | 82 | there is a CVV2, and the HSM does not confirm it |
| | cryptogram_wrong | 82 | there is a DE 55, and the HSM does not confirm its cryptogram |
| | chip_does_not_ask | 05 | the cryptogram is no ARQC: chip and terminal have decided already |
| | chip_says_another_amount | 59 | what the chip has signed for is not DE 4 and DE 49 |
| | atc_used | 59 | the chip's counter (ATC) is not higher than one seen before |
| | atc_too_far | 59 | it is more than `MOST_ATC_AHEAD` higher: so many without the issuer are looked at |
| | pin_tries_exceeded | 75 | there is a PIN block, and no try is left |
| | chip_pin_tries_exceeded | 75 | there is none, and the chip has no try left (TVR) |
| | pin_wrong | 55 | the HSM says that the PIN is wrong |
| | chip_pin_wrong | 55 | there is no PIN block, and the chip says that its PIN was wrong (CVR) |
| | pin_unreadable | 55 | the PIN block is none of this card's; costs no try |
| | pin_needed | 65 | tapped for more than `entry.py` lets pass, without PIN or signature |
| status | card_closed, card_lost, card_stolen | 14, 41, 43 | the card's state, for good |
| | card_blocked, card_frozen, card_not_activated | 62 | by the bank, by its holder, not yet in use |
| | customer_not_active | 62 | the customer is frozen or closed |
| | account_closed | 62 | so is the account that the card spends from |
| controls | merchant_differs | 57 | the card is locked to another merchant (DE 42) |
| | NAME_not_allowed, NAME_blocked | 57 | mcc, country, merchant or entry_mode, by the cardholder's lists |
| | limit_count:WINDOW/KIND | 65 | one more is more than the limit |
| | limit_amount:WINDOW/KIND | 61 | so much more is more than the limit |
| risk | risk_score | 59 | the active rules reach their threshold |
| funds | funds | 51 | the account's available balance is less than the amount |

What the chip says of itself counts where its cryptogram is genuine. Before all of them: a request that was reversed
before it came is declined with 05 (already_reversed), and one under a network reference that another request has used
with 94 (reference_used).

Where only the amount is to blame (funds, limit_amount) less may do: the purchase without its cash (87), or, if the
terminal can go on with it, what is left (10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from engine.accounts.model import CustomerState
from engine.vocabulary.messages import BALANCE_INQUIRY, CASHBACK, CREDITS, DEBITS, PURCHASE
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from issuer.authorization.controls import kinds_of, room
from issuer.authorization.entry import CARD_PRESENT, CHIP, TAPPED, is_free_tap, refuses_stripe
from issuer.authorization.facts import Facts
from issuer.authorization.model import AuthorizationState, PinCheck
from issuer.authorization.risk import RiskRules, Scored, score
from issuer.cards.model import CardState

MOST_ATC_AHEAD: Final = 255
"""How many transactions a chip may have counted between two that its issuer hears of. Chips approve a few offline,
and count those that break off; a jump beyond is looked at by a person. It is declined once: the counter counts from
there on, for only the chip itself can have signed it."""

TRANSACTION_TYPES: Final = CREDITS | DEBITS | {BALANCE_INQUIRY}
MISSING: Final = "missing"
"""The state of an increment's original that this card does not have."""


class Place(IntEnum):
    """Where a check stands. Effects depend on how far a request came (`card_effects.py`)."""

    FORMAT = 1
    CARD = 2
    VERIFICATION = 3
    STATUS = 4
    CONTROLS = 5
    RISK = 6
    FUNDS = 7
    PASSED = 8


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason to decline, its DE 39 and the place of its check."""

    code: ResponseCode
    reason: str
    place: Place = Place.FORMAT
    is_of_amount: bool = False
    """A smaller amount would pass."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the checks go by that is no fact of the request: the sets of risk rules, and the figures of our network."""

    active: RiskRules | None = None
    shadow: RiskRules | None = None
    most_atc_ahead: int = MOST_ATC_AHEAD


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered: DE 39, the amount approved, and every reason against the whole of what was asked, in order of
    precedence. `scored` are the words of the active rules and of those in shadow."""

    code: ResponseCode
    amount_minor: int
    found: tuple[Refusal, ...]
    scored: tuple[Scored, ...] = field(default=())

    @property
    def approved(self) -> bool:
        """Whether any of it was."""
        return self.code.approved

    @property
    def reached(self) -> Place:
        """The place of the first check that failed; PASSED for what is approved."""
        return Place.PASSED if self.approved else self.found[0].place


def expired(expiry: str, today: str) -> bool:
    """Whether a card that is good through the last day of month `expiry` (YYMM) is so no longer on a date (ISO)."""
    return "20" + expiry < today[:4] + today[5:7]


def is_verification(facts: Facts) -> bool:
    """Whether nothing but the card is asked about: a purchase of nothing (account verification)."""
    return facts.transaction_type == PURCHASE and not facts.amount_minor and not facts.is_increment


def moves_money(facts: Facts) -> bool:
    """Whether the request is about money to be spent."""
    return facts.transaction_type in DEBITS and not is_verification(facts)


def limit_kinds(facts: Facts) -> tuple[str, ...]:
    """The kinds of limit that the request counts for."""
    return kinds_of(facts.transaction_type, card_present=facts.entry in CARD_PRESENT)


def judge(facts: Facts, rules: Rules) -> Verdict:
    """Make all checks and answer."""
    if not facts.is_known:
        found = [*_failing(_FORMAT, facts, rules, Place.FORMAT), CARD_UNKNOWN]
        return Verdict(found[0].code, 0, tuple(found))
    scored = tuple(score(one, facts) for one in (rules.active, rules.shadow) if one is not None)
    found = [refusal for place, checks in _CHECKS for refusal in _failing(checks, facts, rules, place)]
    found += _controls(facts)
    if rules.active is not None and scored[0].declines:
        found.append(RISK_SCORE)
    if moves_money(facts) and facts.amount_minor > facts.available_minor:
        found.append(FUNDS)
    if not found:
        code = ResponseCode.NO_REASON_TO_DECLINE if is_verification(facts) else ResponseCode.APPROVED
        return Verdict(code, facts.amount_minor, (), scored)
    if all(one.is_of_amount for one in found) and (less := _less(facts)) is not None:
        return Verdict(*less, tuple(found), scored)
    return Verdict(found[0].code, 0, tuple(found), scored)


def _less(facts: Facts) -> tuple[ResponseCode, int] | None:
    """What can be approved of a request that only its amount speaks against."""
    _, left = room(facts.limits, facts.used, limit_kinds(facts))
    most = min([facts.available_minor, *(minor for _, minor in left)])
    without_cash = facts.amount_minor - facts.cashback_minor
    if facts.transaction_type == CASHBACK and facts.cashback_minor and 0 < without_cash <= most:
        return ResponseCode.PURCHASE_ONLY_APPROVED, without_cash
    if facts.takes_partial and most > 0 and not facts.is_increment:
        return ResponseCode.PARTIAL_APPROVAL, most
    return None


def _is_other_plastic(facts: Facts) -> bool:
    return facts.card_sequence_number not in (facts.sequence_number or facts.card_sequence_number,) or (
        facts.chip_sequence_number not in (None, facts.card_sequence_number)
    )


def _has_pin(facts: Facts) -> bool:
    return facts.pin != PinCheck.ABSENT


def _needs_pin(facts: Facts) -> bool:
    return (
        facts.entry == TAPPED
        and facts.transaction_type in DEBITS
        and not _has_pin(facts)
        and not (facts.is_genuine is True and facts.is_signed_for)
        and facts.account_asset == facts.asset
        and not is_free_tap(Money(facts.amount_minor, facts.asset))
    )


Check = tuple[ResponseCode, str, Callable[[Facts, Rules], bool]]
_FORMAT: Final[tuple[Check, ...]] = (
    (
        ResponseCode.FORMAT_ERROR,
        "icc_data_missing",
        lambda facts, _: not facts.has_icc_data and facts.entry in CHIP,
    ),
    (
        ResponseCode.INVALID_TRANSACTION,
        "transaction_type_unknown",
        lambda facts, _: facts.transaction_type not in TRANSACTION_TYPES,
    ),
    (
        ResponseCode.INVALID_TRANSACTION,
        "preauthorization_of_another_kind",
        lambda facts, _: facts.is_preauthorization and (facts.transaction_type in CREDITS or facts.is_financial),
    ),
    (
        ResponseCode.INVALID_AMOUNT,
        "amount_not_positive",
        lambda facts, _: (
            facts.amount_minor <= 0 and facts.transaction_type != BALANCE_INQUIRY and not is_verification(facts)
        ),
    ),
    (
        ResponseCode.INVALID_AMOUNT,
        "inquiry_with_amount",
        lambda facts, _: facts.transaction_type == BALANCE_INQUIRY and facts.amount_minor != 0,
    ),
)
_CARD: Final[tuple[Check, ...]] = (
    (
        ResponseCode.INVALID_AMOUNT,
        "currency_not_held",
        lambda facts, _: facts.account_asset != facts.asset,
    ),
    (ResponseCode.EXPIRED_CARD, "card_expired", lambda facts, _: expired(facts.card_expiry, facts.today)),
    (
        ResponseCode.EXPIRED_CARD,
        "expiry_differs",
        lambda facts, _: facts.expiry != facts.card_expiry and not facts.is_merchant_initiated,
    ),
    (ResponseCode.EXPIRED_CARD, "sequence_number_differs", lambda facts, _: _is_other_plastic(facts)),
    (
        ResponseCode.NOT_PERMITTED_TO_CARDHOLDER,
        "stripe_of_a_chip_card",
        lambda facts, _: refuses_stripe(facts.service_code, facts.entry, facts.transaction_type, facts.mcc),
    ),
    (ResponseCode.UNABLE_TO_LOCATE_RECORD, "original_unknown", lambda facts, _: facts.base == MISSING),
    (
        ResponseCode.INVALID_TRANSACTION,
        "original_not_open",
        lambda facts, _: facts.base not in (None, MISSING, AuthorizationState.APPROVED.value),
    ),
)
_VERIFICATION: Final[tuple[Check, ...]] = (
    (ResponseCode.CVV_FAILED, "cvv_wrong", lambda facts, _: facts.cvv is False),
    (ResponseCode.CVV_FAILED, "cvv2_wrong", lambda facts, _: facts.cvv2 is False),
    (ResponseCode.CVV_FAILED, "cryptogram_wrong", lambda facts, _: facts.is_genuine is False),
    (ResponseCode.DO_NOT_HONOR, "chip_does_not_ask", lambda facts, _: not facts.asks_online),
    (ResponseCode.SUSPECTED_FRAUD, "chip_says_another_amount", lambda facts, _: not facts.chip_says_amount),
    (
        ResponseCode.SUSPECTED_FRAUD,
        "atc_used",
        lambda facts, _: facts.is_genuine is True and facts.counter <= facts.last_atc,
    ),
    (
        ResponseCode.SUSPECTED_FRAUD,
        "atc_too_far",
        lambda facts, rules: facts.is_genuine is True and facts.counter > facts.last_atc + rules.most_atc_ahead,
    ),
    (
        ResponseCode.PIN_TRIES_EXCEEDED,
        "pin_tries_exceeded",
        lambda facts, _: facts.pin_tries_left <= 0 and _has_pin(facts),
    ),
    (
        ResponseCode.PIN_TRIES_EXCEEDED,
        "chip_pin_tries_exceeded",
        lambda facts, _: facts.chip_pin_tries_exceeded and facts.is_genuine is True and not _has_pin(facts),
    ),
    (ResponseCode.INCORRECT_PIN, "pin_wrong", lambda facts, _: facts.pin == PinCheck.WRONG),
    (
        ResponseCode.INCORRECT_PIN,
        "chip_pin_wrong",
        lambda facts, _: facts.chip_pin_failed and facts.is_genuine is True and not _has_pin(facts),
    ),
    (ResponseCode.INCORRECT_PIN, "pin_unreadable", lambda facts, _: facts.pin == PinCheck.UNREADABLE),
    (ResponseCode.EXCEEDS_COUNT_LIMIT, "pin_needed", lambda facts, _: _needs_pin(facts)),
)
_STATUS: Final[tuple[Check, ...]] = (
    (ResponseCode.INVALID_CARD_NUMBER, "card_closed", lambda facts, _: facts.card_state == CardState.CLOSED),
    (ResponseCode.LOST_CARD, "card_lost", lambda facts, _: facts.card_state == CardState.LOST),
    (ResponseCode.STOLEN_CARD, "card_stolen", lambda facts, _: facts.card_state == CardState.STOLEN),
    (ResponseCode.RESTRICTED_CARD, "card_blocked", lambda facts, _: facts.card_state == CardState.BLOCKED),
    (ResponseCode.RESTRICTED_CARD, "card_frozen", lambda facts, _: facts.card_state == CardState.FROZEN),
    (ResponseCode.RESTRICTED_CARD, "card_not_activated", lambda facts, _: facts.card_state == CardState.ORDERED),
    (
        ResponseCode.RESTRICTED_CARD,
        "customer_not_active",
        lambda facts, _: facts.customer_state != CustomerState.ACTIVE,
    ),
    (ResponseCode.RESTRICTED_CARD, "account_closed", lambda facts, _: facts.account_is_closed),
)
_CHECKS: Final = (
    (Place.FORMAT, _FORMAT),
    (Place.CARD, _CARD),
    (Place.VERIFICATION, _VERIFICATION),
    (Place.STATUS, _STATUS),
)
CARD_UNKNOWN: Final = Refusal(ResponseCode.INVALID_CARD_NUMBER, "card_unknown", Place.CARD)
RISK_SCORE: Final = Refusal(ResponseCode.SUSPECTED_FRAUD, "risk_score", Place.RISK)
FUNDS: Final = Refusal(ResponseCode.INSUFFICIENT_FUNDS, "funds", Place.FUNDS, is_of_amount=True)
PIN_WRONG: Final = "pin_wrong"
ORDER: Final[tuple[tuple[Place, tuple[str, ...]], ...]] = (
    *((place, tuple(reason for _, reason, _ in checks)) for place, checks in _CHECKS),
    (
        Place.CONTROLS,
        ("merchant_differs", "not_allowed", "blocked", "limit_count", "limit_amount"),
    ),
    (Place.RISK, (RISK_SCORE.reason,)),
    (Place.FUNDS, (FUNDS.reason,)),
)
"""Every reason, by place, in order of precedence: what `explain` goes through."""


def _failing(checks: Sequence[Check], facts: Facts, rules: Rules, place: Place) -> list[Refusal]:
    found = [Refusal(code, reason, place) for code, reason, fails in checks if fails(facts, rules)]
    if place is Place.FORMAT and facts.malformed is not None:
        found.insert(0, Refusal(ResponseCode.FORMAT_ERROR, f"icc_data_malformed:{facts.malformed}", place))
    return found


def _controls(facts: Facts) -> list[Refusal]:
    found: list[Refusal] = []
    if facts.card_merchant_id not in (None, facts.merchant_id):
        found.append(Refusal(ResponseCode.NOT_PERMITTED_TO_CARDHOLDER, "merchant_differs", Place.CONTROLS))
    if facts.allowed or facts.blocked:
        for listed, name, value in (
            ("mccs", "mcc", facts.mcc),
            ("countries", "country", facts.country),
            ("merchants", "merchant", facts.merchant_id),
            ("entry_modes", "entry_mode", facts.entry),
        ):
            not_allowed = listed in facts.allowed and value not in facts.allowed[listed]
            for holds, word in ((not_allowed, "not_allowed"), (value in facts.blocked.get(listed, ()), "blocked")):
                if holds:
                    code = ResponseCode.NOT_PERMITTED_TO_CARDHOLDER
                    found.append(Refusal(code, f"{name}_{word}", Place.CONTROLS))
    if facts.limits and moves_money(facts):
        full, left = room(facts.limits, facts.used, limit_kinds(facts), more=0 if facts.is_increment else 1)
        found += [Refusal(ResponseCode.EXCEEDS_COUNT_LIMIT, f"limit_count:{one}", Place.CONTROLS) for one in full]
        found += [
            Refusal(ResponseCode.EXCEEDS_AMOUNT_LIMIT, f"limit_amount:{one}", Place.CONTROLS, is_of_amount=True)
            for one, minor in left
            if facts.amount_minor > minor
        ]
    return found
