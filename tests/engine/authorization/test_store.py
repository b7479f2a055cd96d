"""Payments on a real database: one answer however often asked, cards in the vault, PIN blocks translated on leaving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine.authorization.model import PaymentState, ReversalState
from engine.authorization.reversals import REVERSAL_REPEAT
from engine.authorization.store import Preparation
from engine.crypto.door import PinTranslation
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.vocabulary.decision import TimerFired
from engine.vocabulary.identifiers import Secret
from engine.vocabulary.messages import (
    ReversalAdvice,
    ReversalResponse,
)
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from tests.engine.acquiring import PAN, Acquirer, approval, purchase, reversal_of


@pytest.fixture(scope="module")
def acquirer(database: Database) -> Iterator[Acquirer]:
    yield Acquirer(database)


@pytest.fixture(autouse=True)
def forget(acquirer: Acquirer) -> None:
    acquirer.network.sent.clear()


def test_a_purchase_is_answered_once_the_network_has_and_every_repeat_hears_the_same(acquirer: Acquirer) -> None:
    request = purchase()
    ((first,), (joined,)) = [acquirer.submit(request), acquirer.submit(replace(request, is_repeat=True))]
    assert (first, joined) == ([], [])
    assert len(acquirer.network.sent) == 1
    acquirer.submit(approval(request), approval(request))
    assert [[answer.code for answer in heard] for heard in (first, joined)] == [["00"], ["00"]]
    ((again,),) = [acquirer.submit(request)]
    assert again == first
    kept = acquirer.payment(request)
    assert kept is not None
    assert kept.state is PaymentState.CAPTURED
    ((other,),) = [acquirer.submit(replace(request, amount=Money(1, "USD")))]
    assert [answer.code for answer in other] == ["key_reused"]


def test_request_answer_and_reversal_in_one_batch_are_seen_in_order(acquirer: Acquirer) -> None:
    request = purchase()
    answers = acquirer.processor.execute([request, approval(request), reversal_of(request)])
    assert [answer.code if answer else None for answer in answers] == ["00", "noted", "00"]
    kept = acquirer.payment(request)
    assert kept is not None
    assert kept.state is PaymentState.REVERSED


def test_silence_is_noticed_by_the_timer_and_the_reversal_repeated_until_heard(acquirer: Acquirer) -> None:
    request = purchase()
    (heard,) = acquirer.submit(request)
    acquirer.clock.move(timedelta(seconds=30))
    assert acquirer.processor.tick() == 1
    acquirer.processor.step()
    assert [answer.code for answer in heard] == ["91"]
    acquirer.clock.move(timedelta(seconds=60))
    acquirer.processor.tick()
    acquirer.processor.step()
    told = [message.body for message in acquirer.network.sent if isinstance(message.body, ReversalAdvice)]
    first, repeat = (advice for advice in told if advice.original.stan == request.stan)
    assert repeat == replace(first, is_repeat=True)
    assert first.pan == PAN
    acquirer.submit(
        ReversalResponse(
            acquirer_id=first.acquirer_id,
            terminal_id=first.terminal_id,
            stan=first.stan,
            transmitted_at=first.transmitted_at,
            rrn=first.rrn,
            response_code=ResponseCode.APPROVED,
            original=first.original,
        ),
        approval(request),
    )
    acquirer.network.sent.clear()
    acquirer.clock.move(timedelta(hours=2))
    acquirer.processor.tick()
    acquirer.processor.step()
    assert request.stan not in {message.body.original.stan for message in acquirer.network.sent}
    kept = acquirer.payment(request)
    assert kept is not None
    assert kept.state is PaymentState.TIMED_OUT


def test_a_timer_on_its_way_while_its_reversal_is_acknowledged_can_still_serve_the_next(acquirer: Acquirer) -> None:
    request = purchase()
    partial = replace(reversal_of(request), replacement_amount=Money(request.amount.amount_minor - 1, "USD"))
    for one in (request, approval(request), partial):  # one after the other: a batch goes by its keys
        acquirer.submit(one)
    (advice,) = (one.body for one in acquirer.network.sent if isinstance(one.body, ReversalAdvice))
    acquirer.submit(
        ReversalResponse(
            acquirer_id=advice.acquirer_id,
            terminal_id=advice.terminal_id,
            stan=advice.stan,
            transmitted_at=advice.transmitted_at,
            rrn=advice.rrn,
            response_code=ResponseCode.APPROVED,
            original=advice.original,
        )
    )
    kept = acquirer.payment(request)
    assert kept is not None
    assert kept.reversal_state is ReversalState.ACKNOWLEDGED
    late = TimerFired(kept.id, REVERSAL_REPEAT, acquirer.clock.now())
    (prepared,) = Preparation(acquirer.institution.name)(acquirer.processor.outside, [late])
    assert prepared.pan == PAN, "before the lock a full reversal may put the payment back to sending"


def test_a_reversal_that_overtakes_its_request_declines_it(acquirer: Acquirer) -> None:
    request = purchase()
    ((reversed_,), (late,)) = [acquirer.submit(reversal_of(request)), acquirer.submit(request)]
    assert [answer.code for answer in reversed_] == ["00"]
    assert [(answer.code, answer.reasons) for answer in late] == [("12", ("reversed_before_request",))]
    assert acquirer.network.sent == []


def test_a_pin_block_leaves_under_the_networks_key(acquirer: Acquirer) -> None:
    network = SoftwareHsm("simnet", TEST_MASTER_KEY)
    clear = "041234" + "FF" * 5
    pan_part = "0000" + PAN.clear[3:15]
    block = (int(clear, 16) ^ int(pan_part, 16)).to_bytes(8, "big")
    encrypted = _encrypted(block)
    garbled = Secret("00" * 8)
    acquirer.submit(purchase(pin_block=Secret(encrypted.hex())), purchase(pin_block=garbled))
    sent = {message.body.pin_block.clear for message in acquirer.network.sent}
    assert encrypted.hex() not in sent
    assert garbled.clear in sent
    (translated,) = sent - {garbled.clear}
    back = PinTranslation(bytes.fromhex(translated), PAN, "acquirer/simnet", "acquirer/simnet")
    assert network.translate_pin_blocks([back]) == [bytes.fromhex(translated)]


def _encrypted(block: bytes) -> bytes:
    from engine.crypto import des
    from engine.crypto.keys import zone_key_of_test_world

    return des.encrypt_ecb(zone_key_of_test_world(TEST_MASTER_KEY, "acquirer/terminals"), block)


def test_no_table_holds_a_card_number_or_a_pin_block(acquirer: Acquirer) -> None:
    acquirer.submit(purchase(pin_block=Secret("1122334455667788"), cvv2=Secret("927351"), track2=Secret("9" * 30)))
    with acquirer.processor.engine.connect() as connection:
        tables = connection.execute(
            text("select tablename from pg_tables where schemaname = 'i_acquirer' order by 1")
        ).scalars()
        for table in tables.all():
            rows = connection.execute(text(f'select cast(t as text) from "{table}" t')).scalars().all()
            for secret in (PAN.clear, "1122334455667788", "927351", "9" * 30):
                assert not [row for row in rows if secret in row], table


def test_a_batch_gives_the_same_facts_as_each_request_alone(database: Database) -> None:
    together, alone = Acquirer(database, "together", "200002"), Acquirer(database, "alone", "200003")
    requests: list[Any] = []
    for number in range(12):
        request = purchase(stan=f"9{number:05d}", amount=Money(100 * number, "USD"))
        requests += [request, approval(request, "51" if number % 4 == 3 else "00")]
        if number % 3 == 0:
            requests += [replace(reversal_of(request), stan=f"8{number:05d}"), approval(request)]
        requests.append(replace(request, is_repeat=True))

    def of(member_id: str) -> list[Any]:
        return [
            replace(
                one,
                acquirer_id=member_id,
                **(
                    {"original": replace(one.original, acquirer_id=member_id)} if getattr(one, "original", None) else {}
                ),
            )
            for one in requests
        ]

    at_once = together.processor.execute(of("200002"))
    one_by_one = [answer for one in of("200003") for answer in alone.processor.execute([one])]
    codes = [None if answer is None else (answer.code, answer.reasons) for answer in one_by_one]
    # A request alone is still open when it is answered; in a batch its answer has come by the end of it.
    assert [(answer.code, answer.reasons) for answer, code in zip(at_once, codes, strict=True) if answer and code] == [
        code for code in codes if code
    ]
    facts = []
    for each in (together, alone):
        with each.processor.engine.connect() as connection:
            events = connection.execute(
                text(
                    "select kind, reasons from events where subject_kind = 'Payment' order by chain, sequence, position"
                )
            ).all()
            payments = connection.execute(
                text("select stan, state, captured_minor, response_code, reasons from payments order by stan")
            ).all()
        facts.append((events, payments))
    assert facts[0] == facts[1]
