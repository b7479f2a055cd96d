"""What must not be found anywhere, and the search for it.

Card numbers, PIN blocks and tracks are long enough to be looked for as they are: as text, and as the bytes that a
wire or a column may have of them. A CVV or CVV2 has three digits and a PIN four, which any row may hold by chance: they
are looked for where they would have a name (a column, a key of JSON, a field of a printed object, sub-element 92 of
DE 48), and as part of the track that carries them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, text

from api.keys import PERSONALISATION
from api.system import MEMBERS, OUR_ACQUIRER
from engine.acquirer import TERMINALS
from engine.crypto.des import encrypt_ecb
from engine.crypto.door import KeyName, KeyUsage, pair_name
from engine.crypto.door.keys import PAIR_USAGES
from engine.crypto.dukpt_tdes import Use, device_key
from engine.crypto.keys import TEST_MASTER_KEY, key_of_test_world, local_master_key, zone_key_of_test_world
from engine.crypto.pin_blocks import encode_format_0
from engine.vocabulary.messages import AuthorizationRequest
from simulator.plastic import other_pin
from simulator.population import Population
from simulator.terminals import TerminalRequest

NETWORK = "simnet"
_NAMES = "pin|pin_block|track|track1|track2|track_2|cvv|cvv2|cvc|cvc2|icvv"
_NAMED = re.compile(rf"(?<![a-z0-9_])(?:{_NAMES})[\"']?\s*(?:=|:)\s*[\"']?(?:Secret\()?[\"']?(?=[0-9A-F]{{3}})")
"""A name of theirs with a value of at least three digits behind it, as JSON, Python and logs write it."""
_NAMED_COLUMN = re.compile(rf"(?:{_NAMES}|pan|primary_account_number)")

Place = tuple[str, str]
"""Where something was found, and what kind of thing it is. Never the thing itself."""


@dataclass(frozen=True)
class Secrets:
    """Everything that was presented on a day, and the names by which it is told where it is found."""

    population: Population
    requests: Sequence[TerminalRequest]

    @cached_property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """(kind, text in small letters) of all that can be looked for as it is."""
        return tuple(dict.fromkeys((kind, secret.lower()) for kind, secret in self._patterns()))

    @cached_property
    def cvv2_elements(self) -> re.Pattern[str]:
        """DE 48 with one of the day's CVV2s: sub-element number, length, value."""
        used = {request.cvv2.clear for request in self._authorizations() if request.cvv2 is not None}
        return re.compile(rf"(?<![0-9a-f-])9203(?:{'|'.join(sorted(used))})(?![0-9a-f-])")

    def found_in(self, where: str, told: str) -> Iterator[Place]:
        """The places in a text that hold a secret."""
        small = told.lower()
        yield from ((where, kind) for kind, secret in self.patterns if secret in small)
        if _NAMED.search(told):
            yield where, "something with a secret's name"
        if self.cvv2_elements.search(small):
            yield where, "CVV2 in DE 48"

    def _authorizations(self) -> Iterator[AuthorizationRequest]:
        return (request for request in self.requests if isinstance(request, AuthorizationRequest))

    def _patterns(self) -> Iterator[tuple[str, str]]:
        for key in _keys():
            yield "key", key.hex()
            yield "key, as bytes", key.decode("latin-1")
        pans = {card.pan.clear for person in self.population.people for card in person.cards}
        pans |= {request.pan.clear for request in self.requests}
        for pan in sorted(pans):
            yield "card number", pan
            yield "card number in ASCII, as hexadecimal", pan.encode().hex()
            yield "card number in EBCDIC, as hexadecimal", pan.encode("cp037").hex()
        for request in self._authorizations():
            if request.track2 is not None:
                discretionary = re.split("[=D]", request.track2.clear)[1]
                yield "track 2, behind the separator", discretionary
                yield "track 2, behind the separator, as hexadecimal", discretionary.encode().hex()
            if request.pin_block is not None:
                for block in self._blocks(request):
                    yield "PIN block", block.hex()
                    yield "PIN block, as bytes", block.decode("latin-1")

    def _blocks(self, request: AuthorizationRequest) -> Iterator[bytes]:
        """The block in the clear, under the key of its PIN pad and under each zone's: the one that was sent must be
        among them."""
        assert request.pin_block is not None and request.key_serial_number is not None
        sent = bytes.fromhex(request.pin_block.clear)
        own_key = device_key(_PIN_PADS_BASE_KEY, request.key_serial_number, Use.PIN)
        for pin in self._pins(request.pan.clear):
            clear = encode_format_0(pin, request.pan.clear)
            blocks = [encrypt_ecb(key, clear) for key in (own_key, *_ZONE_KEYS)]
            if sent in blocks:
                yield from (clear, *blocks)
                return
        raise AssertionError("a PIN block of nobody's PIN was sent")

    def _pins(self, pan: str) -> Iterator[str]:
        (right,) = (card.pin for person in self.population.people for card in person.cards if card.pan.clear == pan)
        yield right
        yield other_pin(right)


def _keys() -> Iterator[bytes]:
    """Every key that the HSMs of a simulated day may hold, and those above them."""
    yield from (TEST_MASTER_KEY, local_master_key(TEST_MASTER_KEY))
    for member in MEMBERS:
        partners = (NETWORK, TERMINALS, PERSONALISATION)
        owners = {pair_name(member.name, partner) for partner in partners if partner != member.name}
        for usage in KeyUsage:
            for owner in owners if usage in PAIR_USAGES else {member.name}:
                yield key_of_test_world(TEST_MASTER_KEY, KeyName(owner, usage, 1))


_PIN_PADS_BASE_KEY = key_of_test_world(TEST_MASTER_KEY, KeyName(OUR_ACQUIRER, KeyUsage.DEVICE_BASE_TDES, 1))
_ZONE_KEYS = [
    zone_key_of_test_world(TEST_MASTER_KEY, pair_name(one, other))
    for one, other in (
        (OUR_ACQUIRER, TERMINALS),
        *((member.name, NETWORK) for member in MEMBERS if member.role in ("acquirer", "issuer")),
    )
]


def columns_named_so(connection: Connection) -> list[str]:
    """Columns of any table whose name says that they hold what must not be kept."""
    found = connection.execute(
        text(
            "select table_schema || '.' || table_name as place, column_name from information_schema.columns"
            " where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
        )
    )
    return [f"{row.place}.{row.column_name}" for row in found if _NAMED_COLUMN.fullmatch(row.column_name)]


def search(secrets: Secrets, connection: Connection) -> Iterator[Place]:
    """Look through every column of every table of every schema. As the owner."""
    for schema, table in connection.execute(_TABLES).all():
        columns = connection.execute(_COLUMNS, {"schema": schema, "table": table}).all()
        for name, kind in columns:
            shown = "" if kind == "bytea" else "::text"
            values = connection.exec_driver_sql(f'select distinct "{name}"{shown} from "{schema}"."{table}"').scalars()
            yield from secrets.found_in(f"{schema}.{table}.{name}", "\n".join(_texts(values)))


def _texts(values: Iterable[str | bytes | None]) -> Iterator[str]:
    for value in values:
        if isinstance(value, bytes):
            yield f"{value.hex()} {value.decode('latin-1')}"
        elif value is not None:
            yield value


_TABLES = text(
    "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    " order by 1, 2"
)
_COLUMNS = text(
    "select column_name, data_type from information_schema.columns"
    " where table_schema = :schema and table_name = :table order by ordinal_position"
)
