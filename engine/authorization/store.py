"""The SQL of payments, and what happens outside the transaction: cards into the vault before, PIN blocks translated
after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Connection, DateTime, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from engine.authorization.answers import Asked
from engine.authorization.model import Payment, id_of_payment
from engine.authorization.pin_pads import PinPad, id_of_pin_pad
from engine.crypto.door import Ksn, PinTranslation
from engine.database.nouns import NounRows
from engine.database.tables import metadata
from engine.merchants.model import id_of_merchant, id_of_terminal
from engine.merchants.store import read_merchants, read_terminals
from engine.runtime.stage import Outside
from engine.vault.store import reveal
from engine.vocabulary.decision import Message, State, TimerFired
from engine.vocabulary.identifiers import Pan, Secret
from engine.vocabulary.messages import (
    AuthorizationAdviceResponse,
    AuthorizationRequest,
    AuthorizationResponse,
    CompletionAdvice,
    OfflineSaleAdvice,
    ReversalAdvice,
    ReversalResponse,
)

payments = Table(
    "payments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("acquirer_id", Text, nullable=False),
    Column("terminal_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("merchant", Uuid, nullable=False),
    Column("stan", Text, nullable=False),
    Column("transmitted_at", DateTime(timezone=True), nullable=False),
    Column("transacted_at", DateTime(timezone=True), nullable=False),
    Column("rrn", Text, nullable=False),
    Column("card_token", Uuid, nullable=False),
    Column("first_six", Text, nullable=False),
    Column("last_four", Text, nullable=False),
    Column("expiry", Text),
    Column("processing_code", Text, nullable=False),
    Column("mcc", Text),
    Column("pos_entry_mode", Text),
    Column("is_preauthorization", Boolean, nullable=False),
    Column("is_completed", Boolean, nullable=False),
    Column("requested_minor", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("captured_minor", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("response_code", Text),
    Column("approval_code", Text),
    Column("network_reference", Text),
    Column("reasons", JSONB, nullable=False),
    Column("reversal_state", Text, nullable=False),
    Column("reversal_attempts", Integer, nullable=False),
    Column("reversal_stan", Text),
    Column("reversal_transmitted_at", DateTime(timezone=True)),
    Column("reversal_reason", Text),
    Column("is_financial", Boolean, nullable=False),
    Column("base_id", Uuid),
    # What the next cut-off presents: small, however many payments there have been.
    Index("payments_to_present", "id", postgresql_where=text("state = 'captured'")),
)

pin_pads = Table(
    "pin_pads",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("device", Text, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False, comment="bit n: the count that is n below `counter` has come"),
)

payment_rows = NounRows(Payment, payments)
pin_pad_rows = NounRows(PinPad, pin_pads)

_INCREMENTS = text("select id from payments where id = any(:ids) and base_id is not null")
_BASES = text("select base_id from payments where id = any(:ids) and base_id is not null")
"""A payment's pre-authorization never changes: it is read before anything is locked."""


def find_payment(connection: Connection, identifier: UUID) -> Payment | None:
    """The payment, unlocked, or None."""
    return next(iter(payment_rows.read(connection, [identifier])), None)


def load(connection: Connection, asked: Sequence[Asked], state: State) -> set[UUID]:
    """Lock the payments, those that increments add to, and PIN pads; read the merchants and terminals of new ones.
    Authorization moves no money: no accounts."""
    ids = {one.payment_id for one in asked}
    ids |= {one.base_id for one in asked if one.base_id is not None}
    ids |= set(connection.execute(_BASES, {"ids": sorted(ids)}).scalars())
    for payment in payment_rows.lock(connection, sorted(ids)):
        state.put(payment)
    if pads := {one.pin_pad for one in asked if one.pin_pad is not None}:
        for pad in pin_pad_rows.lock(connection, sorted(pads)):
            state.put(pad)
    read_merchants(connection, {one.merchant for one in asked if one.merchant is not None}, state)
    read_terminals(connection, {one.terminal for one in asked if one.terminal is not None}, state)
    return set()


