"""An issuer in a process of its own, and the network that asks it: what `authorization` measures with.

The network is a listener that a bank dials, as it dials any: messages are made beforehand (a chip's cryptogram and a
PIN pad's block cost the chip and the pad, not the bank) and sent so many in flight; answers must approve.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from statistics import quantiles
from subprocess import PIPE, Popen
from time import perf_counter
from typing import Final
from uuid import UUID

from api.clock import MachineClock, machine_now
from api.hosts import Duty, Standing
from api.logs import set_up_logs
from api.roles import MemberHost
from api.settings import Settings, load_settings
from api.system import System, opened
from engine import processor
from engine.accounts.model import OpenCustomer
from engine.crypto.des import encrypt_ecb
from engine.crypto.door import KeyName, KeyUsage
from engine.crypto.emv_cryptograms import application_cryptogram, card_master_key, cryptogram_key
from engine.crypto.keys import key_of_test_world, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary import tlv
from engine.vocabulary.emv import CryptogramVersion, cryptogram_input
from engine.vocabulary.errors import BezantError
from engine.vocabulary.identifiers import Pan, Secret, network_reference
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.links import Link
from gateways.iso8583.listening import Listener
from gateways.iso8583.messages import to_fields
from gateways.iso8583.replies import reply_to
from gateways.iso8583.specifications import SIMNET
from gateways.iso8583.wires import Wires
from issuer.bank import pin_zone
from issuer.cards.model import IssueCard
from issuer.cards.numbers import card_number

BANK: Final = "bank"
PIN: Final = "4711"
EXPIRY: Final = "2912"
OPENING_MINOR: Final = 10**10
_PREFIX: Final = "40000100"


@dataclass(frozen=True, slots=True)
class Card:
    """A card of the bank's, with what its chip knows."""

    pan: Pan
    master_key: bytes
    counter: Iterator[int] = field(default_factory=lambda: count(1))


def open_cards(system: System, number: int) -> list[Card]:
    """So many customers of the bank, each with money and a card with chip and PIN."""
    seat = system.seat(system.institution(BANK), clock=MachineClock())
    at = machine_now()
    people = [
        OpenCustomer(handle=f"load{one}", name=f"Load {one}", opening_deposit_minor=OPENING_MINOR)
        for one in range(number)
    ]
    orders = []
    for one, answer in enumerate(seat.processor.execute(people), start=1):
        assert answer is not None, "a customer is opened at once"
        orders.append(
            IssueCard(
                customer_id=_uuid(answer.facts["customer_id"]),
                account_id=_uuid(answer.facts["account_id"]),
                pan=card_number(_PREFIX, one),
                expiry=EXPIRY,
                issued_at=at,
                pin=Secret(PIN),
            )
        )
    for answer in seat.processor.execute(orders):
        assert answer is not None and answer.code == "issued", answer
    issuers = key_of_test_world(system.settings.master_key_bytes(), KeyName(BANK, KeyUsage.CHIP_CRYPTOGRAM, 1))
    return [
        Card(order.pan, card_master_key(CryptogramVersion.CVN_18, issuers, order.pan.clear, "01")) for order in orders
    ]


class Asking:
    """Makes requests of the network: each of another card, terminal and trace."""

    def __init__(self, system: System, cards: Sequence[Card], seed: str) -> None:
        self._cards = cards
        self._random = Random(seed)
        self._numbers = count(1)
        self._zone_key = zone_key_of_test_world(system.settings.master_key_bytes(), pin_zone(BANK))
        self._at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=self._random.randrange(3_000))

    def chip_and_pin(self, number: int) -> list[bytes]:
        """So many purchases at a till: DE 55 with a cryptogram, and an online PIN."""
        return [self._frame(chip=True) for _ in range(number)]

    def ecommerce(self, number: int) -> list[bytes]:
        """So many purchases over the internet: nothing but the number and its expiry."""
        return [self._frame(chip=False) for _ in range(number)]

    def _frame(self, *, chip: bool) -> bytes:
        card, place = self._random.choice(self._cards), next(self._numbers)
        stan, terminal_id = f"{place % 1_000_000:06d}", f"L{self._random.randrange(10_000_000):07d}"
        request = AuthorizationRequest(
            acquirer_id="200001",
            terminal_id=terminal_id,
            merchant_id="LOAD",
            merchant_name="Load                     Springfield  US",
            mcc="5411",
            stan=stan,
            transmitted_at=self._at,
            rrn=f"{place:012d}",
            pan=card.pan,
            expiry=EXPIRY,
            processing_code="000000",
            amount=Money(100, "USD"),
            pos_entry_mode="051" if chip else "812",
            pos_condition_code="00" if chip else "59",
            icc_data=_icc_data(card) if chip else None,
            pin_block=_pin_block(self._zone_key, card.pan) if chip else None,
            network_reference=network_reference("200001", terminal_id, stan, self._at),
        )
        return encode(to_fields(request), SIMNET)


