"""Cardholder verification (EMV Book 3, 10.5; codes in annex C3): the card's list, rule by rule, until one is done.

A rule whose condition does not hold is passed over. One that fails lets the next one try if it says so; else, and when
the list is at its end, verification was not successful.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from engine.crypto.pin_blocks import encode_format_2
from engine.vocabulary.errors import FormatError
from engine.vocabulary.messages import CASH, CASHBACK
from simulator.chip.apdu import PLAIN, Command, Instruction, Response, Status
from simulator.chip.certificates import digest
from simulator.chip.personalisation import Profile
from simulator.chip.pin import ENCIPHERED_HEADER, ENCIPHERED_PIN, PLAIN_PIN
from simulator.kernel.authentication import pin_key
from simulator.kernel.results import Tsi, Tvr
from simulator.kernel.setup import Ask, Capability, Heard
from simulator.kernel.work import Steps, Work, ask_pin, get_data, transmit


class Method(IntEnum):
    """CVM codes, the low six bits of a rule's first byte."""

    FAIL = 0x00
    PLAIN_PIN = 0x01
    ONLINE_PIN = 0x02
    PLAIN_PIN_AND_SIGNATURE = 0x03
    ENCIPHERED_PIN = 0x04
    ENCIPHERED_PIN_AND_SIGNATURE = 0x05
    SIGNATURE = 0x1E
    NONE = 0x1F


UNKNOWN, FAILED, SUCCESSFUL = 0, 1, 2
"""The result in the third byte of tag 9F34."""
_APPLY_NEXT: Final = 0x40
_NOT_PERFORMED: Final = bytes.fromhex("3F0000")

