"""What holds in whatever order: money is neither made nor lost, and a batch is no more than its requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ledger.chart import INTERCHANGE_INCOME, NETWORK_PAYABLE
from engine.vocabulary.messages import AuthorizationRequest
from engine.vocabulary.money import Money
from issuer.authorization.model import Authorization, AuthorizationState
from tests.issuer.conftest import OpenBank
from tests.issuer.purse import NOW, OPENING_MINOR, PRESENTMENT, REQUEST, REVERSAL, Purse
from tests.issuer.world import Bank

REFERENCES = st.integers(1, 4)
AMOUNTS = st.integers(1, 6_000)
ACTIONS = st.one_of(
    st.tuples(st.just("ask"), REFERENCES, AMOUNTS, st.booleans()),
    st.tuples(st.just("reverse"), REFERENCES, st.none() | AMOUNTS, st.booleans()),
    st.tuples(st.just("present"), REFERENCES, AMOUNTS, st.booleans()),
    st.tuples(st.just("refund"), REFERENCES, AMOUNTS, st.booleans()),
    st.tuples(st.just("expire"), REFERENCES, AMOUNTS, st.booleans()),
)


def act(purse: Purse, number: int, action: tuple[str, int, int | None, bool]) -> None:
    kind, reference, minor, flag = action
    stan, name = f"{number:06d}", f"S{reference:014d}"
    amount = Money(minor or 0, "USD")
    arn = f"1200001606200000000{number:04d}"
    match kind:
        case "ask":
            code = "200000" if flag else "000000"
            purse.ask(replace(REQUEST, stan=stan, network_reference=name, amount=amount, processing_code=code))
        case "reverse":
            total = None if minor is None else amount
            purse.reverse(replace(REVERSAL, stan=stan, network_reference=name, replacement_amount=total))
        case "present" | "refund":
            code = "200000" if kind == "refund" else "000000"
            share = f"{'-' if kind == 'refund' else ''}{amount.amount_minor // 80}.500000"
            purse.present(
                replace(
                    PRESENTMENT,
                    arn=arn,
                    network_reference=name,
                    amount=amount,
                    processing_code=code,
                    interchange=share,
                    is_final=flag,
                )
            )
        case "expire":
            found = purse.state.find(Authorization, "network_reference", name)
            if found is not None:
                purse.expire(NOW + timedelta(days=5 if flag else 0), found)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=14))
def test_money_is_neither_made_nor_lost(actions: list[tuple[str, int, int | None, bool]]) -> None:
    purse = Purse()
    for number, action in enumerate(actions, start=1):
        act(purse, number, action)
        authorizations = purse.state.all(Authorization)
        live = [one for one in authorizations if one.state is AuthorizationState.APPROVED]
        assert purse.held == sum(one.held_left_minor for one in live)
        assert all(one.held_left_minor == 0 for one in authorizations if one not in live)
        assert all(0 <= one.held_left_minor <= one.amount_minor <= one.requested_minor for one in authorizations)
        spent = sum(-one.amount_minor if one.is_refund else one.amount_minor for one in purse.items)
        interchange = sum(one.interchange_minor for one in purse.items)
        assert purse.available + purse.held == OPENING_MINOR - spent
        assert purse.own(NETWORK_PAYABLE) == spent - interchange
        assert purse.own(INTERCHANGE_INCOME) == interchange


def some_messages(bank: Bank, random: Random) -> list[object]:
    """Requests of three cards, with reversals and presentments of them anywhere, earlier ones included, and copies."""
    holders = [bank.open(handle, 5_000, sequence) for sequence, handle in enumerate(("ada", "grace", "joan"), start=1)]
    messages: list[object] = []
    asked: list[AuthorizationRequest] = []
    makers: list[Callable[[AuthorizationRequest], object]] = [
        bank.reversal,
        lambda of: bank.reversal(of, new_total=random.randrange(1, 2_000)),
        lambda of: bank.presentment(len(messages), of, random.randrange(1, 3_000), is_final=random.random() < 0.5),
        lambda of: replace(of, is_repeat=True),
    ]
    for _ in range(40):
        if not asked or random.random() < 0.5:
            asked.append(bank.request(random.choice(holders), random.randrange(1, 3_000)))
            messages.append(asked[-1])
        else:
            messages.append(random.choice(makers)(random.choice(asked)))
    random.shuffle(messages)
    return messages


@pytest.mark.parametrize("seed", [1, 2])
def test_a_batch_of_n_gives_the_same_facts_as_n_batches_of_one(open_bank: OpenBank, seed: int) -> None:
    facts = []
    for together in (True, False):
        bank = open_bank("UTC")
        messages = some_messages(bank, Random(seed))
        answers = (
            bank.processor.execute(messages)
            if together
            else [answer for message in messages for answer in bank.processor.execute([message])]
        )
        told = [(answer.code, answer.reasons) for answer in answers if answer is not None]
        assert len(told) == len(messages)
        assert bank.findings() == []
        facts.append((told, bank.history()))
    assert facts[0] == facts[1]
    assert len({code for code, _ in facts[0][0]}) >= 4, "the messages meet more than one rule"