class Preparation:
    """Turns requests into what `decide` sees."""

    def __init__(self, institution: str) -> None:
        self._institution = institution

    def __call__(self, outside: Outside, requests: Sequence[Any]) -> list[Asked]:
        """`Asked` for each request: card numbers tokenised and kept, and revealed for timers that may send a
        reversal.
        """
        tokens = _kept(outside, [request for request in requests if hasattr(request, "pan")])
        timers = [request for request in requests if isinstance(request, TimerFired)]
        answered = [one for one in requests if isinstance(one, AuthorizationResponse)]
        increments = self._increments(outside, answered)
        wanted = [*(timer.subject_id for timer in timers), *increments]
        revealed = _revealed(outside, wanted) if wanted else {}
        return [self._asked(request, tokens, revealed) for request in requests]

    def _increments(self, outside: Outside, answered: Sequence[AuthorizationResponse]) -> list[UUID]:
        """Those payments among the answered that add to another."""
        if not answered:
            return []
        ids = [self._id(one.acquirer_id, one, one) for one in answered]
        with outside.read() as connection:
            return list(connection.execute(_INCREMENTS, {"ids": ids}).scalars())

    def _asked(self, request: Any, tokens: dict[Pan, UUID], revealed: dict[UUID, Pan]) -> Asked:
        match request:
            case TimerFired():
                return Asked(request, request.subject_id, pan=revealed.get(request.subject_id))
            case AuthorizationRequest() | OfflineSaleAdvice():
                sale = request.sale if isinstance(request, OfflineSaleAdvice) else request
                serial = sale.key_serial_number
                return Asked(
                    request,
                    self._id(sale.acquirer_id, sale, sale),
                    tokens[sale.pan],
                    sale.pan,
                    id_of_merchant(self._institution, sale.merchant_id),
                    id_of_terminal(self._institution, sale.terminal_id),
                    None if sale.original is None else self._id(sale.original.acquirer_id, sale, sale.original),
                    None if serial is None else id_of_pin_pad(self._institution, serial),
                )
            case AuthorizationResponse():
                # The card is wanted only where an increment came too late for its pre-authorization.
                identifier = self._id(request.acquirer_id, request, request)
                return Asked(request, identifier, pan=revealed.get(identifier))
            case AuthorizationAdviceResponse():
                return Asked(request, self._id(request.acquirer_id, request, request))
            case ReversalAdvice() | CompletionAdvice():
                return Asked(
                    request,
                    self._id(request.original.acquirer_id, request, request.original),
                    tokens[request.pan],
                    request.pan,
                    id_of_merchant(self._institution, request.merchant_id),
                )
            case ReversalResponse():
                return Asked(request, self._id(request.original.acquirer_id, request, request.original))
            case _:
                raise AssertionError(f"{type(request).__name__} is no request of this stage")

    def _id(self, acquirer_id: str, request: Any, original: Any) -> UUID:
        return id_of_payment(
            self._institution, acquirer_id, request.terminal_id, original.stan, original.transmitted_at
        )


def _kept(outside: Outside, requests: Sequence[Any]) -> dict[Pan, UUID]:
    """The token of each card number, all of which are in the vault now."""
    if not requests:
        return {}
    cards = list(dict.fromkeys(request.pan for request in requests))
    first_seen = min(request.transmitted_at for request in requests)
    return dict(zip(cards, outside.vault.keep(cards, first_seen), strict=True))


def _revealed(outside: Outside, ids: Sequence[UUID]) -> dict[UUID, Pan]:
    """The card numbers of these payments: each timer may find a reversal to send once its payment is locked."""
    with outside.read() as connection:
        tokens = {payment.id: payment.card_token for payment in payment_rows.read(connection, sorted(set(ids)))}
        pans = reveal(connection, outside.hsm, set(tokens.values()))
    return {identifier: pans[token] for identifier, token in tokens.items()}


def pin_zone(*parties: str) -> str:
    """The name of the zone key that two parties share: both names in order, so that both ends say the same."""
    return "/".join(sorted(parties))


class PinTranslator:
    """The seal of this stage: PIN blocks leave the terminals' zone, or the key of the device's transaction (DUKPT), for
    the network's zone, after commit, and never touch the disk.
    """

    def __init__(self, from_zone: str, to_zone: str) -> None:
        self._from_zone = from_zone
        self._to_zone = to_zone

    def __call__(self, outside: Outside, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages with their PIN blocks under the network's key, and without the device's serial number.

        A block that is no PIN block of its card goes on as it came: it is as unreadable to the issuer as to us, and
        the issuer answers for it.
        """
        with_pin = [message for message in messages if getattr(message.body, "pin_block", None) is not None]
        if not with_pin:
            return messages
        translated = outside.hsm.translate_pin_blocks([self._asked(message.body) for message in with_pin])
        blocks = {id(message): block for message, block in zip(with_pin, translated, strict=True)}
        return [
            _with_pin_block(message, blocks[id(message)]) if id(message) in blocks else message for message in messages
        ]

    def _asked(self, request: AuthorizationRequest) -> PinTranslation:
        assert request.pin_block is not None
        serial = request.key_serial_number
        source = self._from_zone if serial is None else Ksn(serial)
        return PinTranslation(bytes.fromhex(request.pin_block.clear), request.pan, source, self._to_zone)


def _with_pin_block(message: Message, block: bytes | None) -> Message:
    pin_block = message.body.pin_block if block is None else Secret(block.hex().upper())
    return replace(message, body=replace(message.body, pin_block=pin_block, key_serial_number=None))
