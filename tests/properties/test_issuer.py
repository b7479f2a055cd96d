"""The issuer's stages, whatever comes in whatever order: a batch of n leaves the same rows as n batches of one, what
is asked again adds nothing, and the proofs hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.connections import Database
from engine.vocabulary.decision import Answer
from engine.vocabulary.messages import AuthorizationRequest
from issuer.authorization.model import ReleaseExpiredHold
from issuer.bank import issuer_stages
from issuer.cards.model import CardState, ChangeCardState, StateReason
from tests.issuer.world import Bank
from tests.properties.conftest import Twins
from tests.properties.facts import facts, forget, tables_that_differ
from tests.properties.stories import PLACES, Action, Batches, batches, strays
from tests.world import OPENED_AT, HandClock, Remembering, processor_of

AMOUNTS = st.integers(1, 6_000)
WAITS = (timedelta(0), timedelta(hours=3), timedelta(days=4), timedelta(days=8))
"""After three hours a tank of fuel is no longer held for, after four days a purchase, after eight an estimate."""

ASK, REVERSE, EXPIRE = Action("ask"), Action("reverse"), Action("expire")
PRESENT, PART = Action("present", minor=2_000, word="final"), Action("present", minor=700)
STORIES = (
    (ASK, PRESENT),
    (ASK, PART, PART, PRESENT),
    (ASK, REVERSE, PRESENT),
    (ASK, Action("reverse", minor=300), PRESENT),
    (ASK, PART, Action("reverse", minor=300), REVERSE),
    (REVERSE, ASK, PRESENT),
    (ASK, EXPIRE, PRESENT, REVERSE),
    (ASK, Action("refund", minor=200, word="final")),
    (Action("force", minor=5_500, word="final"), ASK),
    (ASK, Action("close card", word="final"), PRESENT, REVERSE),
)
STRAYS = strays(
    ("ask", st.none(), ["", "again"]),
    ("reverse", st.none() | AMOUNTS, ["", "again"]),
    ("present", AMOUNTS, ["", "final"]),
    ("refund", AMOUNTS, ["", "final"]),
    ("force", AMOUNTS, ["", "final"]),
    ("expire", st.none(), [""]),
    ("close card", st.none(), ["", "final"]),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about: whose card, how much, at what kind of merchant, and with which PIN."""

    holder: int
    minor: int
    kind: str
    pin: str | None


ASKED = st.builds(
    Asked,
    st.integers(0, 2),
    AMOUNTS,
    st.sampled_from(["purchase", "purchase", "estimate", "fuel", "refund", "cash"]),
    st.sampled_from([None, None, "4711", "0815"]),
)