def _icc_data(card: Card) -> bytes:
    tags = {
        "82": "3C00",
        "95": "0000000000",
        "9A": "260303",
        "9C": "00",
        "5F2A": "0840",
        "5F34": "01",
        "9F02": f"{100:012d}",
        "9F03": "0" * 12,
        "9F10": "06011203A00000",
        "9F1A": "0840",
        "9F27": "80",
        "9F34": "020300",
        "9F36": f"{next(card.counter):04X}",
        "9F37": "0BADF00D",
    }
    objects = {tag: bytes.fromhex(text) for tag, text in tags.items()}
    key = cryptogram_key(CryptogramVersion.CVN_18, card.master_key, objects["9F36"])
    cryptogram = application_cryptogram(CryptogramVersion.CVN_18, key, cryptogram_input(objects))
    return tlv.encode((objects | {"9F26": cryptogram}).items())


def _pin_block(zone_key: bytes, pan: Pan) -> Secret:
    return Secret(encrypt_ecb(zone_key, encode_format_0(PIN, pan.clear)).hex().upper())


def _uuid(fact: object) -> UUID:
    return UUID(str(fact))


@dataclass(slots=True)
class Answered:
    """What came of a run: answers a second, and how long each took."""

    rate: float
    waits_s: list[float]

    def at(self, hundredth: int) -> int:
        """The latency that so many of a hundred stay below, in microseconds."""
        return int(quantiles(self.waits_s, n=100)[hundredth - 1] * 1e6)


class Network:
    """The network's end of the bank's link."""

    def __init__(self, port: int) -> None:
        self._listener = Listener("127.0.0.1", port, self._met, clock=MachineClock(), wires=Wires())
        self._link: Link | None = None
        self._signed_on = asyncio.Event()
        self._heard: Callable[[bytes], None] = lambda frame: None

    async def start(self) -> None:
        """Listen."""
        await self._listener.start()

    async def signed_on(self) -> None:
        """Return when the bank is there."""
        await asyncio.wait_for(self._signed_on.wait(), 60)

    async def close(self) -> None:
        """Hang up."""
        await self._listener.close()

    async def ask(self, frames: Sequence[bytes], in_flight: int) -> Answered:
        """Send all of these, so many in flight. Answers come in order; every hundredth is read: it has to approve."""
        assert self._link is not None, "the bank has signed on"
        link, left, sent, waits = self._link, deque(frames), deque[float](), list[float]()
        done = asyncio.Event()
        refused: list[str] = []

        def send() -> None:
            sent.append(perf_counter())
            link.send(left.popleft())

        def heard(frame: bytes) -> None:
            waits.append(perf_counter() - sent.popleft())
            if len(waits) % 100 == 0 and (code := decode(frame, SIMNET)["39"]) != ResponseCode.APPROVED:
                refused.append(code)
            if left:
                send()
            elif not sent:
                done.set()

        self._heard = heard
        began = perf_counter()
        for _ in range(min(in_flight, len(left))):
            send()
        await asyncio.wait_for(done.wait(), 120)
        if refused:
            raise BezantError(f"The bank has answered {refused[0]} to what it should approve.")
        return Answered(len(frames) / (perf_counter() - began), waits)

    def _met(self, link: Link) -> Network:
        self._link = link
        return self

    def on_frame(self, frame: bytes) -> None:
        """Called by the link."""
        if frame[:2] == b"08":
            fields = decode(frame, SIMNET)
            if fields["t"] == "0800" and self._link is not None:
                self._link.send(encode(reply_to(fields, ResponseCode.APPROVED), SIMNET))
                self._signed_on.set()
            return
        self._heard(frame)

    def on_lost(self, reason: str) -> None:
        """Called by the link."""


@contextmanager
def issuing(settings: Settings, database_url: str, port: int, largest_batch: int) -> Iterator[None]:
    """A bank in a process of its own that dials the network at `port`; `largest_batch` 1 takes the shell's advantage
    away."""
    environment = {
        "BEZANT_DATABASE_URL": database_url,
        "BEZANT_DATA_FOLDER": str(settings.data_folder),
        "BEZANT_NETWORK_PORT": str(port),
        "BEZANT_LOG_LEVEL": "error",
    }
    process = Popen(
        [sys.executable, "-m", "benchmarks.issuing", str(largest_batch)],
        stdin=PIPE,
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    try:
        yield
    finally:
        process.communicate(b"", timeout=60)


async def _issue(largest_batch: int) -> None:
    """Stand until the standard input is closed."""
    processor.LARGEST_BATCH = largest_batch
    settings = load_settings()
    set_up_logs(settings.log_level, settings.log_format)
    with opened(settings) as system:
        stop = asyncio.Event()
        async with Standing(system, [Duty(system.institution(BANK), MemberHost)]) as standing:
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)))
            await standing.until(stop)


if __name__ == "__main__":
    asyncio.run(_issue(int(sys.argv[1])))
