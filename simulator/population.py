"""Who lives in the world: people with handles, money and cards; shops with terminals. Pure, from a seed. Home of faker.

Everything here is a plan: the banks and the acquirer open from it what they keep, and none of it knows their tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Final
from unicodedata import normalize

from faker import Faker

from engine.vocabulary.identifiers import Pan
from issuer.cards.numbers import card_number
from simulator.chance import Chance

ASSET: Final = "USD"
ACCOUNT_RANGES: Final = {"bank": "40000100", "northbank": "51000200", "southbank": "40000300"}
"""First eight digits of each issuer's card numbers (docs/ARCHITECTURE.md)."""
UNKNOWN_RANGE: Final = "60000900"
"""A range that the network routes nowhere."""
PEOPLE: Final = {"bank": 160, "northbank": 45, "southbank": 45}
SAVERS: Final = 40
EXPIRED: Final = "2601"
"""Expiry (YYMM) of cards that have expired when the world begins."""
SERVICE_CODE: Final = "201"
"""ISO/IEC 7813: chip card, no restrictions."""


class CardState(StrEnum):
    """What has become of a card before the day begins."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    LOST = "lost"
    STOLEN = "stolen"
    EXPIRED = "expired"


TROUBLED: Final = {CardState.BLOCKED: 4, CardState.LOST: 4, CardState.STOLEN: 2, CardState.EXPIRED: 4}
"""How many people of each bank have a card in each of these states, and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPlan:
    """A card to be issued. `pan` is nobody's: the ranges are the simulated network's own."""

    pan: Pan
    expiry: str
    """YYMM."""
    state: CardState
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer of one bank. Amounts in minor units of ASSET.

    `opening_minor` is in the wallet and `savings_minor` in the savings account (None for who has none) when the day
    begins.
    """

    bank: str
    handle: str
    """3 to 20 of a-z and 0-9, beginning with a letter; unique in the world."""
    name: str
    opening_minor: int
    savings_minor: int | None
    cards: tuple[CardPlan, ...]


class Kind(StrEnum):
    """How a merchant takes payments."""

    STORE = "store"
    RESTAURANT = "restaurant"
    HOTEL = "hotel"
    FUEL = "fuel"
    ONLINE = "online"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A merchant and its terminals. `discount_bps` and `fixed_minor` are what the acquirer keeps of a payment."""

    merchant_id: str
    """DE 42, 15 characters."""
    name: str
    city: str
    country: str
    mcc: str
    """DE 18 (ISO 18245)."""
    kind: Kind
    terminals: tuple[str, ...]
    """DE 41, 8 characters each."""
    discount_bps: int
    fixed_minor: int
    typical_minor: tuple[int, int]
    """Least and most that a purchase here usually comes to."""
    reads_chips: bool = True
    """False for old terminals, which know the stripe alone."""

    @property
    def name_and_location(self) -> str:
        """DE 43: name 25, city 13, country 2."""
        return f"{self.name:<25.25}{self.city:<13.13}{self.country:<2.2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everybody. People in order of bank and handle, shops in order of merchant id."""

    people: tuple[Person, ...]
    shops: tuple[Shop, ...]

    def of(self, bank: str) -> tuple[Person, ...]:
        """The customers of one bank."""
        return tuple(person for person in self.people if person.bank == bank)