class Play:
    """The same customers at a bank, with the messages about their cards."""

    def __init__(self, database: Database, bank: Bank, asked: list[Asked]) -> None:
        forget(database, bank.institution)
        bank.clock = HandClock(OPENED_AT)
        # A new process: nothing is remembered from before.
        stages = issuer_stages(bank.institution)
        bank.processor = processor_of(database, bank.institution, stages, bank.clock, Remembering())
        self.bank = bank
        self.holders = [bank.open(handle, 5_000, place) for place, handle in enumerate(("ada", "grace", "joan"), 1)]
        self._numbers = count(1)
        self._requests = [self._request(place, one) for place, one in enumerate(asked)]

    def messages(self, actions: list[Action]) -> Iterator[object]:
        """What the actions come to."""
        for action in actions:
            kind, minor, word = action.kind, action.minor, action.word
            request, number = self._requests[action.place], next(self._numbers)
            holder = next(one for one in self.holders if one.pan == request.pan)
            match kind:
                case "ask":
                    yield replace(request, is_repeat=word == "again")
                case "reverse":
                    yield replace(self.bank.reversal(request, minor), stan=f"9{number:05d}", is_repeat=word == "again")
                case "expire":
                    yield self._expiry(request)
                case "close card":
                    state = CardState.CLOSED if word == "final" else CardState.BLOCKED
                    yield ChangeCardState(card_id=holder.card_id, new_state=state, reason=StateReason.FRAUD_SUSPECTED)
                case _:
                    code = "200000" if kind == "refund" else "000000"
                    yield self.bank.presentment(
                        number,
                        request,
                        minor,
                        processing_code=code,
                        is_final=word == "final",
                        interchange=f"{'-' if kind == 'refund' else ''}{(minor or 0) // 80}.500000",
                        network_reference=None if kind == "force" else request.network_reference,
                    )

    def decide(self, messages: list[object], together: bool) -> list[Answer | None]:
        """At once, or one by one."""
        if together:
            return self.bank.processor.execute(messages)
        return [answer for message in messages for answer in self.bank.processor.execute([message])]

    def _request(self, place: int, asked: Asked) -> AuthorizationRequest:
        holder = self.holders[asked.holder]
        changes: dict[str, Any] = {
            "purchase": {},
            "estimate": {"pos_condition_code": "06", "mcc": "7011"},
            "fuel": {"mcc": "5542"},
            "refund": {"processing_code": "200000"},
            "cash": {"processing_code": "010000"},
        }[asked.kind]
        block = None if asked.pin is None else self.bank.pin_block(holder, asked.pin)
        at = OPENED_AT + timedelta(seconds=place)
        reference = f"S{place:014d}"
        return self.bank.request(
            holder,
            asked.minor,
            **changes,
            pin_block=block,
            stan=f"{place:06d}",
            transmitted_at=at,
            network_reference=reference,
        )

    def _expiry(self, request: AuthorizationRequest) -> ReleaseExpiredHold:
        on = request.transmitted_at.astimezone(UTC).date()
        reference = request.network_reference
        assert reference is not None
        identifier = self.bank.book.id("authorization", reference, on=on)
        return ReleaseExpiredHold(authorization_id=identifier, business_date=self.bank.today())


OpenTwins = Callable[[list[Asked]], tuple[Play, Play]]


@pytest.fixture(scope="module")
def open_twins(databases: Twins, tmp_path_factory: pytest.TempPathFactory) -> OpenTwins:
    """Two banks of one name that have just been opened, for each example anew."""
    banks = [Bank(database, tmp_path_factory.mktemp("files"), 1) for database in databases]

    def opened(asked: list[Asked]) -> tuple[Play, Play]:
        one, other = (Play(database, bank, asked) for database, bank in zip(databases, banks, strict=True))
        return one, other

    return opened


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(ASKED, min_size=PLACES, max_size=PLACES), days=batches(STORIES, STRAYS, WAITS))
def test_in_any_order_a_batch_of_n_equals_n_batches_of_one(
    open_twins: OpenTwins, asked: list[Asked], days: Batches
) -> None:
    together, apart = open_twins(asked)
    everything: list[object] = []
    answers: list[Answer | None] = []
    for wait, actions in days:
        for play in (together, apart):
            play.bank.clock.move(wait)
        messages = list(together.messages(actions))
        told = together.decide(messages, together=True)
        assert told == apart.decide(messages, together=False)
        everything += messages
        answers += told
    assert None not in answers, "an issuer answers at once"
    written = facts(together.bank.processor.engine)
    assert tables_that_differ(written, facts(apart.bank.processor.engine)) == {}
    assert together.bank.findings() == []
    assert apart.bank.findings() == []

    assert together.decide(everything, together=True) == answers
    assert tables_that_differ(facts(together.bank.processor.engine), written) == {}


def test_the_comparison_notices_a_row_that_differs(open_twins: OpenTwins) -> None:
    one, other = open_twins([Asked(0, 500, "purchase", None)])
    one.decide(list(one.messages([ASK])), together=True)
    assert set(tables_that_differ(facts(one.bank.processor.engine), facts(other.bank.processor.engine))) >= {
        "authorizations",
        "entries",
        "events",
        "requests",
    }
