"""Before a card is issued: its number goes into the vault, its PIN becomes a PVV. Outside the transaction, for the
HSM is asked.

A number in the vault without a card does no harm, and putting it there again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from engine.runtime.stage import Outside
from engine.vocabulary.errors import FormatError
from issuer.cards.model import BlockCard, IssueCard, PersonalisedCard

PVKI = "1"
"""The PIN verification key that new PVVs are made under."""


def prepare(outside: Outside, requests: Sequence[IssueCard | BlockCard]) -> list[PersonalisedCard | BlockCard]:
    """Each `IssueCard` personalised, one for one; a PIN that the HSM refuses leaves a card without PVV, which
    `decide` refuses."""
    issued = [request for request in requests if isinstance(request, IssueCard)]
    tokens = iter(
        outside.vault.keep([request.pan for request in issued], min(request.issued_at for request in issued))
        if issued
        else ()
    )
    return [
        _personalised(outside, request, next(tokens)) if isinstance(request, IssueCard) else request
        for request in requests
    ]


def _personalised(outside: Outside, request: IssueCard, card_token: UUID) -> PersonalisedCard:
    pvv = None
    if request.pin is not None:
        try:
            pvv = outside.hsm.make_pvv(request.pan, request.pin.clear, PVKI)
        except FormatError:
            pvv = None
    return PersonalisedCard(request=request, card_token=card_token, pvki=None if pvv is None else PVKI, pvv=pvv)
