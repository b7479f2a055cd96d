"""A card gets old, end to end: it works through its last month, then no more; its renewal takes over, and a replacement
has what was bought with the old number. The world's clock is moved, and terminals go by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from api.clock import WorldClock
from engine.accounts.store import read_by_handle
from engine.vocabulary.decision import Answer
from engine.vocabulary.identifiers import Secret
from issuer.cards.fulfilment import FulfilmentState, MoveFulfilment
from issuer.cards.model import ActivateCard, CardRequest, IssueCard, RenewCard
from issuer.cards.numbers import card_number
from issuer.cards.products import expiry_after
from simulator.plastic import personalise
from simulator.population import ACCOUNT_RANGES, CardPlan, CardState
from simulator.terminals import End, Entry
from tests.e2e.wallet import TEN, Wallet
from tests.e2e.world import World, findings

BANK = "bank"
ENTRIES = (Entry.CHIP, Entry.CONTACTLESS, Entry.FALLBACK, Entry.MANUAL, Entry.ONLINE)
PLAN = CardPlan(pan=card_number(ACCOUNT_RANGES[BANK], 77), expiry="", state=CardState.ACTIVE, pin="4711")


@pytest.fixture(scope="module")
def clock(world: World) -> WorldClock:
    return WorldClock(world.system.database.owner())


@pytest.fixture(scope="module")
def wallet(world: World, clock: WorldClock) -> Wallet:
    """A card in its last month."""
    plan = replace(PLAN, expiry=expiry_after(0, clock.now().date()))
    person = world.opened.population.of(BANK)[0]
    with world.system.database.institution(BANK).connect() as connection:
        (customer,) = read_by_handle(connection, [f"@{person.handle}"])
    issued = told(
        world,
        IssueCard(
            customer_id=customer.id,
            account_id=customer.account_id,
            pan=plan.pan,
            expiry=plan.expiry,
            issued_at=clock.now(),
            sequence=9,
            pin=Secret(plan.pin),
        ),
    )
    assert issued.code == "issued"
    return of_plan(world, clock, plan)


def of_plan(world: World, clock: WorldClock, plan: CardPlan, sequence_number: str = "01") -> Wallet:
    hsm, master_key = world.system.hsm(world.system.institution(BANK)), world.system.settings.master_key_bytes()
    return Wallet(world, BANK, personalise(hsm, plan, BANK, master_key, sequence_number=sequence_number), clock=clock)


def told(world: World, request: CardRequest) -> Answer:
    (answer,) = world.seat(BANK).processor.execute([request])
    assert answer is not None
    return answer


@pytest.fixture(scope="module")
def card_id(wallet: Wallet) -> Iterator[UUID]:
    yield wallet.card_id


def answers(wallet: Wallet) -> dict[Entry, str]:
    """DE 39 by the way in which the card comes."""
    pins = {Entry.CHIP, Entry.FALLBACK}
    return {one: wallet.answer(one, TEN, pin=wallet.plastic.pin if one in pins else None) for one in ENTRIES}


def test_a_card_is_good_through_the_last_month_of_its_expiry(wallet: Wallet, card_id: UUID) -> None:
    assert set(answers(wallet).values()) == {"00"}
    assert wallet.held == len(ENTRIES) * TEN.amount_minor


def test_a_card_past_its_month_is_54_whichever_way_it_comes_in(
    world: World, wallet: Wallet, clock: WorldClock, card_id: UUID
) -> None:
    held, counted = wallet.held, wallet.of_card("last_atc")
    told(world, RenewCard(card_id=card_id, expiry=expiry_after(36, clock.now().date()), reference="1"))
    for state in (FulfilmentState.PERSONALISED, FulfilmentState.SHIPPED):
        assert told(world, MoveFulfilment(card_id=card_id, sequence_number="02", new_state=state)).code == "changed"
    world.move(timedelta(days=35))
    clock.refresh()
    for entry in ENTRIES:
        receipt = wallet.pay(entry, pin=wallet.plastic.pin if entry in (Entry.CHIP, Entry.FALLBACK) else None)
        assert receipt.end is End.DECLINED and receipt.reply is not None, (entry, receipt.end)
        assert receipt.reply.response_code.value == "54", entry
        assert wallet.reasons[0] == "card_expired", entry
    assert (wallet.held, wallet.of_card("last_atc")) == (held, counted + 2), "a counter that was seen is used"  # type: ignore[operator]


def test_the_renewed_plastic_takes_over_when_it_is_activated_and_the_old_one_is_other_plastic(
    world: World, wallet: Wallet, clock: WorldClock, card_id: UUID
) -> None:
    expiry = str(wallet.of_card("renewal_expiry"))
    new = of_plan(world, clock, replace(PLAN, expiry=expiry), "02")
    assert answered(new, Entry.MANUAL) == "54", "not before it is activated"
    assert told(world, ActivateCard(card_id=card_id, reference="1")).code == "changed"
    assert set(answers(new).values()) == {"00"}
    assert (new.card_id, new.of_card("sequence_number"), new.of_card("last_atc")) == (card_id, "02", 2)
    assert answered(wallet, Entry.CHIP) == "54"
    wallet_reasons = wallet.world.rows(
        BANK,
        "select reasons from authorizations where card_id = :card and network_reference = :reference",
        card=card_id,
        reference=(wallet.said[-1].reply or {})["63"],
    )
    ((reasons,),) = wallet_reasons
    assert {"expiry_differs", "sequence_number_differs"} <= set(reasons)


def answered(wallet: Wallet, entry: Entry) -> str:
    """DE 39, with the PIN where there is a pad."""
    return wallet.answer(entry, pin=wallet.plastic.pin if entry is Entry.CHIP else None)


def test_afterwards_every_book_is_proven(world: World) -> None:
    """Last in this file: whatever was sent above."""
    assert findings(world.system) == []
