"""Around the decision: cards get their token and issuer before it, PIN blocks the issuer's key after it.

A PIN block travels in memory only, and changes keys inside the HSM. One that does not open under the acquirer's key is
sent on as eight zero bytes: the issuer sees that there was a PIN, and cannot read it either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.crypto.door import PinTranslation, pair_name
from engine.runtime.stage import Outside
from engine.vault.store import reveal
from engine.vocabulary.decision import Message, TimerFired
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import AuthorizationAdvice, AuthorizationRequest, ReversalAdvice
from simulator.network.members.store import read_names
from simulator.network.routing import route
from simulator.network.switching.model import REVERSAL_REPEAT, Fired, FromIssuer, Prepared, Routed, SetStandIn
from simulator.network.switching.store import read_cards

Carried = AuthorizationRequest | AuthorizationAdvice | ReversalAdvice
"""What members send and the network carries on."""
UNREADABLE_PIN = Secret("0" * 16)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """`reachable` says whether a member is signed on at present."""

    reachable: Callable[[str], bool]

    def prepare(
        self,
        outside: Outside,
        requests: Sequence[
            AuthorizationRequest | AuthorizationAdvice | ReversalAdvice | FromIssuer | TimerFired | SetStandIn
        ],
    ) -> list[Prepared]:
        """What `decide` sees of each: cards routed, and for timers the card number that may have to be sent again."""
        asked = [one for one in requests if isinstance(one, Carried)]
        routed = iter(self._routed(outside, asked))
        fired = iter(_fired(outside, [one for one in requests if isinstance(one, TimerFired)]))
        prepared: list[Prepared] = []
        for one in requests:
            match one:
                case FromIssuer() | SetStandIn():
                    prepared.append(one)
                case TimerFired():
                    prepared.append(next(fired))
                case _:
                    prepared.append(next(routed))
        return prepared

    def seal(self, outside: Outside, messages: Sequence[Message]) -> list[Message]:
        """The messages with each PIN block under the key that the network shares with the issuer."""
        with_pin = [message for message in messages if _pin_of(message) is not None]
        if not with_pin:
            return list(messages)
        with outside.read() as connection:
            names = read_names(connection)
        network = outside.institution.name
        blocks = outside.hsm.translate_pin_blocks(
            [
                PinTranslation(
                    bytes.fromhex(message.body.pin_block.clear),
                    message.body.pan,
                    pair_name(network, names[message.body.acquirer_id]),
                    pair_name(network, names[message.to]),
                )
                for message in with_pin
            ]
        )
        sealed = {
            id(message): replace(
                message,
                body=replace(message.body, pin_block=UNREADABLE_PIN if block is None else Secret(block.hex().upper())),
            )
            for message, block in zip(with_pin, blocks, strict=True)
        }
        return [sealed.get(id(message), message) for message in messages]

    def _routed(
        self, outside: Outside, requests: Sequence[AuthorizationRequest | AuthorizationAdvice | ReversalAdvice]
    ) -> list[Routed]:
        if not requests:
            return []
        first = min(request.transmitted_at for request in requests)
        cards = route(outside, [request.pan for request in requests], first)
        return [
            Routed(request, token, issuer_id, issuer_id is not None and self.reachable(issuer_id))
            for request, (token, issuer_id) in zip(requests, cards, strict=True)
        ]


def _fired(outside: Outside, timers: Sequence[TimerFired]) -> list[Fired]:
    if not timers:
        return []
    exchanges = {timer.subject_id for timer in timers if timer.name != REVERSAL_REPEAT}
    reversals = {timer.subject_id for timer in timers if timer.name == REVERSAL_REPEAT}
    with outside.read() as connection:
        tokens = read_cards(connection, exchanges, reversals)
        pans = reveal(connection, outside.hsm, set(tokens.values()))
    return [Fired(timer, pans.get(tokens[timer.subject_id])) for timer in timers]


def _pin_of(message: Message) -> Secret | None:
    return message.body.pin_block if isinstance(message.body, AuthorizationRequest) else None
