"""Savings over HTTP, on a real socket and a real database whose nights run: each thing a customer can do with money of
their own, and nobody with anybody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.doors import Doors
from api.tokens import Tokens
from engine.accounts.model import OpenCustomer
from engine.acquirer import acquirer_stages
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.savings.model import SetRates
from engine.savings.products import Frequency
from tests.api.test_http import error, serving, writing
from tests.engine.savings.bank import Bank
from tests.world import open_institution_for_tests, processor_of

START = date(2026, 3, 2)
DAY = timedelta(days=1)
MILLION = 1_000_000
ROUTES = (
    ("GET", "", None),
    ("GET", "/statement?first=2026-03-02&last=2026-03-02", None),
    ("POST", "/moves", {"amount_minor": -1}),
    ("POST", "/moves", {"amount_minor": 1}),
    ("POST", "/plan", {"round_up_minor": 100}),
    ("POST", "/close", None),
)
"""Everything that is about one savings account."""


@dataclass
class World:
    http: httpx.Client
    tokens: Tokens
    bank: Bank

    def who(self, handle: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.of_customer(self.bank.customer(handle))}"}

    def ask(
        self, method: str, path: str, body: Any = None, *, by: dict[str, str] | str = "@ada", key: str | None = None
    ) -> httpx.Response:
        """As this person, or under these headers; under a key of its own if none is given."""
        headers = self.who(by) if isinstance(by, str) else by
        return self.http.request(
            method, f"/savings{path}", json=body, headers=headers | {"Idempotency-Key": key or uuid4().hex}
        )

    def opened(self, opening_minor: int, by: str = "@ada", product: str = "saver") -> str:
        answer = self.ask("POST", "", {"product": product, "opening_minor": opening_minor}, by=by)
        assert answer.status_code == 201, answer.text
        return f"/{answer.json()['id']}"


@contextmanager
def open_world(database: Database, folder: Path) -> Iterator[World]:
    name = f"bank{uuid4().hex[:8]}"
    bank = Bank(database, name, folder, START)
    bank.offer("saver", compounding=Frequency.DAILY, withholding_bps=1_000)
    bank.offer("limited", withdrawals_a_month=1)
    for handle in ("@ada", "@bob"):
        bank.ask(OpenCustomer(handle=handle, name=handle, opening_deposit_minor=5 * MILLION))
    our_acquirer = open_institution_for_tests(database, f"a{name}", f"a{name}", "acquirer")
    acquirer = processor_of(database, our_acquirer, acquirer_stages(our_acquirer, "900000"), bank.clock)
    tokens = Tokens(TEST_MASTER_KEY)
    doors = Doors(acquirer=acquirer, bank=bank.processor, clock=bank.clock, tokens=tokens)
    with writing(bank.processor), serving(doors) as http:
        yield World(http, tokens, bank)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    with open_world(database, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def counted(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A world for all that is refused, and an account of @ada's in it with 1.00, one day of which is counted."""
    with open_world(database, tmp_path_factory.mktemp("counted")) as opened:
        account = opened.opened(100)
        opened.bank.nights(START + DAY)
        yield opened, account


def test_an_account_is_opened_once_paid_into_drawn_from_and_closed(world: World) -> None:
    asked = {"product": "saver", "opening_minor": 100}
    first = world.ask("POST", "", asked, key="save")
    assert (first.status_code, first.json()["product"], first.json()["balance_minor"]) == (201, "saver", 100)
    assert world.ask("POST", "", asked, key="save").json() == first.json(), "the same request is one account"
    assert error(world.ask("POST", "", asked | {"opening_minor": 101}, key="save"), 409)["code"] == "key_reused"
    account = f"/{first.json()['id']}"
    for key, amount, balance in (("in", 50, 150), ("in", 50, 150), ("out", -30, 120)):
        moved = world.ask("POST", f"{account}/moves", {"amount_minor": amount}, key=key)
        assert (moved.status_code, moved.json()["balance_minor"]) == (201, balance)
    too_much = error(world.ask("POST", f"{account}/moves", {"amount_minor": -121}), 402)
    assert (too_much["code"], too_much["param"]) == ("insufficient_funds", "amount_minor")
    assert world.ask("GET", account).json()["balance_minor"] == 120
    world.bank.nights(START + DAY)
    closed = world.ask("POST", f"{account}/close", key="close")
    assert (closed.status_code, closed.json()["balance_minor"], closed.json()["closed_on"]) == (201, 0, "2026-03-03")
    assert world.ask("POST", f"{account}/close", key="close").json() == closed.json()
    assert error(world.ask("POST", f"{account}/moves", {"amount_minor": 1}), 402)["code"] == "account_closed"
    assert not world.bank.findings()


def test_a_goal_is_set_changed_and_given_up(world: World) -> None:
    account = world.opened(0)
    plan = {"goal_name": "Boat", "goal_minor": 9_000, "goal_on": "2027-06-01", "round_up_minor": 100}
    planned = world.ask("POST", f"{account}/plan", plan)
    assert (planned.status_code, {name: planned.json()[name] for name in plan}) == (201, plan)
    assert error(world.ask("POST", f"{account}/plan", {"goal_name": "Raft"}), 402)["code"] == "amount_malformed"
    given_up = world.ask("POST", f"{account}/plan", {})
    assert [given_up.json()[name] for name in plan] == [None, None, None, 0]


