"""Taps: the limits of the reader, what the card wants, and who decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.vocabulary import tlv
from simulator.chip.apdu import Command, Instruction, Response, Status
from simulator.chip.personalisation import Limits, Profile
from simulator.kernel.contactless import contactless
from simulator.kernel.results import Tvr
from simulator.kernel.setup import ATTENDED, Capability, End, KernelSetup
from tests.simulator.chip.cards import OFFLINE, Issuer, Played, card, play, remember, sale

ONLINE = KernelSetup()
NO_PIN_PAD = replace(ONLINE, capabilities=Capability(ATTENDED & ~Capability.ONLINE_PIN))


def tapped(amount: int = 1_500, setup: KernelSetup = ONLINE, *, pin: str | None = "4711", **changes: Any) -> Played:
    issuer = changes.pop("issuer", Issuer())
    at = changes.pop("at", sale().at)
    tamper = changes.pop("tamper", None)
    memory = changes.pop("memory", {})
    soft = card(**changes)
    remember(soft, **memory)
    return play(contactless(setup, sale(amount, at=at)), soft, issuer, [pin], contactless=True, tamper=tamper)


@pytest.mark.parametrize(
    ("amount", "setup", "end", "pins", "verification"),
    [
        (1_500, ONLINE, End.APPROVED_ONLINE, 0, "1F0002"),
        (5_000, ONLINE, End.APPROVED_ONLINE, 0, "1F0002"),
        (5_001, ONLINE, End.APPROVED_ONLINE, 1, "020000"),
        (5_001, OFFLINE, End.APPROVED_ONLINE, 1, "020000"),
        (5_001, NO_PIN_PAD, End.APPROVED_ONLINE, 0, "1E0000"),
        (1_500, OFFLINE, End.APPROVED_OFFLINE, 0, "1F0002"),
        (50_001, ONLINE, End.TERMINATED, 0, "3F0000"),
        (1_500, replace(OFFLINE, can_go_online=False), End.APPROVED_OFFLINE, 0, "1F0002"),
        (
            20_001,
            replace(OFFLINE, can_go_online=False, contactless_free_minor=30_000),
            End.DECLINED_OFFLINE,
            0,
            "3F0000",
        ),
    ],
)
def test_amounts_decide_who_is_asked_and_how_the_holder_is_verified(
    amount: int, setup: KernelSetup, end: End, pins: int, verification: str
) -> None:
    played = tapped(amount, setup)
    assert played.outcome.end is end, played.outcome.reason
    assert len(played.pins_asked) == pins
    assert played.outcome.verification == bytes.fromhex(verification)
    assert played.outcome.needs_signature is (verification == "1E0000")


def test_over_the_limit_the_pin_goes_to_the_issuer_and_without_one_nothing_is_sent() -> None:
    issuer = Issuer()
    tapped(6_000, issuer=issuer)
    assert issuer.heard[0].pin == "4711"
    refused = Issuer()
    played = tapped(6_000, issuer=refused, pin=None)
    assert (played.outcome.end, refused.heard) == (End.TERMINATED, [])


def test_a_new_card_a_card_over_its_counters_and_one_without_key_go_online() -> None:
    assert tapped(setup=OFFLINE, is_new=True).outcome.end is End.APPROVED_ONLINE
    over = tapped(setup=OFFLINE, limits=Limits(lower=1), memory={"consecutive_offline": 1})
    assert over.outcome.end is End.APPROVED_ONLINE
    assert tapped(setup=OFFLINE, data_authentication=Profile.SDA).outcome.end is End.APPROVED_ONLINE


def test_a_blocked_application_declines_and_a_blocked_card_is_not_used() -> None:
    assert tapped(memory={"is_application_blocked": True}).outcome.end is End.TERMINATED
    assert tapped(memory={"is_card_blocked": True}).outcome.end is End.TERMINATED


def test_an_offline_tap_is_believed_only_with_the_chips_own_signature() -> None:
    def forged(command: Command, response: Response) -> Response:
        if command.ins != Instruction.GET_PROCESSING_OPTIONS:
            return response
        ((template, content),) = tlv.decode(response.content)
        assert not isinstance(content, bytes)
        objects = [(tag, bytes(len(value)) if tag == "9F4B" else value) for tag, value in content]
        return Response(Status.OK, tlv.encode([(template, objects)]))

    played = tapped(setup=OFFLINE, tamper=forged)
    assert played.outcome.end is End.DECLINED_OFFLINE
    assert played.outcome.tvr & Tvr.DDA_FAILED


def test_an_offline_tap_of_an_expired_card_is_declined() -> None:
    assert tapped(setup=OFFLINE, at=datetime(2029, 1, 2, tzinfo=UTC)).outcome.end is End.DECLINED_OFFLINE


def test_a_decline_and_a_silence_end_the_tap() -> None:
    assert tapped(issuer=Issuer(code="51")).outcome.end is End.DECLINED_ONLINE
    silent = tapped(issuer=None)
    assert (silent.outcome.end, silent.outcome.reason) == (End.DECLINED_OFFLINE, "the issuer cannot be reached")


def test_the_card_is_asked_once_and_hears_nothing_of_the_issuer() -> None:
    played = tapped()
    assert [command.ins for command in played.commands] == [
        Instruction.SELECT, Instruction.SELECT, Instruction.GET_PROCESSING_OPTIONS,
    ]  # fmt: skip


def test_an_online_tap_leaves_no_transaction_unfinished() -> None:
    soft = card()
    play(contactless(ONLINE, sale()), soft, Issuer(), contactless=True)
    assert not soft.state.memory.has_unfinished
    assert soft.state.memory.atc == 2
