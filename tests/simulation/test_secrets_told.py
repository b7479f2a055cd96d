"""No exception's text and no APDU trace tells a secret of the day: what was presented is presented again in every
broken form, and each card is put into a reader with somebody listening.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.crypto.door import CvvVerification, PinVerification, SealedPan, pair_name
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.vault.access import Access, Permission
from engine.vocabulary.identifiers import Pan, network_reference
from engine.vocabulary.keys import KEYS, key_of
from engine.vocabulary.messages import AuthorizationRequest
from gateways.iso8583.codec import decode, encode
from gateways.iso8583.messages import from_fields, to_fields
from gateways.iso8583.specifications import SIMNET, TERMINAL
from issuer.cards.numbers import read_track_2
from simulator import trace
from simulator.chip.apdu import Command, Response
from simulator.kernel.contact import contact
from simulator.kernel.contactless import contactless
from simulator.kernel.setup import KernelSetup, Sale
from simulator.plastic import Plastic, personalise
from simulator.reading import read_card
from tests.simulation.played import PlayedDay
from tests.simulation.secrets import Secrets

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CARDS = 12
"""Chips read out: a chip costs a hundred milliseconds."""


@pytest.fixture(scope="module")
def secrets(played: PlayedDay) -> Secrets:
    return Secrets(played.record.population, played.requests)


@pytest.fixture(scope="module")
def asked(secrets: Secrets) -> list[AuthorizationRequest]:
    """Some requests with everything that can be secret about one."""
    every = [one for one in secrets.requests if isinstance(one, AuthorizationRequest)]
    kinds = (
        [one for one in every if one.pin_block is not None],
        [one for one in every if one.cvv2 is not None],
        [one for one in every if one.track2 is not None],
    )
    assert all(len(kind) >= 5 for kind in kinds)
    return [one for kind in kinds for one in kind[:12]]


def _attempts(request: AuthorizationRequest, hsm: SoftwareHsm) -> Iterator[Callable[[], object]]:
    """What fails with this request, one way each."""
    named = replace(
        request,
        network_reference=network_reference(
            request.acquirer_id, request.terminal_id, request.stan, request.transmitted_at
        ),
    )
    # The PIN pad's serial number stays between terminal and acquirer.
    between_members = to_fields(replace(named, key_serial_number=None))
    for specification, fields in ((TERMINAL, to_fields(named)), (SIMNET, between_members)):
        frame = encode(fields, specification)
        for cut in (5, 20, len(frame) // 2, len(frame) - 1):
            yield lambda frame=frame, cut=cut, said=specification: decode(frame[:cut], said)  # type: ignore[misc]
        yield lambda frame=frame, said=specification: decode(frame + b"9", said)  # type: ignore[misc]
        for element, value in fields.items():
            for broken in (value + "?", value * 40, "x" + value, ""):
                changed = {**fields, element: broken}
                yield lambda changed=changed, said=specification: encode(changed, said)  # type: ignore[misc]
                yield lambda changed=changed: from_fields(changed, now=AT)  # type: ignore[misc]
    pan = request.pan.clear
    yield lambda: Pan(f"{pan}x")
    yield lambda: Pan(pan * 2)
    yield lambda: Access("operator:x", "1", f"about {pan}", frozenset(Permission))
    yield lambda: hsm.make_pvv(request.pan, f"{pan}")
    yield lambda: hsm.make_cvv(request.pan, pan, "201")
    yield lambda: hsm.decrypt_pans([SealedPan(key_of(KEYS[type(named)], named), "bank:pan_encryption:1", pan.encode())])
    yield lambda: hsm.decrypt_pans([SealedPan(key_of(KEYS[type(named)], named), pan, b"")])
    yield lambda: _raise(f"{request!r} {named} {fields_shown(named)}")
    if request.track2 is not None:
        track = request.track2.clear
        yield lambda: read_track_2(f"{track}x")
        yield lambda: hsm.verify_cvvs([CvvVerification(request.pan, track, track, track)]) and _raise("verified")
    if request.pin_block is not None:
        block = bytes.fromhex(request.pin_block.clear)
        question = PinVerification(block[:7], request.pan, pair_name("bank", "simnet"), "1", "1234")
        yield lambda: _raise(f"{question}")
        yield lambda: hsm.verify_pins([replace(question, zone="bank/nobody")])


def fields_shown(request: AuthorizationRequest) -> str:
    """A request as a log or an assertion would print it."""
    return f"{request.pan} {request.track2} {request.pin_block} {request.cvv2} {[request.pan, request.cvv2]}"


def _raise(words: str) -> object:
    raise AssertionError(words)


def _texts(attempts: Iterable[Callable[[], object]]) -> list[str]:
    """What the attempts that fail say, with what it came from, as a log of a bug has it; the lines of source are no
    part of what was said."""
    texts: list[str] = []
    for attempt in attempts:
        try:
            attempt()
        except Exception as error:
            told = [error, error.__cause__, None if error.__suppress_context__ else error.__context__]
            texts += [f"{one!r} {one} {traceback.format_exception_only(one)}" for one in told if one is not None]
    return texts


def test_no_exception_s_text_tells_a_secret(secrets: Secrets, asked: list[AuthorizationRequest]) -> None:
    hsm = SoftwareHsm("bank", TEST_MASTER_KEY)
    texts = _texts(attempt for request in asked for attempt in _attempts(request, hsm))
    assert len(texts) > 20 * len(asked), "most of it fails"
    assert list(secrets.found_in("exception", "\n".join(dict.fromkeys(texts)))) == []


def test_what_an_exception_would_tell_is_found_in_itself_its_cause_and_its_context(
    secrets: Secrets, asked: list[AuthorizationRequest]
) -> None:
    request = next(one for one in asked if one.pin_block is not None and one.track2 is not None)
    assert request.pin_block is not None and request.track2 is not None
    leaks = {
        "card number": request.pan.clear,
        "PIN block": request.pin_block.clear,
        "track 2, behind the separator": request.track2.clear,
        "key": TEST_MASTER_KEY.hex(),
    }

    def within(leak: str, kind: str) -> object:
        try:
            raise ValueError(leak)
        except ValueError as error:
            if kind == "cause":
                raise AssertionError("masked") from error
            if kind == "context":
                raise AssertionError("masked")  # noqa: B904, what it came from is the matter
            raise

    for kind, leak in leaks.items():
        for place in ("itself", "cause", "context"):
            texts = _texts([lambda leak=leak, place=place: within(leak, place)])  # type: ignore[misc]
            assert ("exception", kind) in set(secrets.found_in("exception", "\n".join(texts))), (kind, place)


@pytest.fixture(scope="module")
def plastic(played: PlayedDay) -> list[Plastic]:
    hsm = SoftwareHsm("bank", TEST_MASTER_KEY)
    people = [person for person in played.record.population.people if person.bank == "bank"][:CARDS]
    return [personalise(hsm, person.cards[0], "bank", TEST_MASTER_KEY) for person in people]


Heard = list[tuple[Command, Response]]


@pytest.fixture(scope="module")
def heard(plastic: list[Plastic]) -> Heard:
    """All that was said while each card was inserted with its PIN typed, and tapped."""
    said: Heard = []
    sale = Sale(amount_minor=1_500, at=AT, unpredictable=b"\x01\x02\x03\x04")
    for one in plastic:
        soft = one.soft_card()
        for kernel, tapped in ((contact, False), (contactless, True)):
            reading = read_card(
                kernel(KernelSetup(), sale), soft, contactless=tapped, pin=one.pin,
                watch=lambda command, response: said.append((command, response)),
            )  # fmt: skip
            with suppress(StopIteration):
                next(reading)
    return said


def test_no_apdu_trace_tells_a_secret(secrets: Secrets, plastic: list[Plastic], heard: Heard) -> None:
    numbers = {one.pan.clear for one in plastic}
    raw = "".join(f"{command.encode().hex()}{response.encode().hex()}" for command, response in heard)
    assert all(number in raw for number in numbers), "the chips have said their numbers"
    printed = "\n".join(f"{command!r} {response!r}" for command, response in heard)
    assert _traced(heard) and printed
    for where, told in (("trace", _traced(heard)), ("printed", printed)):
        assert list(secrets.found_in(where, told)) == []


@pytest.mark.parametrize(("mask", "unmasked"), [("_SECRET", frozenset()), ("_CARD_NUMBER", "")])
def test_what_a_trace_without_its_masks_would_tell_is_found(
    secrets: Secrets, heard: Heard, monkeypatch: pytest.MonkeyPatch, mask: str, unmasked: object
) -> None:
    monkeypatch.setattr(trace, mask, unmasked)
    assert ("trace", "card number") in set(secrets.found_in("trace", _traced(heard)))


def _traced(heard: Heard) -> str:
    return "\n".join(line for command, response in heard for line in trace.trace_lines(command, response))
