"""Which fields of each request are its idempotency key, and which its fingerprint.

Same key, same fingerprint: the earlier answer again. Same key, other fingerprint: refused. Keys carry the full
instant (DE 7 has no year; STANs wrap). A repeat (0101, 0421) has its original's key. Fingerprints leave out what may
legitimately differ between copies (the repeat flag) and what must not be kept in any form (PIN block, track, CVV2).

The fingerprint is stored as a keyed MAC, never as a plain hash: card numbers are guessable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any
from uuid import UUID

from engine.vocabulary import messages
from engine.vocabulary.decision import TimerFired
from engine.vocabulary.identifiers import Pan, Secret, uuid_of


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Field names (dots nest) of a request's key and fingerprint. `scope` keeps keys of different kinds apart."""

    scope: str
    key: tuple[str, ...]
    fingerprint: tuple[str, ...]


_SENT = ("acquirer_id", "terminal_id", "stan", "transmitted_at")

KEYS: Mapping[type, KeyRule] = {
    messages.AuthorizationRequest: KeyRule("authorization", _SENT, ("pan", "amount", "processing_code", "merchant_id")),
    messages.AuthorizationResponse: KeyRule("authorization_response", _SENT, ("response_code",)),
    messages.AuthorizationAdvice: KeyRule("authorization_advice", (*_SENT, "reason"), ("pan", "request.amount")),
    messages.AuthorizationAdviceResponse: KeyRule("authorization_advice_response", _SENT, ()),
    messages.ReversalAdvice: KeyRule("reversal", (*_SENT, "original.stan"), ("pan", "replacement_amount")),
    messages.ReversalResponse: KeyRule("reversal_response", (*_SENT, "original.stan"), ()),
    messages.OfflineSaleAdvice: KeyRule("offline_sale", _SENT, ("pan", "sale.amount", "sale.processing_code")),
    messages.CompletionAdvice: KeyRule("completion", (*_SENT, "original.stan"), ("pan", "amount")),
    messages.Presentment: KeyRule("presentment", ("arn",), ("pan", "amount", "processing_code")),
    TimerFired: KeyRule("timer", ("subject_id", "name", "due_at"), ()),
}
"""The network's messages.

Stages with requests of their own (`transfers/model.py`) give theirs to the processor beside these.
"""


def key_of(rule: KeyRule, request: Any) -> UUID:
    """The request's idempotency key: 16 bytes of BLAKE2b over scope and key fields, as a UUID."""
    digest = blake2b(_joined(rule.scope, rule.key, request), digest_size=16).digest()
    return uuid_of(int.from_bytes(digest, "big"))


def fingerprint_material(rule: KeyRule, request: Any) -> bytes:
    """The bytes that the fingerprint MAC is taken over. In memory only: they hold the clear card number."""
    return _joined(rule.scope, rule.fingerprint, request)


def _joined(scope: str, names: tuple[str, ...], request: Any) -> bytes:
    parts = [scope]
    for value in _reader(names)(request):
        write = _WRITERS.get(type(value))
        parts.append(_text(value) if write is None else write(value))
    return "\x1f".join(parts).encode()


@cache
def _reader(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda request: (attrgetter(names[0])(request),)) if names else lambda request: ()


def _text(value: Any) -> str:
    assert not isinstance(value, Secret), "secrets are no part of keys or fingerprints"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


# By exact type, looked up first: keys are made for every request.
_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    int: str,
    UUID: lambda value: "%032x" % value.int,  # noqa: UP031, twice as fast
    Pan: attrgetter("clear"),
    datetime: datetime.isoformat,
}
