"""The rules of products and their rates. Pure.

Hard cases: a second product of a name; tiers that do not rise; rates for a day that has come (a night may have counted
it); two sets of rates for one day; terms that cannot go together (a deposit that never matures but pays at maturity).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from engine.ledger.book import Book
from engine.savings.model import LONGEST_NAME, MOST_TIERS, OpenProduct, SetRates
from engine.savings.products import (
    HIGHEST_RATE_BPS,
    LARGEST_BALANCE_MINOR,
    Frequency,
    ProductOpened,
    RatesSet,
    RateVersion,
    SavingsProduct,
)
from engine.vocabulary.decision import Answer, Decision, State
from engine.vocabulary.identifiers import STATIC
from engine.vocabulary.money import ASSETS, BPS

LONGEST_TERM_MONTHS = 600
LONGEST_PROMOTION_DAYS = 3_660


def product_id(book: Book, name: str) -> UUID:
    """The identifier of the product of a name."""
    return book.id("savings product", name, on=STATIC)


def open_product(book: Book, state: State, request: OpenProduct) -> Decision:
    """Offer a product, if its terms and first rates make sense."""
    identity = product_id(book, request.name)
    if not (0 < len(request.name) <= LONGEST_NAME and request.name.isprintable()):
        return _refused("name_malformed")
    at_maturity = Frequency.AT_MATURITY in (request.compounding, request.posting)
    if (
        request.asset not in ASSETS
        or not 0 <= request.term_months <= LONGEST_TERM_MONTHS
        or (at_maturity and not request.term_months)
        or not 0 <= request.promotional_days <= LONGEST_PROMOTION_DAYS
        or not 0 <= request.overdraft_minor <= LARGEST_BALANCE_MINOR
        or (request.withdrawals_a_month is not None and request.withdrawals_a_month < 0)
        or not 0 <= request.withholding_bps <= BPS
    ):
        return _refused("terms_malformed")
    if reason := _malformed(request, request.promotional_bps):
        return _refused(reason)
    if state.get(SavingsProduct, identity) is not None:
        return _refused("product_exists")
    product = SavingsProduct(
        id=identity,
        name=request.name,
        asset=request.asset,
        day_count=request.day_count,
        balance_method=request.balance_method,
        compounding=request.compounding,
        posting=request.posting,
        term_months=request.term_months,
        promotional_bps=request.promotional_bps,
        promotional_days=request.promotional_days,
        overdraft_minor=request.overdraft_minor,
        withdrawals_a_month=request.withdrawals_a_month,
        withholding_bps=request.withholding_bps,
    )
    return Decision(
        events=(ProductOpened(subject=product), RatesSet(subject=_version(book, product, request))),
        answer=Answer("opened", facts={"product_id": str(identity)}),
    )


def set_rates(book: Book, state: State, request: SetRates, now: datetime) -> Decision:
    """Let a product pay other rates from a day to come: no night has counted it, however late it runs."""
    product = state.get(SavingsProduct, product_id(book, request.product))
    if product is None:
        return _refused("unknown_product")
    if reason := _malformed(request, product.promotional_bps):
        return _refused(reason)
    version = _version(book, product, request)
    if request.effective_on <= book.business_date(now) or state.get(RateVersion, version.id) is not None:
        return _refused("day_has_come")
    return Decision(events=(RatesSet(subject=version),), answer=Answer("set"))


def _malformed(request: OpenProduct | SetRates, bonus_bps: int) -> str | None:
    rates = [rate for _, rate in request.tiers]
    if any(not 0 <= rate + max(bonus_bps, 0) <= HIGHEST_RATE_BPS for rate in (*rates, request.overdraft_bps, 0)):
        return "rate_malformed"
    if bonus_bps < 0 or min((*rates, request.overdraft_bps)) < 0:
        return "rate_malformed"
    least = [one for one, _ in request.tiers]
    if not 0 < len(least) <= MOST_TIERS or least[0] != 0 or not _rising(least) or request.minimum_minor < 0:
        return "tiers_malformed"
    return "tiers_malformed" if max(*least, request.minimum_minor) > LARGEST_BALANCE_MINOR else None


def _rising(least: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(least))


def _version(book: Book, product: SavingsProduct, request: OpenProduct | SetRates) -> RateVersion:
    return RateVersion(
        id=book.id("savings rates", str(product.id), on=request.effective_on),
        product_id=product.id,
        effective_on=request.effective_on,
        tier_method=request.tier_method,
        tiers=request.tiers,
        minimum_minor=request.minimum_minor,
        overdraft_bps=request.overdraft_bps,
    )


def _refused(reason: str) -> Decision:
    return Decision(answer=Answer("refused", (reason,)))
