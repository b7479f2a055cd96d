"""An operator gives the network a new PIN key by message, while people pay with their PINs."""

from __future__ import annotations

import asyncio

import pytest

from api.key_changes import exchanged
from api.system import System
from engine.crypto.door import KeyUsage
from engine.vocabulary.errors import BezantError
from tests.e2e.world import World


@pytest.mark.parametrize("member", ["acquirer", "bank"])
def test_a_members_key_is_changed_by_message_and_pins_are_right_before_and_after(
    world: World, system: System, member: str
) -> None:
    card = world.opened.cards["bank"][0]
    with world.terminal(1) as terminal:
        assert terminal.ask(terminal.purchase_with_pin(card, 100))["39"] == "00"
        made = asyncio.run(exchanged(system, system.institution(member), KeyUsage.PIN_ZONE))
        assert terminal.ask(terminal.purchase_with_pin(card, 100))["39"] == "00"
    for holder in (member, "simnet"):
        held = [one for one in system.hsm(system.institution(holder)).custody.records() if one.name == made.name]
        assert [(one.check_value, one.state) for one in held] == [(made.check_value, made.state)]


def test_only_keys_of_links_and_members_are_changed_by_message(world: World, system: System) -> None:
    with pytest.raises(BezantError, match="is not changed by message: choose one of pin_zone, mac"):
        asyncio.run(exchanged(system, system.institution("bank"), KeyUsage.CARD_VERIFICATION))
    with pytest.raises(BezantError, match="simnet is no member of the network"):
        asyncio.run(exchanged(system, system.institution("simnet"), KeyUsage.PIN_ZONE))
