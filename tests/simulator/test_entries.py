"""How a card comes into a terminal: which elements each entry sends, and what the kernel makes of the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion
from engine.vocabulary.messages import AuthorizationRequest, OfflineSaleAdvice, ReversalAdvice
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.messages import to_fields
from simulator.chip.card import SoftCard
from simulator.chip.personalisation import ChipKeys
from simulator.kernel.setup import ATTENDED, Capability, KernelSetup
from simulator.plastic import ChipSecrets, Plastic
from simulator.terminals import FORWARD_REPEATS, Conversation, End, Entry, Presented, Reply, Terminal, purchase
from tests.simulator.people import PLASTIC, SHOP, pin_pad, typed_pin
from tests.simulator.test_terminals import always, play

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
TEN, HUNDRED = Money(1_000, "USD"), Money(10_000, "USD")
APPROVED, DECLINED = Reply(ResponseCode.APPROVED, "ABC123"), Reply(ResponseCode.INSUFFICIENT_FUNDS)
RNG = Random(7)
KEYS = ChipKeys(RNG.randbytes(16), RNG.randbytes(16), RNG.randbytes(16))
CHIPPED = replace(PLASTIC, chip_secrets=ChipSecrets(CryptogramVersion.CVN_18, KEYS, "999"))
ICVV_TRACK = "4000010000012348=28092011123499" + "9"


_PIN = Capability.PLAIN_PIN | Capability.ENCIPHERED_PIN | Capability.ONLINE_PIN


def used_card() -> SoftCard:
    card = CHIPPED.soft_card()
    card.state = replace(card.state, memory=replace(card.state.memory, atc=1, last_online_atc=1))
    return card


def terminal(**setup: object) -> Terminal:
    return Terminal(
        replace(SHOP, reads_chips=True),
        "M001T001",
        acquirer_id="200001",
        pin_pad=pin_pad(),
        setup=KernelSetup(**setup),  # type: ignore[arg-type]
    )


def presented(entry: Entry, pin: str | None = "4711", plastic: Plastic = CHIPPED) -> Presented:
    chip = used_card() if entry in (Entry.CHIP, Entry.CONTACTLESS) else None
    return Presented(plastic=plastic, entry=entry, pin=pin, chip=chip)


TABLE = {
    # entry, amount, PIN typed: DE 22, 23, 25, 35, 48, 52, 55
    "chip, online PIN": (Entry.CHIP, TEN, "4711", "051", "001", "00", ICVV_TRACK, False, True, True),
    "chip, no PIN typed": (Entry.CHIP, TEN, None, "051", "001", "00", ICVV_TRACK, False, False, True),
    "tap under the limit": (Entry.CONTACTLESS, TEN, "4711", "071", "001", "00", ICVV_TRACK, False, False, True),
    "tap over the limit": (Entry.CONTACTLESS, HUNDRED, "4711", "071", "001", "00", ICVV_TRACK, False, True, True),
    "stripe after a chip": (
        Entry.FALLBACK, TEN, "4711", "801", None, "00", CHIPPED.track2.clear, False, True, False,
    ),
    "manual": (Entry.MANUAL, TEN, None, "012", None, "00", None, False, False, False),
    "e-commerce": (Entry.ONLINE, TEN, None, "812", None, "59", None, True, False, False),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_each_entry_sends_its_elements_and_no_others(
    row: tuple[Entry, Money, str | None, str, str | None, str, str | None, bool, bool, bool],
) -> None:
    entry, amount, pin, mode, sequence, condition, track, has_cvv2, has_pin, has_chip = row
    _, (request,) = play(purchase(terminal(), presented(entry, pin), amount, NOON), always(APPROVED))
    assert isinstance(request, AuthorizationRequest)
    fields = to_fields(request)
    assert (fields["22"], fields.get("23"), fields["25"], fields.get("35")) == (mode, sequence, condition, track)
    assert ("48" in fields, "52" in fields, "55" in fields) == (has_cvv2, has_pin, has_chip)
    if has_pin:
        assert typed_pin(request) == "4711"


def test_an_old_terminal_swipes_and_a_new_one_wants_the_chip() -> None:
    old = Terminal(replace(SHOP, reads_chips=False), "M001T001", acquirer_id="200001", pin_pad=pin_pad())
    receipt, (request,) = play(purchase(old, presented(Entry.STRIPE), TEN, NOON), always(APPROVED))
    assert isinstance(request, AuthorizationRequest)
    assert (request.pos_entry_mode, receipt.end) == ("901", End.APPROVED)
    refused, sent = play(purchase(terminal(), presented(Entry.STRIPE), TEN, NOON), always(APPROVED))
    assert (refused.end, sent) == (End.DECLINED_OFFLINE, [])
    assert refused.chip is not None and refused.chip.reason == "insert the card"
    plain = presented(Entry.STRIPE, plastic=PLASTIC)
    assert play(purchase(terminal(), plain, TEN, NOON), always(APPROVED))[0].end is End.APPROVED, "no chip on it"


def test_a_chip_that_does_not_answer_is_followed_by_its_stripe_and_says_so() -> None:
    card = presented(Entry.CHIP)
    assert card.chip is not None
    card.chip.is_mute = True
    receipt, (request,) = play(purchase(terminal(), card, TEN, NOON), always(APPROVED))
    assert isinstance(request, AuthorizationRequest)
    assert (request.pos_entry_mode, request.icc_data, receipt.end) == ("801", None, End.APPROVED)
    assert request.track2 is not None and request.track2.clear == CHIPPED.track2.clear


@pytest.mark.parametrize(("reply", "end"), [(APPROVED, End.APPROVED), (DECLINED, End.DECLINED)])
@pytest.mark.parametrize("entry", [Entry.CHIP, Entry.CONTACTLESS])
def test_the_issuers_word_ends_the_purchase(entry: Entry, reply: Reply, end: End) -> None:
    receipt, sent = play(purchase(terminal(), presented(entry), TEN, NOON), always(reply))
    assert (receipt.end, len(sent)) == (end, 1)


def test_silence_is_taken_back_whatever_the_chip_would_say() -> None:
    receipt, sent = play(
        purchase(terminal(), presented(Entry.CHIP), TEN, NOON),
        lambda request, number: None if isinstance(request, AuthorizationRequest) else APPROVED,
    )
    assert receipt.end is End.REVERSED
    assert [type(request) for request in sent] == [AuthorizationRequest, ReversalAdvice]


def test_what_the_card_refuses_although_the_issuer_approved_is_taken_back() -> None:
    forged = replace(APPROVED, icc_data=tlv.encode([("91", bytes(8))]))
    receipt, sent = play(purchase(terminal(), presented(Entry.CHIP), TEN, NOON), always(forged))
    assert receipt.end is End.REVERSED
    assert [type(request) for request in sent] == [AuthorizationRequest, ReversalAdvice]


@pytest.mark.parametrize("entry", [Entry.CHIP, Entry.CONTACTLESS])
def test_a_small_amount_is_approved_offline_where_the_terminal_may(entry: Entry) -> None:
    no_pin_pad = Capability(ATTENDED & ~_PIN)
    shop = terminal(floor_limit_minor=5_000, contactless_floor_minor=5_000, capabilities=no_pin_pad)
    receipt, sent = play(purchase(shop, presented(entry, None), Money(800, "USD"), NOON), always(APPROVED))
    assert (receipt.end, receipt.amount_minor) == (End.APPROVED_OFFLINE, 800)
    (told,) = sent
    assert isinstance(told, OfflineSaleAdvice)
    fields = to_fields(told)
    assert (fields["t"], fields["22"], fields["38"], "90" in fields) == ("0220", entry.value, "Y10001", False)
    assert tlv.leaves(tlv.decode(told.sale.icc_data or b""))["9F27"] == b"\x40", "the chip's TC goes with it"


def test_a_sale_made_offline_is_told_until_somebody_hears() -> None:
    shop = terminal(contactless_floor_minor=5_000)
    receipt, sent = play(
        purchase(shop, presented(Entry.CONTACTLESS), Money(800, "USD"), NOON),
        lambda request, number: APPROVED if number == 2 else None,
    )
    assert receipt.end is End.APPROVED_OFFLINE
    told = [one for one in sent if isinstance(one, OfflineSaleAdvice)]
    assert [one.is_repeat for one in told] == [False, True, True]
    assert len({one.stan for one in told}) == 1
    unheard, sent = play(purchase(shop, presented(Entry.CONTACTLESS), Money(800, "USD"), NOON), always(None))
    assert (unheard.end, len(sent)) == (End.NOT_COMPLETED, 1 + FORWARD_REPEATS)


def test_a_sale_that_chip_and_terminal_agree_on_after_silence_has_a_trace_number_of_its_own() -> None:
    setup = {"floor_limit_minor": 50_000, "capabilities": Capability(ATTENDED & ~_PIN)}
    shop, card = terminal(**setup), presented(Entry.CHIP, None)
    assert card.chip is not None
    # The chip has been offline often enough to ask for its issuer, and may go on a little.
    memory = replace(card.chip.state.memory, consecutive_offline=3)
    card.chip.state = replace(card.chip.state, memory=memory)
    receipt, sent = play(
        purchase(shop, card, Money(800, "USD"), NOON),
        lambda request, number: None if isinstance(request, AuthorizationRequest) else APPROVED,
    )
    assert receipt.end is End.APPROVED_OFFLINE
    first, taken_back, told = sent
    assert isinstance(first, AuthorizationRequest) and isinstance(taken_back, ReversalAdvice)
    assert isinstance(told, OfflineSaleAdvice) and told.stan not in (first.stan, taken_back.stan)


def test_a_tap_of_too_large_an_amount_sends_nothing() -> None:
    receipt, sent = play(purchase(terminal(), presented(Entry.CONTACTLESS), Money(60_000, "USD"), NOON), always(None))
    assert (receipt.end, sent) == (End.DECLINED_OFFLINE, [])
    assert receipt.chip is not None and "insert the card" in receipt.chip.reason


def test_cash_back_is_part_of_the_amount_and_said_apart() -> None:
    _, (request,) = play(
        purchase(terminal(), presented(Entry.CHIP), TEN, NOON, cashback=Money(2_000, "USD")), always(APPROVED)
    )
    assert isinstance(request, AuthorizationRequest)
    fields = to_fields(request)
    assert (fields["3"], fields["4"], fields["54"]) == ("090000", "000000003000", "0040840D000000002000")
    tags = tlv.leaves(tlv.decode(request.icc_data or b""))
    assert (tags["9F02"].hex(), tags["9F03"].hex(), tags["9C"].hex()) == ("000000003000", "000000002000", "09")


def numbers(conversation: Conversation) -> bytes:
    _, (request,) = play(conversation, always(APPROVED))
    assert isinstance(request, AuthorizationRequest)
    return tlv.leaves(tlv.decode(request.icc_data or b""))["9F37"]


def test_unpredictable_numbers_differ_and_a_world_played_again_draws_the_same() -> None:
    def drawn() -> list[bytes]:
        shop = terminal()
        return [numbers(purchase(shop, presented(Entry.CHIP), TEN, NOON)) for _ in range(5)]

    assert len(set(drawn())) == 5
    assert drawn() == drawn()
