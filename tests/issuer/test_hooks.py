"""The operator's endpoint: held first, asked, then confirmed or released; silence and late answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.database.connections import Database
from engine.vocabulary.decision import Answer
from engine.vocabulary.messages import AuthorizationRequest
from issuer.authorization.hooks import ENDPOINT, PATIENCE, AskEndpoint, EndpointAnswered, Hook
from issuer.bank import issuer_stages
from tests.issuer.world import Bank, Holder
from tests.world import Remembering, processor_of

OPENING = 10_000


class Asked:
    """A bank with an endpoint, one of whose cards is used."""

    def __init__(self, database: Database, folder: Path, number: int, *, default: bool) -> None:
        self.bank = Bank(database, folder, number)
        self.said = Remembering()
        stages = issuer_stages(self.bank.institution, hook=Hook("https://example.com", default))
        self.bank.processor = processor_of(database, self.bank.institution, stages, self.bank.clock, network=self.said)
        self.holder: Holder = self.bank.open("ada", OPENING)
        self.answers: list[Answer] = []

    def ask(self, minor: int = 3_000, **changes: Any) -> AuthorizationRequest:
        request = self.bank.request(self.holder, minor, **changes)
        self.bank.processor.submit(request, self.answers.append)
        self.bank.processor.step()
        return request

    @property
    def question(self) -> AskEndpoint:
        message = self.said.sent[-1]
        assert message.to == ENDPOINT and isinstance(message.body, AskEndpoint)
        return message.body

    def hears(self, approves: bool) -> str:
        return self.bank.told(EndpointAnswered(authorization_id=self.question.authorization_id, approves=approves)).code

    def time_passes(self) -> None:
        self.bank.clock.move(PATIENCE + timedelta(milliseconds=1))
        self.bank.processor.tick()
        self.bank.processor.step()

    @property
    def balances(self) -> tuple[int, int]:
        return self.bank.balances(self.holder)


@pytest.fixture
def declining(database: Database, tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(database, tmp_path, next(NUMBERS), default=False)
    yield asked
    assert asked.bank.findings() == []


@pytest.fixture
def approving(database: Database, tmp_path: Path) -> Asked:
    return Asked(database, tmp_path, next(NUMBERS), default=True)


NUMBERS = iter(range(900, 1_000))


def test_money_is_held_while_the_endpoint_thinks_and_stays_so_when_it_approves(declining: Asked) -> None:
    declining.ask()
    assert declining.answers == [] and declining.balances == (7_000, 3_000)
    assert declining.hears(True) == "noted"
    assert [one.code for one in declining.answers] == ["00"]
    assert declining.balances == (7_000, 3_000)


def test_it_is_released_when_the_endpoint_declines(declining: Asked) -> None:
    declining.ask()
    declining.hears(False)
    assert [(one.code, one.reasons) for one in declining.answers] == [("05", ("endpoint",))]
    assert declining.balances == (OPENING, 0)


def test_17_a_late_answer_is_recorded_and_changes_nothing(declining: Asked) -> None:
    declining.ask()
    declining.time_passes()
    assert [(one.code, one.reasons) for one in declining.answers] == [("05", ("endpoint_silent",))]
    assert declining.balances == (OPENING, 0)
    assert declining.hears(True) == "late"
    assert declining.balances == (OPENING, 0)
    kinds = [row[0] for row in declining.bank.history()]
    assert kinds.count("LateEndpointIgnored") == 1


def test_silence_approves_where_that_is_the_default(approving: Asked) -> None:
    approving.ask()
    approving.time_passes()
    assert [one.code for one in approving.answers] == ["00"]
    assert approving.balances == (7_000, 3_000)


def test_a_second_request_cannot_spend_what_waits_for_the_endpoint(declining: Asked) -> None:
    declining.ask(8_000)
    declining.ask(3_000)
    assert [one.code for one in declining.answers] == ["51"]


def test_a_reversal_while_the_endpoint_is_asked_ends_it(declining: Asked) -> None:
    request = declining.ask()
    declining.bank.told(declining.bank.reversal(request))
    assert [(one.code, one.reasons) for one in declining.answers] == [("05", ("reversed",))]
    assert declining.hears(True) == "late"
    assert declining.balances == (OPENING, 0)


def test_a_copy_that_comes_while_the_endpoint_is_asked_joins_it(declining: Asked) -> None:
    request = declining.ask()
    declining.bank.processor.submit(request, declining.answers.append)
    declining.bank.processor.step()
    declining.hears(True)
    assert [one.code for one in declining.answers] == ["00", "00"]
    assert declining.balances == (7_000, 3_000)


def test_what_we_decline_ourselves_the_endpoint_is_not_asked_about(declining: Asked) -> None:
    declining.ask(10**9)
    assert [one.code for one in declining.answers] == ["51"]
    assert declining.said.sent == []
