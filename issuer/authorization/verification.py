"""Before an authorization is decided: the HSM's verdicts on CVV, CVV2, PIN and the chip's cryptogram, asked once for
the whole batch, outside the transaction.

The PIN is verified against the PVV that the card has at this moment; what may have moved until the decision (state,
tries, plastic, counter) is looked at again under lock. A card that is issued in between has its PIN called unreadable:
it costs no try.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from engine.crypto.door import ChipCard, CryptogramVerification, CvvVerification, PinVerdict, PinVerification
from engine.runtime.stage import Outside
from engine.vocabulary.decision import TimerFired
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import AuthorizationAdvice, AuthorizationRequest, ReversalAdvice
from issuer.authorization.addresses import verdict as address_verdict
from issuer.authorization.chip import ChipReport, plastic_of, read_chip_report
from issuer.authorization.decide import Prepared
from issuer.authorization.entry import CHIP
from issuer.authorization.hooks import EndpointAnswered
from issuer.authorization.model import (
    ChipCheck,
    PinCheck,
    ReleaseExpiredHold,
    TokenisedAdvice,
    TokenisedReversal,
    VerifiedRequest,
)
from issuer.authorization.store import address_rows
from issuer.cards.model import FIRST_SEQUENCE_NUMBER, Card
from issuer.cards.numbers import read_track_2
from issuer.cards.store import read_by_token

ICVV_SERVICE_CODE = "999"
CVV2_SERVICE_CODE = "000"
PIN_BLOCK_BYTES = 8

_WITH_CARD = (AuthorizationRequest, AuthorizationAdvice, ReversalAdvice)
Online = (
    AuthorizationRequest | AuthorizationAdvice | ReversalAdvice | ReleaseExpiredHold | EndpointAnswered | TimerFired
)


def prepare(pin_zone: str, outside: Outside, requests: Sequence[Online]) -> list[Prepared]:
    """Each message with its card's token and the verdicts, one for one. `pin_zone` names the zone that PIN blocks
    come under."""
    with_card = [request for request in requests if isinstance(request, _WITH_CARD)]
    tokens = dict(zip(map(id, with_card), outside.vault.tokens_of([one.pan for one in with_card]), strict=True))
    asked = [request for request in requests if isinstance(request, AuthorizationRequest)]
    tracks = _verdicts(outside, [(request, _track(request)) for request in asked])
    printed = _verdicts(outside, [(request, _printed(request)) for request in asked])
    chips, malformed = _read_chips(asked)
    of_card = {
        id(request)
        for request in asked
        if request.pin_block is not None
        or request.address is not None
        or (id(request) in chips and plastic_of(request, chips[id(request)]) is None)
    }
    cards = _cards(outside, tokens, of_card)
    pins = _pins(pin_zone, outside, asked, cards)
    cryptograms = _cryptograms(outside, asked, chips, cards)
    addresses = _addresses(outside, asked, cards)

    def prepared(request: Online) -> Prepared:
        match request:
            case AuthorizationRequest():
                return VerifiedRequest(
                    request=request,
                    card_token=tokens[id(request)],
                    cvv=tracks.get(id(request)),
                    cvv2=printed.get(id(request)),
                    pin=pins.get(id(request), PinCheck.ABSENT),
                    chip=cryptograms.get(id(request)),
                    malformed=malformed.get(id(request)),
                    address=addresses.get(id(request)),
                )
            case AuthorizationAdvice():
                return TokenisedAdvice(request=request, card_token=tokens[id(request)])
            case ReversalAdvice():
                return TokenisedReversal(request=request, card_token=tokens[id(request)])
            case _:
                return request

    return [prepared(request) for request in requests]


def _track(request: AuthorizationRequest) -> CvvVerification | bool | None:
    if request.track2 is None:
        return None
    try:
        track = read_track_2(request.track2.clear)
    except FormatError:
        return False
    if (track.pan, track.expiry) != (request.pan, request.expiry):
        return False
    chip = request.pos_entry_mode[:2] in CHIP
    return CvvVerification(request.pan, request.expiry, ICVV_SERVICE_CODE if chip else track.service_code, track.cvv)


def _printed(request: AuthorizationRequest) -> CvvVerification | bool | None:
    if request.cvv2 is None:
        return None
    return CvvVerification(request.pan, request.expiry, CVV2_SERVICE_CODE, request.cvv2.clear)


def _verdicts(
    outside: Outside, questions: Sequence[tuple[AuthorizationRequest, CvvVerification | bool | None]]
) -> dict[int, bool]:
    """The verdict for each request (by `id`) that has something to verify; one call of the HSM."""
    verdicts = {id(request): question for request, question in questions if isinstance(question, bool)}
    open_ones = [(request, question) for request, question in questions if isinstance(question, CvvVerification)]
    answers = outside.hsm.verify_cvvs([question for _, question in open_ones])
    return verdicts | {id(request): answer for (request, _), answer in zip(open_ones, answers, strict=True)}


def _cards(outside: Outside, tokens: Mapping[int, UUID], requests: Collection[int]) -> dict[int, Card]:
    """The cards, unlocked, of these requests (by `id`), where there are any."""
    if not requests:
        return {}
    with outside.read() as connection:
        found = {card.card_token: card for card in read_by_token(connection, {tokens[one] for one in requests})}
    return {one: found[tokens[one]] for one in requests if tokens[one] in found}


def _read_chips(asked: Sequence[AuthorizationRequest]) -> tuple[dict[int, ChipReport], dict[int, str]]:
    """DE 55 of each request (by `id`) that has one; of those that cannot be read the tag that is to blame."""
    chips: dict[int, ChipReport] = {}
    malformed: dict[int, str] = {}
    for request in asked:
        if request.icc_data is not None:
            try:
                chips[id(request)] = read_chip_report(request.icc_data)
            except FormatError as fault:
                malformed[id(request)] = fault.element.removeprefix("DE 55 ").removeprefix("tag ")
    return chips, malformed


def _addresses(outside: Outside, asked: Sequence[AuthorizationRequest], cards: Mapping[int, Card]) -> dict[int, str]:
    """AVS: the verdict for each request (by `id`) that gives an address."""
    given = {id(request): request.address.clear for request in asked if request.address is not None}
    if not given:
        return {}
    holders = {place: cards[place].customer_id for place in given if place in cards}
    with outside.read() as connection:
        known = {one.id: one for one in address_rows.read(connection, sorted(set(holders.values())))}
    return {
        place: address_verdict(text, known.get(holders[place]) if place in holders else None)
        for place, text in given.items()
    }


def _cryptograms(
    outside: Outside,
    asked: Sequence[AuthorizationRequest],
    chips: Mapping[int, ChipReport],
    cards: Mapping[int, Card],
) -> dict[int, ChipCheck]:
    if not chips:
        return {}
    questions: dict[int, CryptogramVerification] = {}
    for request in asked:
        place = id(request)
        if place in chips:
            chip = chips[place]
            known = cards[place].sequence_number if place in cards else FIRST_SEQUENCE_NUMBER
            card = ChipCard(request.pan, plastic_of(request, chip) or known, chip.key_index)
            counter = chip.counter.to_bytes(2, "big")
            questions[place] = CryptogramVerification(card, chip.version, counter, chip.signed, chip.cryptogram)
    verdicts = outside.hsm.verify_cryptograms(list(questions.values()))
    return {
        place: ChipCheck(chip=chips[place], sequence_number=question.card.sequence_number, is_genuine=verdict)
        for (place, question), verdict in zip(questions.items(), verdicts, strict=True)
    }


def _pins(
    pin_zone: str, outside: Outside, asked: Sequence[AuthorizationRequest], cards: Mapping[int, Card]
) -> dict[int, PinCheck]:
    with_pin = [request for request in asked if request.pin_block is not None]
    if not with_pin:
        return {}
    checks = {id(request): PinCheck.UNREADABLE for request in with_pin}
    questions = {
        id(request): question
        for request in with_pin
        if (question := _pin(pin_zone, request, cards.get(id(request)))) is not None
    }
    for place, verdict in zip(questions, outside.hsm.verify_pins(list(questions.values())), strict=True):
        checks[place] = _CHECKS[verdict]
    return checks


_CHECKS = {
    PinVerdict.CORRECT: PinCheck.CORRECT,
    PinVerdict.WRONG: PinCheck.WRONG,
    PinVerdict.UNREADABLE: PinCheck.UNREADABLE,
}


def _pin(pin_zone: str, request: AuthorizationRequest, card: Card | None) -> PinVerification | None:
    if request.pin_block is None or card is None or card.pvki is None or card.pvv is None:
        return None
    try:
        block = bytes.fromhex(request.pin_block.clear)
    except ValueError:
        return None
    if len(block) != PIN_BLOCK_BYTES:
        return None
    return PinVerification(block, request.pan, pin_zone, card.pvki, card.pvv)