_NEEDS: Final = {
    Method.FAIL: Capability(0),
    Method.PLAIN_PIN: Capability.PLAIN_PIN,
    Method.ONLINE_PIN: Capability.ONLINE_PIN,
    Method.PLAIN_PIN_AND_SIGNATURE: Capability.PLAIN_PIN | Capability.SIGNATURE,
    Method.ENCIPHERED_PIN: Capability.ENCIPHERED_PIN,
    Method.ENCIPHERED_PIN_AND_SIGNATURE: Capability.ENCIPHERED_PIN | Capability.SIGNATURE,
    Method.SIGNATURE: Capability.SIGNATURE,
    Method.NONE: Capability.NO_VERIFICATION,
}
_WITH_PIN: Final = frozenset(Method) - {Method.FAIL, Method.SIGNATURE, Method.NONE}
_WITH_SIGNATURE: Final = frozenset(
    {Method.SIGNATURE, Method.PLAIN_PIN_AND_SIGNATURE, Method.ENCIPHERED_PIN_AND_SIGNATURE}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Two bytes of a CVM list."""

    code: int
    condition: int

    @property
    def method(self) -> Method | None:
        """None for a code that is not known here."""
        number = self.code & 0x3F
        return Method(number) if number in list(Method) else None


def verify_cardholder(work: Work) -> Steps:
    """Work through the list; set the TVR's third byte, the TSI and tag 9F34."""
    if not work.objects["82"][0] & Profile.CARDHOLDER_VERIFICATION:
        return
    work.tsi |= Tsi.CARDHOLDER_VERIFICATION
    cvm_list = work.objects.get("8E", b"")
    if len(cvm_list) < 10 or len(cvm_list) % 2:
        work.tvr |= Tvr.CHIP_OBJECT_MISSING
        work.tsi &= ~Tsi.CARDHOLDER_VERIFICATION
        return
    for rule in _rules(cvm_list):
        if not _holds(work, rule, cvm_list):
            continue
        result = yield from _performed(work, rule)
        work.verification = bytes((rule.code, rule.condition, result))
        if result != FAILED:
            return
        if not rule.code & _APPLY_NEXT:
            break
    work.tvr |= Tvr.VERIFICATION_FAILED
    if work.verification != _NOT_PERFORMED:
        work.verification = work.verification[:2] + bytes((FAILED,))


def _rules(cvm_list: bytes) -> Iterator[Rule]:
    for place in range(8, len(cvm_list), 2):
        yield Rule(cvm_list[place], cvm_list[place + 1])


def _holds(work: Work, rule: Rule, cvm_list: bytes) -> bool:
    """Whether a rule's condition is met (annex C3, table 40)."""
    kind, is_attended = work.sale.transaction_type, work.objects["9F35"][0] & 0x0F in (1, 2, 3)
    over_x = work.sale.amount_minor > int.from_bytes(cvm_list[:4], "big")
    over_y = work.sale.amount_minor > int.from_bytes(cvm_list[4:8], "big")
    same_currency = work.objects.get("9F42") == work.objects["5F2A"]
    is_cashback = kind == CASHBACK or work.sale.cashback_minor > 0
    match rule.condition:
        case 0x00:
            return True
        case 0x01:
            return kind == CASH and not is_attended
        case 0x02:
            return kind != CASH and not is_cashback
        case 0x03:
            return _supported(work, rule)
        case 0x04:
            return kind == CASH and is_attended
        case 0x05:
            return is_cashback
        case 0x06:
            return same_currency and not over_x
        case 0x07:
            return same_currency and over_x
        case 0x08:
            return same_currency and not over_y
        case 0x09:
            return same_currency and over_y
        case _:
            return False


def _supported(work: Work, rule: Rule) -> bool:
    if rule.method is None:
        return False
    needs = _NEEDS[rule.method]
    return needs & work.setup.capabilities == needs


def _performed(work: Work, rule: Rule) -> Generator[Ask, Heard, int]:
    method = rule.method
    if method is None:
        work.tvr |= Tvr.METHOD_UNKNOWN
        return FAILED
    if method is Method.FAIL:
        return FAILED
    if method in _WITH_PIN and not (_supported(work, rule) and work.setup.pin_pad_works):
        work.tvr |= Tvr.PIN_PAD_MISSING
        return FAILED
    if not _supported(work, rule):
        return FAILED
    result = SUCCESSFUL
    if method is Method.ONLINE_PIN:
        work.online_pin = yield from ask_pin(None)
        if work.online_pin is None:
            work.tvr |= Tvr.PIN_NOT_ENTERED
            return FAILED
        work.tvr |= Tvr.ONLINE_PIN_ENTERED
        return UNKNOWN
    if method in _WITH_PIN:
        enciphered = method in (Method.ENCIPHERED_PIN, Method.ENCIPHERED_PIN_AND_SIGNATURE)
        result = yield from _offline_pin(work, enciphered)
    if method in _WITH_SIGNATURE and result != FAILED:
        work.needs_signature = True
        return UNKNOWN
    return result


def _offline_pin(work: Work, enciphered: bool) -> Generator[Ask, Heard, int]:
    """Until the PIN is right, the cardholder gives up, or no try is left."""
    known = yield from get_data("9F17")
    tries_left = None if known is None else known[0]
    while tries_left != 0:
        pin = yield from ask_pin(tries_left)
        if pin is None:
            work.tvr |= Tvr.PIN_NOT_ENTERED
            return FAILED
        try:
            block = encode_format_2(pin)
        except FormatError:
            work.tvr |= Tvr.PIN_NOT_ENTERED
            return FAILED
        response = yield from _verified(work, block, enciphered)
        if response is None:
            return FAILED
        if response.ok:
            return SUCCESSFUL
        if response.status in (Status.METHOD_BLOCKED, Status.CHALLENGE_GONE):
            break
        tries_left = response.tries_left
        if tries_left is None:
            return FAILED
    work.tvr |= Tvr.PIN_TRIES_EXCEEDED
    return FAILED


def _verified(work: Work, block: bytes, enciphered: bool) -> Generator[Ask, Heard, Response | None]:
    """VERIFY; None when the chip's key for it cannot be had."""
    if not enciphered:
        return (yield from transmit(Command(PLAIN, Instruction.VERIFY, 0, PLAIN_PIN, block, expects=False)))
    key = pin_key(work)
    if key is None:
        return None
    challenge = yield from transmit(Command(PLAIN, Instruction.GET_CHALLENGE))
    if not challenge.ok or len(challenge.content) != 8:
        return None
    clear = bytes((ENCIPHERED_HEADER,)) + block + challenge.content
    content = key.apply(clear + _fill(work, challenge.content, key.length - len(clear)))
    return (yield from transmit(Command(PLAIN, Instruction.VERIFY, 0, ENCIPHERED_PIN, content, expects=False)))


def _fill(work: Work, challenge: bytes, length: int) -> bytes:
    """Unpredictable bytes: of the terminal's number and the challenge, so that a world played again is the same."""
    parts = [digest(work.sale.unpredictable, challenge, bytes((place,))) for place in range(length // 20 + 1)]
    return b"".join(parts)[:length]
