"""A card, a shop and a terminal for the tests of the simulated world."""

from __future__ import annotations

from engine.crypto import des
from engine.crypto.door import KeyName, KeyUsage
from engine.crypto.dukpt_tdes import Use, device_key
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world
from engine.crypto.pin_blocks import decode_format_0
from engine.vocabulary.identifiers import Pan
from engine.vocabulary.messages import AuthorizationRequest
from simulator.pin_pad import PinPad, pin_pad_of_test_world
from simulator.plastic import Plastic
from simulator.population import Kind, Shop
from simulator.terminals import Entry, Presented, Terminal

PLASTIC = Plastic(pan=Pan("4000010000012348"), expiry="2809", pin="4711", pvv="1234", cvv="567", cvv2="890")
SHOP = Shop(
    merchant_id="200001000000001",
    name="Mustermann Grocery",
    city="Springfield",
    country="US",
    mcc="5411",
    kind=Kind.STORE,
    terminals=("M001T001",),
    discount_bps=140,
    fixed_minor=5,
    typical_minor=(450, 9_800),
)
AT_THE_COUNTER = Presented(plastic=PLASTIC, entry=Entry.STRIPE, pin="4711")


def pin_pad() -> PinPad:
    """A pad that has not been used."""
    return pin_pad_of_test_world(TEST_MASTER_KEY, "acquirer", "M001T001")


def typed_pin(request: AuthorizationRequest) -> str:
    """The PIN in a request, as the acquirer that loaded the pad would find it."""
    assert request.pin_block is not None and request.key_serial_number is not None
    base = key_of_test_world(TEST_MASTER_KEY, KeyName("acquirer", KeyUsage.DEVICE_BASE_TDES, 1))
    key = device_key(base, request.key_serial_number, Use.PIN)
    return decode_format_0(des.once_decrypt(key, bytes.fromhex(request.pin_block.clear)), request.pan.clear)


def terminal(last_stan: int = 0) -> Terminal:
    return Terminal(SHOP, "M001T001", acquirer_id="200001", pin_pad=pin_pad(), last_stan=last_stan)
