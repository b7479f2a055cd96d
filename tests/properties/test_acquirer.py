"""The acquirer's stages, whatever comes in whatever order: a batch of n leaves the same rows and sends the same
messages as n batches of one, what is asked again adds nothing, and the proofs hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.acquirer import ACQUIRER_PROOFS, acquirer_stages
from engine.authorization.model import id_of_payment
from engine.clearing.model import ConfirmItem, PresentPayment
from engine.clearing.reference import acquirer_reference_number
from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from engine.merchants.model import id_of_merchant
from engine.runtime import timers
from engine.settlement.model import PayMerchant
from engine.vocabulary.messages import AuthorizationRequest, ReversalResponse
from engine.vocabulary.money import Money
from engine.vocabulary.responses import ResponseCode
from tests.engine.acquiring import SHOP, Acquirer, approval, completion_of, purchase, reversal_of
from tests.properties.conftest import Twins
from tests.properties.facts import facts, forget, tables_that_differ
from tests.properties.stories import PLACES, Action, Batches, batches, strays
from tests.world import OPENED_AT, HandClock, Remembering, processor_of

AMOUNTS = st.integers(200, 12_000)
WAITS = (timedelta(0), timedelta(seconds=31), timedelta(minutes=5), timedelta(hours=20))
"""After 31 seconds nobody waits for an answer, after five minutes reversals are repeated, then it is another day."""

ASK, ANSWER, REVERSE, ACKNOWLEDGE = Action("ask"), Action("answer"), Action("reverse"), Action("acknowledge")
PRESENT, CONFIRM, PAY = Action("present"), Action("confirm", minor=7_000), Action("pay")
STORIES = (
    (ASK, ANSWER, PRESENT, CONFIRM, PAY),
    (ASK, ANSWER, Action("complete", minor=400), PRESENT, CONFIRM, PAY),
    (ASK, ANSWER, REVERSE, ACKNOWLEDGE, PRESENT),
    (ASK, ANSWER, Action("reverse", minor=300), ACKNOWLEDGE, PRESENT, CONFIRM),
    (ASK, REVERSE, ANSWER, ACKNOWLEDGE),
    (REVERSE, ASK, ANSWER, PRESENT),
    (ASK, ANSWER, PRESENT, REVERSE, CONFIRM, PAY),
    (ASK, Action("answer", word="51"), PRESENT),
    (ASK,),
)
STEPS = (PresentPayment, ConfirmItem, PayMerchant)
STRAYS = strays(
    ("ask", st.none(), ["", "again"]),
    ("answer", st.none() | AMOUNTS, ["00", "51", "91"]),
    ("reverse", st.none() | AMOUNTS, ["", "again"]),
    ("acknowledge", st.none(), ["00", "25"]),
    ("complete", AMOUNTS, [""]),
    ("present", st.none(), [""]),
    ("confirm", AMOUNTS, [""]),
    ("pay", st.none(), [""]),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    minor: int
    kind: str


ASKED = st.builds(
    Asked,
    AMOUNTS,
    st.sampled_from(["purchase", "purchase", "purchase", "estimate", "refund", "unknown terminal", "other currency"]),
)


class Play:
    """The same shop at an acquirer, with the messages about its payments."""

    def __init__(self, database: Database, acquirer: Acquirer, asked: list[Asked]) -> None:
        forget(database, acquirer.institution)
        acquirer.clock, acquirer.network = HandClock(OPENED_AT), Remembering()
        # A new process: nothing is remembered from before.
        stages = acquirer_stages(acquirer.institution, "900000")
        acquirer.processor = processor_of(database, acquirer.institution, stages, acquirer.clock, acquirer.network)
        acquirer.processor.execute([SHOP])
        self.acquirer = acquirer
        self._presented_on: dict[int, date] = {}
        self.requests = [self._request(place, one) for place, one in enumerate(asked)]

    def messages(self, actions: list[Action]) -> list[object]:
        """What the actions come to: timers that are due and messages, then the steps of jobs in their order."""
        return sorted(self._messages(actions), key=_step)

    def _messages(self, actions: list[Action]) -> Iterator[object]:
        with self.acquirer.processor.engine.connect() as connection:
            yield from timers.due(connection, self.acquirer.clock.now(), 100)
        on = self.acquirer.clock.now().date()
        for action in actions:
            place, minor, word = action.place, action.minor, action.word
            request = self.requests[place]
            payment_id = id_of_payment(
                self.acquirer.institution.name,
                request.acquirer_id,
                request.terminal_id,
                request.stan,
                request.transmitted_at,
            )
            reversal = replace(reversal_of(request), stan=f"1{place:05d}")
            match action.kind:
                case "ask":
                    yield replace(request, is_repeat=word == "again")
                case "answer":
                    amount = request.amount if minor is None else Money(minor, request.amount.asset)
                    yield replace(approval(request, word or "00"), amount=amount)
                case "reverse" if minor is None:
                    yield replace(reversal, is_repeat=word == "again")
                case "reverse":
                    yield replace(reversal, stan=f"2{place:05d}", replacement_amount=Money(minor or 0, "USD"))
                case "acknowledge":
                    yield ReversalResponse(
                        acquirer_id=request.acquirer_id,
                        terminal_id=request.terminal_id,
                        stan=reversal.stan,
                        transmitted_at=reversal.transmitted_at,
                        rrn=reversal.rrn,
                        response_code=ResponseCode(word or "00"),
                        original=reversal.original,
                    )
                case "complete":
                    yield replace(completion_of(request, minor or 0), stan=f"3{place:05d}")
                case "present":
                    self._presented_on[place] = on
                    yield PresentPayment(payment_id=payment_id, business_date=on)
                case "confirm":
                    yield ConfirmItem(
                        arn=acquirer_reference_number(
                            request.acquirer_id, self._presented_on.get(place, on), payment_id
                        ),
                        interchange=f"{-(minor or 0) // 80}.500000",
                        network_fee=f"{-(minor or 0) // 900}.250000",
                        business_date=on,
                    )
                case _:
                    merchant = id_of_merchant(self.acquirer.institution.name, SHOP.merchant_id)
                    yield PayMerchant(merchant=merchant, business_date=on)

    def decide(self, messages: list[object], together: bool) -> None:
        """At once, or one by one. What a step of a job asks is a batch of its own: it is about what it has read."""
        for _, asked in groupby(messages, key=_step):
            batch = list(asked)
            for part in [batch] if together else [[message] for message in batch]:
                self.acquirer.processor.execute(part)

    def findings(self) -> list[str]:
        """What every proof of the book finds."""
        with self.acquirer.processor.engine.connect() as connection:
            return [found for proof in (*LEDGER_PROOFS, *ACQUIRER_PROOFS) for found in proof.find(connection)]

    def _request(self, place: int, asked: Asked) -> AuthorizationRequest:
        request = purchase(
            stan=f"{place:06d}",
            amount=Money(asked.minor, "EUR" if asked.kind == "other currency" else "USD"),
            transmitted_at=OPENED_AT + timedelta(seconds=place),
        )
        match asked.kind:
            case "estimate":
                return replace(request, pos_condition_code="06")
            case "refund":
                return replace(request, processing_code="200000")
            case "unknown terminal":
                return replace(request, terminal_id="T9")
            case _:
                return request


def _step(message: object) -> int:
    """0 for what comes over a wire and for timers, then the jobs' steps."""
    return next((number for number, kind in enumerate(STEPS, 1) if isinstance(message, kind)), 0)


