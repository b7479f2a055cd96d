"""Before the day: the plans become customers, cards, merchants, members and deposits, by ordinary requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from api.members import NETWORK, OUR_ACQUIRER, SETTLEMENT_BANK
from api.settings import Settings
from api.system import MEMBERS, Seat
from engine.accounts.model import OpenCustomer
from engine.crypto.keys import is_test_key
from engine.database.institutions import Institution
from engine.merchants.model import OpenMerchant
from engine.savings.model import OpenProduct, OpenSavings
from engine.vocabulary.decision import Answer
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Secret
from issuer.cards import model as cards
from simulator.network.members.model import AdmitMember, OpenAccountRange
from simulator.population import ACCOUNT_RANGES, ASSET, CardState, Person, Population, Shop
from simulator.settlement_bank.model import OpenDeposit

SAVINGS_RATE_BPS: Final = 425
SAVINGS_PRODUCT: Final = "saver"
_REASONS: Final = {
    CardState.BLOCKED: cards.StateReason.FRAUD_SUSPECTED,
    CardState.LOST: cards.StateReason.REPORTED_LOST,
    CardState.STOLEN: cards.StateReason.REPORTED_STOLEN,
}

Execute = Callable[[Iterable[Any]], Sequence[Answer | None]]
"""A processor's `execute`."""


def require_test_world(settings: Settings) -> None:
    """Raises `BezantError` under a master key of one's own: anybody may know a simulated world's cards and keys."""
    if not is_test_key(settings.master_key_bytes()):
        raise BezantError("The test world lives under the test master key: unset BEZANT_MASTER_KEY to have it.")


def open_books(
    seats: Mapping[str, Seat], population: Population, at: datetime, outside: Collection[str] = ()
) -> dict[str, dict[str, UUID]]:
    """Everybody's books: members at the network, account ranges, people and their cards, shops, and the deposits that
    money is settled through. Again changes nothing.

    `outside` names banks that other programs play: members of the network, with no books here. Returns the customers'
    identifiers by bank and handle. Blocks: not for the event loop.
    """
    ids = {member.name: member.member_id for member in MEMBERS}
    settling = [member for member in MEMBERS if member.role in ("issuer", "acquirer")]
    admit(seats, settling, {prefix: ids[bank] for bank, prefix in ACCOUNT_RANGES.items()})
    deposits = {member.member_id: 0 for member in MEMBERS if member.role != "settlement_bank"}
    customers: dict[str, dict[str, UUID]] = {}
    for bank in ACCOUNT_RANGES:
        if bank not in outside:
            people = population.of(bank)
            customers[bank] = open_people(seats[bank].processor.execute, people, at)
            deposits[ids[bank]] = sum(person.opening_minor + (person.savings_minor or 0) for person in people)
    open_shops(seats[OUR_ACQUIRER].processor.execute, population.shops)
    deposits |= {deposit_of(shop): 0 for shop in population.shops}
    open_deposits(seats, deposits)
    return customers


def admit(seats: Mapping[str, Seat], members: Iterable[Institution], ranges: Mapping[str, str]) -> None:
    """Make these members of the network, and route each range of cards (by prefix) to its member (by member id)."""
    _ask(seats[NETWORK], [AdmitMember(one.member_id, one.name) for one in members], "admitted")
    _ask(seats[NETWORK], [OpenAccountRange(prefix, member_id) for prefix, member_id in ranges.items()], "opened")


def open_deposits(seats: Mapping[str, Seat], deposits: Mapping[str, int]) -> None:
    """Open deposits at the settlement bank, by reference (a member id, or `deposit_of`), with what they begin with."""
    _ask(seats[SETTLEMENT_BANK], [OpenDeposit(*deposit) for deposit in deposits.items()], "opened")


def open_people(execute: Execute, people: Sequence[Person], at: datetime) -> dict[str, UUID]:
    """Customers with money, savings accounts, and cards in the state that they are planned to be in.

    Returns their identifiers in the bank's books, by handle.
    """
    opened = done(
        execute(
            OpenCustomer(
                handle=person.handle,
                name=person.name,
                asset=ASSET,
                opening_deposit_minor=person.opening_minor + (person.savings_minor or 0),
            )
            for person in people
        ),
        "opened",
    )
    ids = {person.handle: _id(answer, "customer_id") for person, answer in zip(people, opened, strict=True)}
    accounts = {person.handle: _id(answer, "account_id") for person, answer in zip(people, opened, strict=True)}
    offer = OpenProduct(
        reference="opening",
        name=SAVINGS_PRODUCT,
        asset=ASSET,
        effective_on=at.date() - timedelta(days=1),  # in force wherever the bank's day is
        tiers=((0, SAVINGS_RATE_BPS),),
    )
    done(execute([offer]), "opened")
    done(
        execute(
            OpenSavings(
                reference="opening",
                customer_id=ids[person.handle],
                product=SAVINGS_PRODUCT,
                opening_minor=person.savings_minor,
            )
            for person in people
            if person.savings_minor is not None
        ),
        "opened",
    )
    plans = [(person, number, card) for person in people for number, card in enumerate(person.cards, start=1)]
    issued = done(
        execute(
            cards.IssueCard(
                customer_id=ids[person.handle],
                account_id=accounts[person.handle],
                pan=card.pan,
                expiry=card.expiry,
                issued_at=at,
                sequence=number,
                pin=Secret(card.pin),
            )
            for person, number, card in plans
        ),
        "issued",
    )
    done(
        execute(
            cards.ChangeCardState(
                card_id=_id(answer, "card_id"),
                new_state=cards.CardState(card.state.value),
                reason=_REASONS[card.state],
            )
            for (_, _, card), answer in zip(plans, issued, strict=True)
            if card.state not in (CardState.ACTIVE, CardState.EXPIRED)
        ),
        "changed",
    )
    return ids


def open_shops(execute: Execute, shops: Sequence[Shop]) -> None:
    """Merchants with their terminals; each has a deposit at the settlement bank, named by `deposit_of`."""
    done(
        execute(
            OpenMerchant(
                merchant_id=shop.merchant_id,
                name=shop.name,
                city=shop.city,
                country=shop.country,
                mcc=shop.mcc,
                asset=ASSET,
                discount_bps=shop.discount_bps,
                discount_fixed_minor=shop.fixed_minor,
                deposit_reference=deposit_of(shop),
                terminal_ids=shop.terminals,
            )
            for shop in shops
        ),
        "opened",
    )


def deposit_of(shop: Shop) -> str:
    """The reference of a merchant's deposit at the settlement bank."""
    return f"M{shop.merchant_id}"


def done(answers: Iterable[Answer | None], code: str) -> list[Answer]:
    """The answers, all of which must have this code. `BezantError` names the first that has not."""
    every: list[Answer] = []
    for answer in answers:
        if answer is None or answer.code != code:
            said = "nothing" if answer is None else " ".join((answer.code, *answer.reasons))
            raise BezantError(f"The world could not be set up: {said} was answered where {code} was due.")
        every.append(answer)
    return every


def _ask(seat: Seat, requests: Sequence[Any], code: str) -> None:
    done(seat.processor.execute(requests), code)


def _id(answer: Answer, fact: str) -> UUID:
    return UUID(str(answer.facts[fact]))
