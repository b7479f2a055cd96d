"""Cards over HTTP, on a real socket and a real database: who may do what, and only with cards of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from engine.ledger.book import Book
from engine.processor import Processor
from engine.vault.access import Permission
from engine.vocabulary.identifiers import luhn_complete, luhn_valid
from issuer.bank import issuer_stages
from issuer.cards.store import read_cards
from tests.api.test_http import serving, writing
from tests.engine.people import customer_id
from tests.world import HandClock, open_institution_for_tests, processor_of

PRODUCT = {
    "name": "everyday",
    "account_range": "40000101",
    "region": "US",
    "funding": "debit",
    "regulated": True,
    "number_length": 19,
}


@dataclass
class World:
    http: httpx.Client
    tokens: Tokens
    bank: Processor
    book: Book

    def ask(
        self, path: str, body: dict[str, Any] | None = None, *, by: str = "@ada", key: str | None = None
    ) -> httpx.Response:
        """POST as this person, or as the bank's operator."""
        headers = self.who(by) | {"Idempotency-Key": key or uuid4().hex}
        return self.http.post(path, json=body, headers=headers)

    def look(self, path: str, by: str = "@ada") -> httpx.Response:
        return self.http.get(path, headers=self.who(by))

    def who(self, by: str) -> dict[str, str]:
        """A customer's token; or an operator's, with what it permits: `eve`, `eve+show`."""
        name, *permissions = by.split("+")
        operator = self.tokens.of_operator(name, map(Permission, permissions)) if by[0] != "@" else ""
        token = operator or self.tokens.of_customer(customer_id(by, self.book))
        return {"Authorization": f"Bearer {token}"}

    def ordered(self, **changes: Any) -> str:
        answer = self.ask("/cards", {"product": "everyday", **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def sent(self, card: str, sequence_number: str = "01") -> None:
        for state in ("personalised", "shipped"):
            body = {"state": state, "sequence_number": sequence_number}
            assert self.ask(f"/issuing/cards/{card}/plastic", body, by="eve").status_code == 200


@pytest.fixture(scope="module")
def world(database: Database) -> Iterator[World]:
    clock, tokens = HandClock(), Tokens(TEST_MASTER_KEY)
    our_bank = open_institution_for_tests(database, "bank", "100001", "issuer")
    our_acquirer = open_institution_for_tests(database, "acquirer", "200001", "acquirer")
    bank = processor_of(database, our_bank, issuer_stages(our_bank), clock)
    acquirer = processor_of(database, our_acquirer, acquirer_stages(our_acquirer, "900000"), clock)
    for handle in ("@ada", "@bob"):
        bank.execute([OpenCustomer(handle=handle, name=handle.title(), opening_deposit_minor=5_000)])
    doors = Doors(acquirer=acquirer, bank=bank, clock=clock, tokens=tokens)
    with writing(bank, acquirer), serving(doors) as http:
        made = World(http, tokens, bank, Book("bank", "UTC"))
        assert made.ask("/issuing/products", PRODUCT, by="eve").status_code == 201
        yield made


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    told = answer.json()["error"]
    return answer.status_code, told["code"], told["param"]


def test_a_virtual_card_is_ordered_frozen_thawed_and_closed(world: World) -> None:
    body = {"product": "everyday", "use": "merchant", "merchant_id": "M00000000000001"}
    first = world.ask("/cards", body, key="order-1")
    assert (first.status_code, first.json()["state"], first.json()["use"]) == (201, "active", "merchant")
    card = first.json()["id"]
    assert world.ask("/cards", body, key="order-1").json()["id"] == card, "the same order is one card"
    assert error(world.ask("/cards", {"product": "everyday"}, key="order-1"))[:2] == (409, "key_reused")
    for path, state in (("freeze", "frozen"), ("freeze", "frozen"), ("unfreeze", "active"), ("close", "closed")):
        answer = world.ask(f"/cards/{card}/{path}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert error(world.ask(f"/cards/{card}/unfreeze")) == (402, "card_state_final", "card_id")
    assert card in {one["id"] for one in world.look("/cards").json()}


def test_a_physical_card_is_activated_by_its_holder_once_it_was_sent(world: World) -> None:
    card = world.ordered(form="physical")
    assert world.look(f"/cards/{card}").json()["plastic"][0]["state"] == "ordered"
    assert error(world.ask(f"/cards/{card}/activate")) == (402, "not_shipped_yet", "card_id")
    world.sent(card)
    assert world.ask(f"/cards/{card}/activate").json()["state"] == "active"
    renewal = world.ask(f"/issuing/cards/{card}/renew", {"expiry": "3512"}, by="eve")
    assert renewal.status_code == 200
    world.sent(card, "02")
    renewed = world.ask(f"/cards/{card}/activate").json()
    assert (renewed["expiry"], renewed["sequence_number"], len(renewed["plastic"])) == ("3512", "02", 2)


def test_a_lost_card_is_reported_and_replaced_by_another(world: World) -> None:
    card = world.ordered()
    lost = world.ask(f"/cards/{card}/report", {"what": "lost"}).json()
    assert (lost["state"], lost["state_reason"]) == ("lost", "reported_lost")
    new = world.ask(f"/cards/{card}/replace")
    assert new.status_code == 201 and new.json()["replaces"] == card
    assert world.look(f"/cards/{card}").json()["replaced_by"] == new.json()["id"]
    assert error(world.ask(f"/cards/{card}/replace")) == (402, "card_already_replaced", "card_id")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("activate", None),
        ("freeze", None),
        ("unfreeze", None),
        ("close", None),
        ("replace", None),
        ("report", {"what": "stolen"}),
        ("number", {"reason": "I am curious"}),
    ],
)
def test_somebody_elses_card_is_not_there(world: World, path: str, body: dict[str, Any] | None) -> None:
    card = world.ordered()
    for address, by in ((card, "@bob"), (str(UUID(int=7)), "@ada")):
        assert error(world.ask(f"/cards/{address}/{path}", body, by=by)) == (404, "unknown_card", "card_id")
    assert error(world.look(f"/cards/{card}", by="@bob")) == (404, "unknown_card", "card_id")
    assert world.look(f"/cards/{card}").json()["state"] == "active"


def test_what_is_the_banks_to_do_needs_its_token_and_what_is_the_holders_theirs(world: World) -> None:
    card = world.ordered()
    blocking = {"state": "blocked", "reason": "fraud_suspected"}
    assert error(world.ask(f"/issuing/cards/{card}/state", blocking))[:2] == (401, "token_invalid")
    assert error(world.ask(f"/cards/{card}/freeze", by="eve"))[:2] == (401, "token_invalid")
    assert error(world.ask("/issuing/products", PRODUCT))[:2] == (401, "token_invalid")
    assert error(world.look("/issuing/accesses"))[:2] == (401, "token_invalid")
    assert world.ask(f"/issuing/cards/{card}/state", blocking, by="eve").json()["facts"]["state"] == "blocked"
    assert error(world.ask(f"/cards/{card}/unfreeze")) == (402, "move_not_allowed", "state")
    unblocking = {"state": "active", "reason": "frozen"}
    assert error(world.ask(f"/issuing/cards/{card}/state", unblocking, by="eve")) == (
        402, "reason_not_allowed", "reason",
    )  # fmt: skip


def test_the_number_of_a_virtual_card_is_shown_to_its_holder_and_that_is_written_down(world: World) -> None:
    card = world.ordered()
    answer = world.ask(f"/cards/{card}/number", {"reason": "to pay in a shop"}, key="look-1")
    shown = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert luhn_valid(shown["pan"]) and len(shown["pan"]) == 19 and shown["pan"].startswith("40000101")
    assert shown["cvc"].isdigit() and len(shown["cvc"]) == 3
    world.ask(f"/cards/{card}/number", {"reason": "to pay in a shop"}, key="look-1")
    seen = [one for one in world.look("/issuing/accesses", by="eve").json() if one["reason"] == "to pay in a shop"]
    ada = f"customer:{customer_id('@ada', world.book)}"
    assert [(one["actor"], one["action"], one["granted"]) for one in seen] == [(ada, "show", True)]
    assert shown["pan"] not in world.look("/issuing/accesses", by="eve").text
    told = world.ask(f"/cards/{card}/number", {"reason": f"for {shown['pan']}"})
    assert error(told) == (422, "reason_malformed", "reason") and shown["pan"] not in told.text
    plastic = world.ordered(form="physical")
    assert error(world.ask(f"/cards/{plastic}/number", {"reason": "x"})) == (402, "card_not_virtual", "card_id")


def test_a_holder_chooses_a_pin_changes_it_and_has_it_unblocked(world: World) -> None:
    card = world.ordered()
    assert error(world.ask(f"/cards/{card}/pin/unblock")) == (402, "card_without_pin", "card_id")
    pvvs = []
    for pin in ("4711", "081512"):
        answer = world.ask(f"/cards/{card}/pin", {"pin": pin})
        assert answer.status_code == 200 and pin not in answer.text
        with world.bank.engine.connect() as connection:
            pvvs.append(read_cards(connection, [UUID(card)])[0].pvv)
    assert None not in pvvs and pvvs[0] != pvvs[1], "another PIN is kept as another value"
    for pin in ("471", "12a4", "1234567890123"):
        told = world.ask(f"/cards/{card}/pin", {"pin": pin})
        assert error(told) == (402, "pin_malformed", "pin") and pin not in told.text
    assert error(world.ask(f"/cards/{card}/pin", {"pin": "4711"}, by="@bob"))[:2] == (404, "unknown_card")
    assert world.ask(f"/cards/{card}/pin/unblock").status_code == 200
    assert world.ask(f"/issuing/cards/{card}/pin/unblock", by="eve").json()["facts"] == {"card_id": card}
    world.ask(f"/cards/{card}/close")
    assert error(world.ask(f"/cards/{card}/pin", {"pin": "4711"}))[1] == "card_state_final"


def test_card_numbers_are_shown_and_taken_in_by_permission_alone_and_every_try_is_written_down(world: World) -> None:
    pan = luhn_complete("400001017777777")
    handed = {"pan": pan, "reason": "moved from another bank"}
    told = world.ask("/issuing/vault/tokenise", handed, by="eve+show")
    assert error(told) == (403, "not_permitted", "Authorization") and pan not in told.text
    token = world.ask("/issuing/vault/tokenise", handed, by="ivan+tokenise").json()["token"]
    assert world.ask("/issuing/vault/tokenise", handed, by="ivan+tokenise").json()["token"] == token
    asked = {"token": token, "reason": "a call of the police"}
    assert error(world.ask("/issuing/vault/show", asked, by="ivan+tokenise"))[:2] == (403, "not_permitted")
    shown = world.ask("/issuing/vault/show", asked, by="eve+show+tokenise")
    assert (shown.json(), shown.headers["Cache-Control"]) == ({"pan": pan}, "no-store")
    unknown = {"token": str(UUID(int=9)), "reason": "none"}
    assert error(world.ask("/issuing/vault/show", unknown, by="eve+show")) == (404, "unknown_token", "token")
    for wrong in ("4000010177777770", "12", "x" * 16):
        told = world.ask("/issuing/vault/tokenise", handed | {"pan": wrong}, by="ivan+tokenise")
        assert error(told) == (422, "card_number_malformed", "pan") and wrong not in told.text
    seen = [(one["actor"], one["action"], one["granted"]) for one in world.look("/issuing/accesses", by="eve").json()]
    for expected in (
        ("operator:eve", "tokenise", False),
        ("operator:ivan", "tokenise", True),
        ("operator:ivan", "show", False),
        ("operator:eve", "show", True),
    ):
        assert expected in seen
    assert pan not in world.look("/issuing/accesses", by="eve").text


def test_a_token_of_an_operator_cannot_be_given_more_than_it_permits(world: World) -> None:
    kind, owner, proof = world.tokens.of_operator("eve").split("_")
    headers = {"Authorization": f"Bearer {kind}_{owner}.show_{proof}", "Idempotency-Key": "1"}
    answer = world.http.post("/issuing/vault/show", json={"token": str(UUID(int=9)), "reason": "x"}, headers=headers)
    assert error(answer)[:2] == (401, "token_invalid")


def test_the_bank_replaces_a_card_for_its_holder(world: World) -> None:
    card = world.ordered()
    new = world.ask(f"/issuing/cards/{card}/replace", by="eve").json()["facts"]["card_id"]
    assert world.look(f"/cards/{card}").json()["replaced_by"] == new


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/cards", {"product": "platinum"}, 402, "product"),
        ("/cards", {"product": "everyday", "merchant_id": "M1"}, 402, "merchant_id"),
        ("/cards", {"product": "everyday", "form": "paper"}, 422, "form"),
        ("/cards", {"product": "everyday", "colour": "red"}, 422, "colour"),
        ("/cards", {}, 422, "product"),
        (f"/cards/{UUID(int=7)}/report", {"what": "eaten"}, 422, "what"),
        ("/cards/7/freeze", None, 422, "card_id"),
    ],
)
def test_bad_input_is_told_by_its_name(
    world: World, path: str, body: dict[str, Any] | None, status: int, param: str
) -> None:
    found = error(world.ask(path, body))
    assert (found[0], found[2]) == (status, param)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"account_range": "123"}, "account_range"),
        ({"number_length": 20}, "number_length"),
        ({"account_range": "40000101"}, "account_range"),
        ({"region": "usa"}, "region"),
        ({"validity_months": 200}, "validity_months"),
    ],
)
def test_a_product_is_refused_by_the_name_of_what_is_wrong(world: World, changes: dict[str, Any], param: str) -> None:
    product = PRODUCT | {"name": "other", "account_range": "40000109"} | changes
    assert error(world.ask("/issuing/products", product, by="eve"))[::2] == (402, param)
