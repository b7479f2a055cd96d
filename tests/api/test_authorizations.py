"""Authorizations shown and explained: over HTTP to the bank's operator, and by `bezant authorizations`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api import cli
from api.doors import Doors
from api.settings import Settings
from api.system import MEMBERS, System, opened
from api.tokens import Tokens
from engine.accounts.model import OpenCustomer
from engine.crypto.keys import TEST_MASTER_KEY
from engine.ledger.book import Book
from engine.processor import Processor
from engine.vocabulary.money import Money
from issuer.authorization.store import authorization_rows
from issuer.cards.model import IssueCard
from issuer.cards.numbers import card_number
from tests.api.test_http import serving, writing
from tests.engine.people import customer_id
from tests.issuer.purse import REQUEST
from tests.world import HandClock

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
PAN = card_number("40000100", 77)
Run = Callable[..., tuple[int, str, str]]


class Bank:
    """The world's bank with one card, two of whose requests were declined."""

    def __init__(self, system: System) -> None:
        self.system, self.clock, self.tokens = system, HandClock(NOON), Tokens(TEST_MASTER_KEY)
        bank = system.institution("bank")
        self.book = Book(bank.name, bank.time_zone)
        self.processor: Processor = system.seat(bank, clock=self.clock, since=NOON).processor
        self.acquirer: Processor = system.seat(system.institution("acquirer"), clock=self.clock, since=NOON).processor
        self.ada = customer_id("@ada", self.book)
        (opened_, _) = self.processor.execute(
            [
                OpenCustomer(handle="@ada", name="Ada", opening_deposit_minor=5_000),
                OpenCustomer(handle="@bob", name="Bob", opening_deposit_minor=5_000),
            ]
        )
        assert opened_ is not None
        account = UUID(str(opened_.facts["account_id"]))
        card = IssueCard(customer_id=self.ada, account_id=account, pan=PAN, expiry="2812", issued_at=NOON)
        (issued,) = self.processor.execute([card])
        assert issued is not None and issued.code == "issued", issued
        self.card = UUID(str(issued.facts["card_id"]))
        self.declined = self.ask(1, 9_000, mcc="7995", expiry="2901")
        self.approved = self.ask(2, 1_200)

    def ask(self, number: int, minor: int, **changes: Any) -> UUID:
        reference = f"S{number:014d}"
        request = replace(
            REQUEST,
            **{
                "pan": PAN,
                "amount": Money(minor, "USD"),
                "stan": f"{number:06d}",
                "network_reference": reference,
                "pos_entry_mode": "012",
                **changes,
            },
        )
        self.processor.execute([request])
        with self.processor.engine.connect() as connection:
            (found,) = authorization_rows.read(connection, [reference], by="network_reference")
        return found.id

    def who(self, by: str) -> dict[str, str]:
        token = self.tokens.of_customer(customer_id(by, self.book)) if by[0] == "@" else self.tokens.of_operator(by)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}


