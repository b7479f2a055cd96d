"""Who lives in the world."""

from __future__ import annotations

import re

from engine.vocabulary.identifiers import luhn_valid
from simulator.chance import Chance
from simulator.population import ACCOUNT_RANGES, TROUBLED, CardState, Kind, populate

WORLD = populate(Chance(7))


def test_a_seed_makes_one_population_and_another_seed_another() -> None:
    assert populate(Chance(7)) == WORLD
    assert populate(Chance(8)) != WORLD


def test_there_are_enough_people_with_unique_handles_most_of_them_ours() -> None:
    assert len(WORLD.people) >= 200
    handles = [person.handle for person in WORLD.people]
    assert len(set(handles)) == len(handles)
    assert all(re.fullmatch(r"[a-z][a-z0-9]{2,19}", handle) for handle in handles)
    assert len(WORLD.of("bank")) > len(WORLD.of("northbank")) + len(WORLD.of("southbank"))
    assert sum(person.savings_minor is not None for person in WORLD.of("bank")) >= 20


def test_card_numbers_are_valid_unique_and_in_their_banks_range() -> None:
    cards = [(person.bank, card) for person in WORLD.people for card in person.cards]
    assert len({card.pan.clear for _, card in cards}) == len(cards)
    for bank, card in cards:
        assert card.pan.clear.startswith(ACCOUNT_RANGES[bank])
        assert luhn_valid(card.pan.clear) and len(card.pan.clear) == 16
    assert any(len(person.cards) == 2 for person in WORLD.people)


def test_some_cards_are_in_trouble_and_their_owners_have_no_other() -> None:
    for bank in ACCOUNT_RANGES:
        for state, number in TROUBLED.items():
            owners = [person for person in WORLD.of(bank) if person.cards[0].state is state]
            assert len(owners) == number
            assert all(len(person.cards) == 1 for person in owners)
    assert all(
        (card.state is CardState.EXPIRED) == (card.expiry < "2602") for person in WORLD.people for card in person.cards
    )


def test_shops_are_of_many_kinds_and_fit_the_standards_fields() -> None:
    assert len(WORLD.shops) >= 20
    assert {shop.kind for shop in WORLD.shops} == set(Kind)
    terminals = [terminal for shop in WORLD.shops for terminal in shop.terminals]
    assert len(set(terminals)) == len(terminals)
    assert all(len(terminal) == 8 for terminal in terminals)
    assert all(len(shop.merchant_id) == 15 and len(shop.name_and_location) == 40 for shop in WORLD.shops)
    assert all(re.fullmatch(r"[\x20-\x7e]{40}", shop.name_and_location) for shop in WORLD.shops)


def test_nothing_shows_a_pin_or_a_whole_card_number() -> None:
    for person in WORLD.people:
        for card in person.cards:
            assert card.pan.clear not in repr(person)
            assert "pin" not in repr(person)