OpenTwins = Callable[[list[Asked]], tuple[Play, Play]]


@pytest.fixture(scope="module")
def open_twins(databases: Twins) -> OpenTwins:
    """Two acquirers of one name that have just been opened, for each example anew."""
    acquirers = [Acquirer(database) for database in databases]

    def opened(asked: list[Asked]) -> tuple[Play, Play]:
        one, other = (Play(database, each, asked) for database, each in zip(databases, acquirers, strict=True))
        return one, other

    return opened


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(ASKED, min_size=PLACES, max_size=PLACES), days=batches(STORIES, STRAYS, WAITS))
def test_in_any_order_a_batch_of_n_equals_n_batches_of_one(
    open_twins: OpenTwins, asked: list[Asked], days: Batches
) -> None:
    together, apart = open_twins(asked)
    everything: list[object] = []
    for wait, actions in days:
        for play in (together, apart):
            play.acquirer.clock.move(wait)
        messages = together.messages(actions)
        together.decide(messages, together=True)
        apart.decide(messages, together=False)
        everything += messages
    # An answer that comes in the batch of its question is in the rows of both.
    written = facts(together.acquirer.processor.engine)
    assert tables_that_differ(written, facts(apart.acquirer.processor.engine)) == {}
    sent = list(together.acquirer.network.sent)
    assert sent == apart.acquirer.network.sent
    assert together.findings() == []
    assert apart.findings() == []

    together.decide(everything, together=True)
    assert tables_that_differ(facts(together.acquirer.processor.engine), written) == {}
    assert together.acquirer.network.sent == sent, "what is asked again is not sent again"
