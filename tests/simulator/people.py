"""A card, a shop and a terminal for the tests of the simulated world."""

from __future__ import annotations

from engine.vocabulary.identifiers import Pan
from simulator.plastic import Plastic
from simulator.population import Kind, Shop
from simulator.terminals import Entry, Presented, Terminal

ZONE_KEY = bytes(range(16))
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


def terminal(last_stan: int = 0) -> Terminal:
    return Terminal(SHOP, "M001T001", acquirer_id="200001", zone_key=ZONE_KEY, last_stan=last_stan)
