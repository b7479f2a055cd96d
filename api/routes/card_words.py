"""What a refusal about a card means, in words, and the parameter that it is about: for HTTP and commands alike."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from api.errors import INVALID, ApiError, refused
from engine.vocabulary.decision import Answer

WORDS: dict[str, tuple[str, str | None]] = {
    "card_unknown": ("There is no such card.", "card_id"),
    "customer_unknown": ("There is no such customer.", None),
    "customer_not_active": ("The customer is frozen or closed.", None),
    "account_not_theirs": ("The customer has no account that a card could spend from.", None),
    "card_number_malformed": ("The card number is malformed.", None),
    "card_number_taken": ("The number is another card's: ask again under another Idempotency-Key.", None),
    "numbers_used_up": ("The account range of the product has no number left.", "product"),
    "pin_malformed": ("A PIN has 4 to 12 digits.", "pin"),
    "merchant_malformed": ("A merchant id has up to 15 characters, and is for merchant-locked cards.", "merchant_id"),
    "product_unknown": ("There is no such product.", "product"),
    "card_already_replaced": ("The card was replaced already.", "card_id"),
    "card_state_final": ("The card is lost, stolen or closed, for good.", "card_id"),
    "move_not_allowed": ("It cannot go from its state to that one, or not by you.", "state"),
    "reason_not_allowed": ("That is no reason for this change.", "reason"),
    "nothing_to_activate": ("There is no plastic to be activated.", "card_id"),
    "not_shipped_yet": ("The plastic has not been sent yet.", "card_id"),
    "renewal_under_way": ("The card is new, or its renewal is under way already.", "card_id"),
    "expiry_malformed": ("An expiry is year and month: YYMM.", "expiry"),
    "expiry_not_later": ("The new expiry is not later than the present one.", "expiry"),
    "fulfilment_unknown": ("The card has no plastic of this sequence number.", "sequence_number"),
    "card_without_pin": ("The card has no PIN.", "card_id"),
    "product_malformed": ("A product's name has 1 to 40 letters, digits, - and _.", "name"),
    "account_range_malformed": ("An account range has 8 digits.", "account_range"),
    "number_length_malformed": ("A card number has 13 to 19 digits.", "number_length"),
    "region_malformed": ("A region is a country code of two capital letters.", "region"),
    "validity_malformed": ("A card is valid for 1 to 120 months.", "validity_months"),
    "product_taken": ("The name is another product's.", "name"),
    "account_range_taken": ("The account range is another product's.", "account_range"),
}
NO_CARD = ApiError(404, INVALID, "unknown_card", "There is no such card of yours.", "card_id")


class Asked(BaseModel):
    """The body of a request: nothing in it but what is asked for."""

    model_config = ConfigDict(extra="forbid")


def refusal(answer: Answer) -> ApiError:
    """The error of a request that was refused."""
    return NO_CARD if answer.reasons[0] == "card_unknown" else refused(answer, WORDS)