@pytest.fixture(scope="module")
def bank(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("installation")
    with opened(Settings(database_url=database_url, data_folder=folder)) as system:
        system.set_up(MEMBERS, NOON)
        yield Bank(system)


@pytest.fixture(scope="module")
def http(bank: Bank) -> Iterator[httpx.Client]:
    doors = Doors(acquirer=bank.acquirer, bank=bank.processor, clock=bank.clock, tokens=bank.tokens)
    with writing(bank.processor), serving(doors) as made:
        yield made


@pytest.fixture
def bezant(bank: Bank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> Run:
    """Runs a command in that installation: its status, output and errors."""
    monkeypatch.setenv("BEZANT_DATABASE_URL", database_url)
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(bank.system.settings.data_folder))
    monkeypatch.setenv("BEZANT_LOG_LEVEL", "error")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def test_an_explanation_names_every_check_and_the_facts_of_that_instant(bank: Bank, bezant: Run) -> None:
    status, out, _ = bezant("authorizations", "explain", str(bank.declined))
    assert status == 0
    against = [line.split()[1] for line in out.splitlines() if "against it" in line]
    assert against == ["expiry_differs", "funds"]
    assert "answered 54" in out and "available_minor" in out and "5000" in out
    assert PAN.clear not in out
    status, out, _ = bezant("authorizations", "explain", str(bank.approved))
    assert status == 0 and "answered 00" in out and "against it" not in out


def test_what_is_no_authorization_is_told_in_one_line(bezant: Run) -> None:
    for word in ("nothing", str(UUID(int=1))):
        status, _, error = bezant("authorizations", "explain", word)
        assert status == 1 and error.count("\n") == 1 and "Traceback" not in error


def test_rules_are_tried_on_what_is_past_and_change_nothing(bank: Bank, bezant: Run, tmp_path: Path) -> None:
    rules, told = tmp_path / "rules.json", tmp_path / "told.json"
    rule = {"name": "above habit", "when": [["amount_minor", ">", 1_000]], "score": 60}
    rules.write_text(json.dumps({"version": 7, "threshold": 50, "rules": [rule]}))
    words = ("--since", "2026-03-01", "--until", "2026-03-31", "--json", str(told))
    status, out, error = bezant("authorizations", "try-rules", str(rules), *words)
    assert status == 0, error
    assert "2 authorizations asked about, 2 would have ended otherwise" in out
    assert {one["id"] for one in json.loads(told.read_text())["differing"]} == {str(bank.declined), str(bank.approved)}
    rules.write_text("{}")
    assert bezant("authorizations", "try-rules", str(rules), *words)[0] == 1


def test_an_operator_sees_an_authorization_whole_and_nobody_else_does(bank: Bank, http: httpx.Client) -> None:
    path = f"/issuing/authorizations/{bank.declined}"
    shown = http.get(path, headers=bank.who("eve")).json()
    assert (shown["response_code"], shown["reasons"], shown["state"]) == ("54", ["expiry_differs", "funds"], "declined")
    assert (shown["facts"]["available_minor"], shown["facts"]["amount_minor"]) == (5_000, 9_000)
    assert [one["reason"] for one in shown["checks"] if one["failed"]] == ["expiry_differs", "funds"]
    assert http.get(path, headers=bank.who("@ada")).status_code == 401
    assert http.get(f"/issuing/authorizations/{UUID(int=1)}", headers=bank.who("eve")).status_code == 404


def test_a_cardholder_limits_a_card_of_their_own(bank: Bank, http: httpx.Client) -> None:
    path = f"/cards/{bank.card}/controls"
    body = {"limits": {"day/all": [1, 500]}, "blocked": {"mccs": ["7995"]}, "time_zone": "Europe/Berlin"}
    assert http.put(path, json=body, headers=bank.who("@bob")).status_code == 402
    assert http.put(path, json=body, headers=bank.who("@ada")).status_code == 204
    for wrong in ({"limits": {"hour/all": [1, None]}}, {"time_zone": "Mars/Olympus"}):
        assert http.put(path, json=wrong, headers=bank.who("@ada")).status_code == 402
    number = bank.ask(3, 400)
    shown = http.get(f"/issuing/authorizations/{number}", headers=bank.who("eve")).json()
    assert shown["reasons"] == ["limit_count:day/all", "limit_amount:day/all"], "what was spent today counts"
    assert http.put(f"/issuing{path}", json={}, headers=bank.who("eve")).status_code == 204


def test_risk_rules_are_installed_by_operators(bank: Bank, http: httpx.Client) -> None:
    rule = {"name": "quasi-cash", "when": [["transaction_type", "==", "11"]], "score": 60}
    body = {"version": 1, "state": "shadow", "threshold": 50, "rules": [rule]}
    assert http.put("/issuing/risk-rules", json=body, headers=bank.who("@ada")).status_code == 401
    assert http.put("/issuing/risk-rules", json=body, headers=bank.who("eve")).status_code == 204
    broken = {**body, "version": 2, "rules": [{"name": "odd", "when": [["colour", "==", "red"]], "score": 1}]}
    answer = http.put("/issuing/risk-rules", json=broken, headers=bank.who("eve"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "rule_malformed")
    number = bank.ask(4, 100, processing_code="110000")
    shown = http.get(f"/issuing/authorizations/{number}", headers=bank.who("eve")).json()
    assert (shown["response_code"], shown["risk_rules"][0]["declines"]) == ("00", True)