_TRADES: Final = (
    # what it is called, MCC, kind, terminals, discount in bps, fixed fee, a purchase from .. to in cents
    ("Grocery", "5411", Kind.STORE, 4, 140, 5, (450, 9_800)),
    ("Market", "5411", Kind.STORE, 3, 140, 5, (300, 7_500)),
    ("Bakery", "5462", Kind.STORE, 2, 180, 5, (250, 1_900)),
    ("Cafe", "5814", Kind.STORE, 2, 190, 5, (280, 1_600)),
    ("Burgers", "5814", Kind.STORE, 3, 190, 5, (600, 2_900)),
    ("Trattoria", "5812", Kind.RESTAURANT, 2, 200, 10, (1_800, 9_500)),
    ("Bistro", "5812", Kind.RESTAURANT, 2, 200, 10, (2_200, 12_000)),
    ("Grill", "5812", Kind.RESTAURANT, 2, 200, 10, (1_500, 8_000)),
    ("Hotel", "7011", Kind.HOTEL, 2, 220, 15, (11_000, 42_000)),
    ("Inn", "7011", Kind.HOTEL, 1, 220, 15, (7_000, 24_000)),
    ("Car Rental", "7512", Kind.HOTEL, 1, 220, 15, (9_000, 30_000)),
    ("Fuel Station", "5542", Kind.FUEL, 4, 120, 5, (1_500, 8_000)),
    ("Service Area", "5542", Kind.FUEL, 3, 120, 5, (1_500, 8_000)),
    ("Pharmacy", "5912", Kind.STORE, 2, 160, 5, (400, 6_500)),
    ("Books", "5942", Kind.STORE, 1, 180, 5, (800, 5_200)),
    ("Hardware", "5251", Kind.STORE, 2, 170, 5, (500, 14_000)),
    ("Shoes", "5661", Kind.STORE, 1, 180, 5, (3_500, 16_000)),
    ("Cinema", "7832", Kind.STORE, 2, 200, 5, (900, 4_800)),
    ("Taxi", "4121", Kind.STORE, 3, 200, 10, (700, 5_500)),
    ("Transit", "4111", Kind.STORE, 3, 110, 2, (180, 1_200)),
    ("Airlines", "4511", Kind.ONLINE, 1, 230, 20, (8_900, 48_000)),
    ("Online Store", "5969", Kind.ONLINE, 2, 240, 20, (900, 19_000)),
    ("Streaming", "4899", Kind.ONLINE, 1, 240, 20, (499, 1_999)),
    ("Electronics Direct", "5732", Kind.ONLINE, 1, 240, 20, (1_900, 39_000)),
)


_OLD_READERS: Final = "4121"
"""The trade whose terminals have no chip reader yet: taxis."""


def populate(chance: Chance, acquirer_id: str = "200001") -> Population:
    """The whole population of a seed."""
    rng = chance.stream("population")
    faker = Faker("en_US")
    faker.seed_instance(rng.getrandbits(64))
    people = [person for bank, number in PEOPLE.items() for person in _people(faker, rng, bank, number)]
    unique = _distinct(person.name for person in people)
    named = (replace(person, handle=handle) for person, handle in zip(people, unique, strict=True))
    return Population(
        people=tuple(sorted(named, key=lambda person: (person.bank, person.handle))),
        shops=tuple(_shop(faker, number, acquirer_id) for number in range(len(_TRADES))),
    )


def _people(faker: Faker, rng: Random, bank: str, number: int) -> Iterable[Person]:
    states = [state for state, how_many in TROUBLED.items() for _ in range(how_many)]
    savers = SAVERS if bank == "bank" else 0
    sequences = iter(rng.sample(range(10_000, 9_999_999), 2 * number))
    for index in range(number):
        troubled = index < len(states)
        first = _card(rng, bank, next(sequences), states[index] if troubled else CardState.ACTIVE)
        second = _card(rng, bank, next(sequences), CardState.ACTIVE)
        yield Person(
            bank=bank,
            handle="",
            name=faker.name(),
            opening_minor=rng.randrange(120_000, 600_000),
            savings_minor=rng.randrange(10_000, 2_000_000) if 0 <= index - len(states) < savers else None,
            cards=(first, second) if not troubled and rng.random() < 0.2 else (first,),
        )


def _card(rng: Random, bank: str, sequence: int, state: CardState) -> CardPlan:
    expiry = EXPIRED if state is CardState.EXPIRED else f"{rng.randrange(27, 31):02d}{rng.randrange(1, 13):02d}"
    return CardPlan(
        pan=card_number(ACCOUNT_RANGES[bank], sequence), expiry=expiry, state=state, pin=f"{rng.randrange(10_000):04d}"
    )


def _distinct(names: Iterable[str]) -> Iterable[str]:
    """Handles made of names, each once: who comes second gets a number."""
    taken: dict[str, int] = {}
    for name in names:
        letters = "".join(letter for letter in normalize("NFKD", name).lower() if "a" <= letter <= "z")[:16]
        taken[letters] = taken.get(letters, 0) + 1
        yield letters if taken[letters] == 1 else f"{letters}{taken[letters]}"


def _shop(faker: Faker, number: int, acquirer_id: str) -> Shop:
    trade, mcc, kind, terminals, discount_bps, fixed_minor, typical_minor = _TRADES[number]
    return Shop(
        merchant_id=f"{acquirer_id}{number + 1:09d}",
        name=f"{faker.last_name()} {trade}"[:25],
        city=faker.city()[:13].strip(),
        country="US",
        mcc=mcc,
        kind=kind,
        terminals=tuple(f"M{number + 1:03d}T{terminal:03d}" for terminal in range(1, terminals + 1)),
        discount_bps=discount_bps,
        fixed_minor=fixed_minor,
        typical_minor=typical_minor,
        reads_chips=mcc != _OLD_READERS,
    )