def test_a_statement_has_every_entry_the_interest_and_the_yield_earned(world: World) -> None:
    account = world.opened(MILLION)
    world.bank.until(world.bank.at(START + 9 * DAY))
    assert world.ask("POST", f"{account}/moves", {"amount_minor": MILLION}).status_code == 201
    world.bank.nights(date(2026, 4, 3))
    march = world.ask("GET", f"{account}/statement?first=2026-03-02&last=2026-03-31").json()
    assert [(one["kind"], one["amount_minor"], one["balance_minor"]) for one in march["lines"]] == [
        ("to savings", MILLION, MILLION),
        ("to savings", MILLION, 2 * MILLION),
    ]
    assert (march["opening_minor"], march["closing_minor"], march["interest_minor"]) == (0, 2 * MILLION, 0)
    # 9 days of 100 and 21 of 200 a day at 3.65 % of a million, compounded daily: 30 days' APY is that of a year's.
    assert march["average_balance_minor"] == 1_700_000
    assert march["annual_percentage_yield_earned"] == "3.72"
    april = world.ask("GET", f"{account}/statement?first=2026-04-01&last=2026-04-02").json()
    kinds = {one["kind"]: one["amount_minor"] for one in april["lines"]}
    assert kinds == {"interest": april["interest_minor"], "tax on interest": -april["tax_withheld_minor"]}
    assert (april["interest_minor"], april["tax_withheld_minor"]) == (round(march["earned_micro"] / MILLION), 511)
    assert april["closing_minor"] == 2 * MILLION + april["interest_minor"] - april["tax_withheld_minor"]


@pytest.mark.parametrize(
    "period",
    ["first=2026-03-01&last=2026-03-02", "first=2026-03-02&last=2026-03-03", "first=2026-03-03&last=2026-03-02"],
    ids=["before it was opened", "not counted yet", "backwards"],
)
def test_a_statement_is_about_days_that_were_counted(counted: tuple[World, str], period: str) -> None:
    world, account = counted
    refused = error(world.ask("GET", f"{account}/statement?{period}"), 400)
    assert (refused["code"], refused["param"]) == ("period_malformed", "first")


def test_what_is_offered_is_shown_with_its_yield_and_every_rate_of_past_and_future(world: World) -> None:
    rates = SetRates(reference="1", product="saver", effective_on=START + DAY, tiers=((0, 400), (MILLION, 425)))
    assert world.bank.refused(rates) == "set"
    shown = {one["name"]: one for one in world.http.get("/savings/products").json()}
    assert [(one["effective_on"], one["tiers"]) for one in shown["saver"]["rates"]] == [
        ("2020-01-01", [[0, 365]]),
        ("2026-03-03", [[0, 400], [MILLION, 425]]),
    ]
    assert shown["saver"]["annual_percentage_yield"] == "4.08"
    assert (shown["limited"]["annual_percentage_yield"], shown["limited"]["withdrawals_a_month"]) == ("3.71", 1)


def test_withdrawals_beyond_the_products_limit_are_refused_in_words(world: World) -> None:
    account = world.opened(100, product="limited")
    assert world.ask("POST", f"{account}/moves", {"amount_minor": -1}).status_code == 201
    refused = error(world.ask("POST", f"{account}/moves", {"amount_minor": -1}), 402)
    assert refused["code"] == "withdrawals_used_up"


@pytest.mark.parametrize(("method", "place", "body"), ROUTES)
def test_an_account_of_somebody_else_is_not_there(
    counted: tuple[World, str], method: str, place: str, body: Any
) -> None:
    world, account = counted
    for path in (account + place, f"/{UUID(int=7)}{place}"):
        assert error(world.ask(method, path, body, by="@bob"), 404)["code"] == "unknown_savings", "one answer for both"
    assert world.ask("GET", account).json()["balance_minor"] == 100
    assert not world.bank.findings()


@pytest.mark.parametrize(("method", "place", "body"), [*ROUTES, ("OPEN", "", {"product": "saver"})])
def test_without_a_customers_token_nothing_is_told_or_done(
    counted: tuple[World, str], method: str, place: str, body: Any
) -> None:
    world, account = counted
    verb, path = ("POST", "") if method == "OPEN" else (method, account + place)
    good = world.who("@ada")["Authorization"]
    proof = good.rpartition("_")[2]
    theirs = world.who("@bob")["Authorization"].rpartition("_")[0]
    for headers in (
        {},
        {"Authorization": good[:-1] + ("0" if good[-1] != "0" else "1")},
        {"Authorization": f"{theirs}_{proof}"},
        {"Authorization": f"Bearer {world.tokens.of_merchant('M1')}"},
        {"Authorization": f"Bearer {world.tokens.of_operator('eve')}"},
        {"Authorization": f"Bearer {Tokens(bytes(32)).of_customer(world.bank.customer('@ada'))}"},
    ):
        assert error(world.ask(verb, path, body, by=headers), 401)["code"] == "token_invalid"
    assert world.ask("GET", account).json()["balance_minor"] == 100


@pytest.mark.parametrize(
    ("place", "body", "param"),
    [
        ("", {"product": ""}, "product"),
        ("", {"product": "saver", "opening_minor": -1}, "opening_minor"),
        ("", {"product": "saver", "opening_minor": 1.5}, "opening_minor"),
        ("", {"product": "saver", "rate_bps": 9_000}, "rate_bps"),
        ("/moves", {"amount_minor": "1"}, "amount_minor"),
        ("/moves", {"amount_minor": 10**11}, "amount_minor"),
        ("/moves", {"amount_minor": 1, "effective_on": "2026-01-01"}, "effective_on"),
        ("/plan", {"goal_minor": 0, "goal_name": "Boat"}, "goal_minor"),
        ("/plan", {"round_up_minor": -1}, "round_up_minor"),
    ],
)
def test_what_is_malformed_is_refused_by_the_name_of_its_field(
    counted: tuple[World, str], place: str, body: dict[str, Any], param: str
) -> None:
    world, account = counted
    refused = error(world.ask("POST", account + place if place else "", body), 422)
    assert refused["param"] == param
    assert world.ask("GET", account).json()["balance_minor"] == 100
