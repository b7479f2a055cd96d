"""What an authorization does to the card, whatever becomes of its money. Pure.

| Effect | Its check's place | Happens when |
| --- | --- | --- |
| the chip's counter moves | none | a genuine cryptogram of the plastic in use was seen for the first time |
| a script goes out | none | as above, the chip is inserted, and a script waits |
| a PIN costs a try | verification | `pin_wrong` is what is answered |
| the tries are given back | verification | the PIN is right, and everything of verification has passed |
| the approval counts for limits and habits | after funds | money was approved |
| a single-use card is closed, a card is tied to its merchant | after funds | money was approved |

So a request that fails before costs no PIN try, and one that is declined counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.vocabulary.decision import Json
from engine.vocabulary.events import Event
from engine.vocabulary.messages import DEBITS
from issuer.authorization.checks import PIN_WRONG, Place, Verdict
from issuer.authorization.entry import INSERTED
from issuer.authorization.model import CHIP_FACT, ChipCounterMoved, PinCheck, PinTriesChanged, VerifiedRequest
from issuer.cards.model import (
    PIN_TRIES,
    Card,
    CardState,
    CardStateChanged,
    CardTied,
    CardUse,
    ChipScriptObeyed,
    ChipScriptSent,
    StateReason,
)

Effect = Callable[[Card, VerifiedRequest, Verdict | None], Event | None]


def effects_on_card(card: Card, verified: VerifiedRequest, verdict: Verdict) -> tuple[Event, ...]:
    """One event after the other, each with the card as the one before has left it."""
    speaks = _speaks(card, verified)
    events: list[Event] = []
    for effect in (*((_counter, _script) if speaks else ()), _pin_tries, _use):
        event = effect(card, verified, verdict)
        if event is not None:
            assert isinstance(event.subject, Card)
            card = event.subject
            events.append(event)
    return tuple(events)


def counted(card: Card | None, verified: VerifiedRequest) -> tuple[Event, ...]:
    """That of them that happens to a request which is not looked at any further."""
    return (_counter(card, verified, None),) if card is not None and _speaks(card, verified) else ()


def chip_facts(card: Card, verified: VerifiedRequest, after: Sequence[Event]) -> dict[str, Json]:
    """What the answer to the chip is made of after commit (`issuer_answer.py`); nothing where `card`, as it was before,
    has not heard from its chip. The cryptogram is that of the request that was decided: a copy of it with another one
    in it is answered with this.
    """
    if not _speaks(card, verified):
        return {}
    assert verified.chip is not None
    chip = verified.chip.chip
    facts: dict[str, Json] = {
        "sequence_number": verified.chip.sequence_number,
        "key_index": chip.key_index,
        "version": chip.version.value,
        "counter": chip.counter,
        "cryptogram": chip.cryptogram.hex(),
    }
    sent = next((event for event in after if isinstance(event, ChipScriptSent)), None)
    if sent is not None:
        facts["script"] = sent.reasons[0]
    return {CHIP_FACT: facts}


def _speaks(card: Card, verified: VerifiedRequest) -> bool:
    """Whether it is the chip of the plastic in use that speaks, and has not said this before."""
    check = verified.chip
    return (
        check is not None
        and check.is_genuine
        and check.sequence_number == card.sequence_number
        and check.chip.counter > (card.last_atc or 0)
    )


def _counter(card: Card, verified: VerifiedRequest, verdict: Verdict | None) -> Event:
    """Whatever is answered: a cryptogram that was seen is good for nothing any more."""
    assert verified.chip is not None
    return ChipCounterMoved(subject=replace(card, last_atc=verified.chip.chip.counter))


def _script(card: Card, verified: VerifiedRequest, verdict: Verdict | None) -> Event | None:
    """A script goes with every answer to the inserted chip, until the chip has said that it obeyed."""
    assert verified.chip is not None
    chip = verified.chip.chip
    if card.script is None:
        return None
    if card.script_atc is not None and chip.scripts_run and not chip.script_failed:
        return ChipScriptObeyed(subject=replace(card, script=None, script_atc=None), reasons=(card.script,))
    if verified.request.pos_entry_mode[:2] != INSERTED:
        return None
    return ChipScriptSent(subject=replace(card, script_atc=chip.counter), reasons=(card.script,))


def _pin_tries(card: Card, verified: VerifiedRequest, verdict: Verdict | None) -> Event | None:
    assert verdict is not None
    left = card.pin_tries_left
    if verdict.found and not verdict.approved and verdict.found[0].reason == PIN_WRONG:
        left -= 1
    elif verified.pin is PinCheck.CORRECT and verdict.reached > Place.VERIFICATION:
        left = PIN_TRIES
    return None if left == card.pin_tries_left else PinTriesChanged(subject=replace(card, pin_tries_left=left))


def _use(card: Card, verified: VerifiedRequest, verdict: Verdict | None) -> Event | None:
    """The first approved purchase of a card of limited use."""
    assert verdict is not None
    if not verdict.approved or verified.request.transaction_type not in DEBITS or not verdict.amount_minor:
        return None
    if card.use is CardUse.SINGLE:
        used = replace(card, state=CardState.CLOSED, state_reason=StateReason.USED)
        return CardStateChanged(subject=used, reasons=(StateReason.USED,))
    if card.use is CardUse.MERCHANT and card.merchant_id is None:
        return CardTied(subject=replace(card, merchant_id=verified.request.merchant_id))
    return None
