"""The HTTP interface over a real socket: a bank and an acquirer on a real database, a network that answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from api.app import create_app
from api.doors import Doors
from api.tokens import Tokens
from engine.accounts.model import ChangeCustomerState, CustomerState, OpenCustomer
from engine.acquirer import acquirer_stages
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.ledger.book import Book
from engine.merchants.model import OpenMerchant
from engine.processor import Processor
from engine.savings.model import OpenProduct, OpenSavings
from engine.vocabulary.decision import Message
from engine.vocabulary.messages import AuthorizationRequest, AuthorizationResponse
from engine.vocabulary.responses import ResponseCode
from engine.wallet import wallet_stages
from tests.engine.people import accounts_stage, customer_id
from tests.world import HandClock, hsm_of, open_institution_for_tests, processor_of

CARD = "4000010000000001"
SMALL = {"handle": "@bob", "amount_minor": 1}
SHOP = OpenMerchant(
    merchant_id="M1",
    name="Shop",
    city="Town",
    country="US",
    mcc="5999",
    asset="USD",
    discount_bps=200,
    discount_fixed_minor=0,
    deposit_reference="M1",
    terminal_ids=("M1T1",),
)


class AnsweringNetwork:
    """Approves up to 100.00, declines more with 51; keeps what it was asked. Silent while `open` is not set."""

    def __init__(self) -> None:
        self.processor: Processor
        self.asked: list[AuthorizationRequest] = []
        self.open = Event()
        self.open.set()

    def send(self, message: Message) -> None:
        request = message.body
        assert isinstance(request, AuthorizationRequest)
        self.asked.append(request)
        if self.open.is_set():
            self.answer(request)

    def answer(self, request: AuthorizationRequest) -> None:
        approved = request.amount.amount_minor <= 10_000
        self.processor.submit(
            AuthorizationResponse(
                acquirer_id=request.acquirer_id,
                terminal_id=request.terminal_id,
                stan=request.stan,
                transmitted_at=request.transmitted_at,
                rrn=request.rrn,
                response_code=ResponseCode.APPROVED if approved else ResponseCode.INSUFFICIENT_FUNDS,
                approval_code="123456" if approved else None,
                amount=request.amount,
                network_reference="S00000000000001",
            )
        )

    def deliver(self, message: Message) -> bool:
        return True


@dataclass
class World:
    http: httpx.Client
    tokens: Tokens
    network: AnsweringNetwork
    bank: Processor
    acquirer: Processor
    book: Book

    def person(self, handle: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.of_customer(customer_id(handle, self.book))}"}

    def shop(self, merchant_id: str = "M1") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.of_merchant(merchant_id)}"}


@contextmanager
def writing(*processors: Processor) -> Iterator[None]:
    """The writers of these processors, each in its thread."""
    threads = [Thread(target=processor.serve) for processor in processors]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for processor in processors:
            processor.stop()
        for thread in threads:
            thread.join()


@contextmanager
def serving(doors: Doors) -> Iterator[httpx.Client]:
    """The interface on a port of its own; connections wait until it is up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(doors), log_config=None, lifespan="off"))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        host, port = listening.getsockname()
        try:
            with httpx.Client(base_url=f"http://{host}:{port}", timeout=30, trust_env=False) as http:
                yield http
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def world(database: Database) -> Iterator[World]:
    clock, network, tokens = HandClock(), AnsweringNetwork(), Tokens(TEST_MASTER_KEY)
    our_bank = open_institution_for_tests(database, "bank", "100001", "issuer")
    our_acquirer = open_institution_for_tests(database, "acquirer", "200001", "acquirer")
    book = Book("bank", "UTC")
    bank = processor_of(database, our_bank, (accounts_stage(book), *wallet_stages(our_bank)), clock)
    acquirer = processor_of(database, our_acquirer, acquirer_stages(our_acquirer, "900000"), clock, network)
    network.processor = acquirer
    acquirer.execute([SHOP])
    for handle in ("@ada", "@bob", "@eve", "@ice"):
        bank.execute([OpenCustomer(handle=handle, name=handle.title(), opening_deposit_minor=5_000)])
    bank.execute(
        [
            ChangeCustomerState(
                customer_id=customer_id("@ice", book), new_state=CustomerState.FROZEN, reference="court order"
            ),
            OpenProduct(reference="1", name="saver", effective_on=date(2026, 3, 1), tiers=((0, 400),)),
            OpenSavings(reference="1", customer_id=customer_id("@eve", book), product="saver", opening_minor=2_000),
        ]
    )
    doors = Doors(acquirer=acquirer, bank=bank, clock=clock, tokens=tokens)
    with writing(bank, acquirer), serving(doors) as http:
        yield World(http, tokens, network, bank, acquirer, book)


def once(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid4().hex}


def payment(**changes: object) -> dict[str, Any]:
    return {
        "merchant_id": "M1",
        "pan": CARD,
        "expiry": "2912",
        "cvc": "123",
        "amount_minor": 1_250,
        "currency": "USD",
        **changes,
    }


def error(answer: httpx.Response, status: int) -> dict[str, str | None]:
    """The envelope, checked for its form and for what must never be in it."""
    assert answer.status_code == status, answer.text
    assert CARD not in answer.text and "Traceback" not in answer.text
    body = answer.json()
    assert list(body) == ["error"] and set(body["error"]) == {"type", "code", "message", "param"}
    assert body["error"]["message"].endswith(".")
    found: dict[str, str | None] = body["error"]
    return found


def test_health_says_that_all_is_well(world: World) -> None:
    answer = world.http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "well")


def test_counts_of_links_are_for_everybody_and_the_links_themselves_for_operators(world: World) -> None:
    assert world.http.get("/metrics").text.startswith("# HELP bezant_links ")
    assert world.http.get("/links").status_code == 401
    assert world.http.get("/links", headers={"Authorization": f"Bearer {world.tokens.of_operator('eve')}"}).json() == []


def test_a_transfer_is_made_once_and_seen_by_its_two_people_alone(world: World) -> None:
    headers = world.person("@ada") | once("lunch")
    body = {"handle": "Bob", "amount_minor": 700, "note": "lunch"}
    first = world.http.post("/transfers", headers=headers, json=body)
    again = world.http.post("/transfers", headers=headers, json=body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = world.http.post("/transfers", headers=headers, json=body | {"amount_minor": 701})
    assert error(other, 409)["type"] == "idempotency_error"
    place = f"/transfers/{first.json()['id']}"
    for handle in ("@ada", "@bob"):
        assert world.http.get(place, headers=world.person(handle)).json() == first.json()
    assert error(world.http.get(place, headers=world.person("@eve")), 404)["code"] == "unknown_transfer"
    wallets = [world.http.get("/customers/me", headers=world.person(one)).json() for one in ("@ada", "@bob")]
    assert [(one["handle"], one["available_minor"], one["ledger_minor"]) for one in wallets] == [
        ("@ada", 4_300, 4_300),
        ("@bob", 5_700, 5_700),
    ]


def test_a_customer_sees_savings_beside_the_wallet(world: World) -> None:
    eve = world.http.get("/customers/me", headers=world.person("@eve")).json()
    assert (eve["available_minor"], [one["balance_minor"] for one in eve["savings"]]) == (3_000, [2_000])


@pytest.mark.parametrize(
    ("sender", "change", "code", "param"),
    [
        ("@eve", {"handle": "@nobody"}, "unknown_handle", "handle"),
        ("@eve", {"handle": "@eve"}, "same_person", "handle"),
        ("@eve", {"amount_minor": 3_001}, "insufficient_funds", "amount_minor"),
        ("@eve", {"currency": "EUR"}, "wrong_asset", "currency"),
        ("@eve", {"note": "a\nb"}, "note_malformed", "note"),
        ("@ice", {}, "account_frozen", None),
    ],
)
def test_a_transfer_is_refused_in_words(
    world: World, sender: str, change: dict[str, object], code: str, param: str | None
) -> None:
    body = {"handle": "@bob", "amount_minor": 1, **change}
    told = error(world.http.post("/transfers", headers=world.person(sender) | once(), json=body), 402)
    assert (told["code"], told["param"]) == (code, param)


def test_a_payment_is_asked_once_however_often_it_is_posted(world: World) -> None:
    headers, before = world.shop() | once("order-1"), len(world.network.asked)
    first = world.http.post("/payments", headers=headers, json=payment())
    again = world.http.post("/payments", headers=headers, json=payment())
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    shown = first.json()
    assert (shown["status"], shown["response_code"], shown["approval_code"]) == ("captured", "00", "123456")
    assert (shown["card"], shown["amount_minor"], shown["reasons"]) == ("400001******0001", 1_250, [])
    (asked,) = world.network.asked[before:]
    assert (asked.pos_entry_mode, asked.pos_condition_code, asked.mcc) == ("812", "59", "5999")
    assert asked.cvv2 is not None and asked.cvv2.clear == "123"
    assert world.http.get(f"/payments/{shown['id']}", headers=world.shop()).json() == shown
    assert error(world.http.get(f"/payments/{shown['id']}", headers=world.shop("M2")), 404)
    other = world.http.post("/payments", headers=headers, json=payment(amount_minor=1_251))
    assert error(other, 409)["param"] == "Idempotency-Key"


def test_a_decline_is_a_payment_that_says_so(world: World) -> None:
    answer = world.http.post("/payments", headers=world.shop() | once(), json=payment(amount_minor=10_001))
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["status"], shown["response_code"], shown["approval_code"]) == ("declined", "51", None)
    assert shown["reasons"] == ["declined_by_issuer"]


def test_who_asks_again_while_the_answer_is_out_joins_the_same_payment(world: World) -> None:
    headers, before = world.shop() | once(), len(world.network.asked)
    world.network.open.clear()
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(world.http.post, "/payments", headers=headers, json=payment()) for _ in range(2)]
        while len(world.network.asked) == before:
            assert not any(one.done() for one in both)
        world.network.open.set()
        (asked,) = world.network.asked[before:]
        world.network.answer(asked)
        answers = [one.result() for one in both]
    assert [answer.json()["status"] for answer in answers] == ["captured", "captured"]
    assert answers[0].json() == answers[1].json()
    assert len(world.network.asked) == before + 1


def test_a_merchant_without_a_terminal_is_refused(world: World) -> None:
    answer = world.http.post("/payments", headers=world.shop("M9") | once(), json=payment(merchant_id="M9"))
    assert error(answer, 402)["code"] == "unknown_merchant"
    answer = world.http.post("/payments", headers=world.shop("M9") | once(), json=payment())
    assert error(answer, 403)["param"] == "merchant_id"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"pan": CARD[:-1] + "2"}, "pan"),
        ({"pan": "4" * 20}, "pan"),
        ({"pan": None}, "pan"),
        ({"pan": int(CARD)}, "pan"),
        ({"expiry": "2913"}, "expiry"),
        ({"expiry": "12/29"}, "expiry"),
        ({"cvc": "12a"}, "cvc"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 12.5}, "amount_minor"),
        ({"amount_minor": "12"}, "amount_minor"),
        ({"amount_minor": True}, "amount_minor"),
        ({"amount_minor": 10**12}, "amount_minor"),
        ({"currency": "XXX"}, "currency"),
        ({"merchant_id": ""}, "merchant_id"),
        ({"tip": 5}, "tip"),
        ({CARD: 5}, "body"),  # a card number for a name
    ],
)
def test_what_is_malformed_is_named_and_not_repeated(world: World, change: dict[str, object], param: str) -> None:
    before = len(world.network.asked)
    told = error(world.http.post("/payments", headers=world.shop() | once(), json=payment(**change)), 422)
    assert told["param"] == param and str(told["message"]).startswith(f"{param}: ")
    assert len(world.network.asked) == before


def test_every_other_error_has_the_same_form(world: World) -> None:
    http, ada = world.http, world.person("@ada")
    body = {"handle": "@bob", "amount_minor": 1}
    assert error(http.get("/nothing"), 404)["code"] == "not_found"
    assert error(http.delete("/health"), 405)["code"] == "method_not_allowed"
    assert error(http.post("/transfers", headers=ada, json=body), 422)["param"] == "Idempotency-Key"
    assert error(http.post("/transfers", headers=ada | {"Idempotency-Key": "a b"}, json=body), 422)
    json = {"Content-Type": "application/json"}
    assert error(http.post("/transfers", headers=ada | json | once(), content=b"{"), 422)["code"] == "json_invalid"
    assert error(http.post("/transfers", headers=ada | once(), content=CARD.encode()), 422)["param"] == "body"
    assert error(http.post("/transfers", headers=ada | once(), json=[1]), 422)
    assert error(http.get(f"/transfers/{CARD}", headers=ada), 422)["param"] == "transfer_id"
    large = http.post("/transfers", headers=ada | once(), json=body | {"note": "a" * 70_000})
    assert error(large, 413)["code"] == "too_large"
    unsaid = http.post("/transfers", headers=ada | once(), content=iter([b" " * 40_000] * 2))
    assert error(unsaid, 413)["code"] == "too_large"


def test_who_has_no_token_of_the_right_kind_is_told_401(world: World) -> None:
    forged = world.tokens.of_customer(customer_id("@ada", world.book))[:-1] + "x"
    for headers in (
        {},
        world.shop(),
        {"Authorization": f"Bearer {forged}"},
        {"Authorization": "Bearer bzc__"},
        {"Authorization": "Bearer \xe9"},
        {"Authorization": "Basic YQ=="},
        {"Authorization": f"Bearer {Tokens(bytes(32)).of_customer(customer_id('@ada', world.book))}"},
    ):
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = world.http.get("/customers/me", headers=sent)
        assert error(answer, 401)["type"] == "authentication_error"
        assert answer.headers["www-authenticate"] == "Bearer"
    stranger = {"Authorization": f"Bearer {world.tokens.of_customer(UUID(int=1))}"}
    assert error(world.http.get("/customers/me", headers=stranger), 404)["code"] == "unknown_customer"
    assert error(world.http.post("/payments", headers=world.person("@ada") | once(), json=payment()), 401)


def test_a_full_intake_is_429(database: Database, world: World) -> None:
    bank = world.bank.institution
    full = processor_of(database, bank, wallet_stages(bank), HandClock(), capacity=0)
    with serving(Doors(acquirer=world.acquirer, bank=full, clock=HandClock(), tokens=world.tokens)) as http:
        answer = http.post("/transfers", headers=world.person("@ada") | once(), json=SMALL)
        assert error(answer, 429)["type"] == "rate_limit_error"
        assert answer.headers["retry-after"] == "1"


def test_books_out_of_reach_are_503(world: World) -> None:
    nowhere = Processor(
        institution=world.bank.institution,
        stages=(),
        engine=Database("postgresql://bezant:secret@127.0.0.1:1/bezant", b"").owner(),
        hsm=hsm_of("bank"),
        clock=HandClock(),
        network=world.network,
    )
    with serving(Doors(acquirer=world.acquirer, bank=nowhere, clock=HandClock(), tokens=world.tokens)) as http:
        for place in ("/health", "/customers/me"):
            answer = http.get(place, headers=world.person("@ada"))
            assert error(answer, 503)["code"] == "unavailable"
            assert "127.0.0.1" not in answer.text and "secret" not in answer.text
    unwell = Doors(acquirer=world.acquirer, bank=world.bank, clock=HandClock(), tokens=world.tokens, well=lambda: False)
    with serving(unwell) as http:
        assert error(http.get("/health"), 503)["code"] == "not_well"


def test_a_bug_is_500_and_costs_one_request_only(database: Database, world: World) -> None:
    def broken(*_: object) -> Any:
        raise AssertionError("a bug, as the test wants it")

    bank = world.bank.institution
    transfers, savings = wallet_stages(bank)
    buggy = processor_of(database, bank, (replace(transfers, decide=broken), savings), HandClock())
    doors = Doors(acquirer=world.acquirer, bank=buggy, clock=HandClock(), tokens=world.tokens, well=broken)
    with writing(buggy), serving(doors) as http:
        answers = [
            http.post("/transfers", headers=world.person("@ada") | once(), json=SMALL),  # where the rules are wrong
            http.get("/health"),  # where the route is
        ]
        assert [error(answer, 500)["code"] for answer in answers] == ["internal", "internal"]
        assert not any("as the test wants it" in answer.text for answer in answers)
        assert http.get("/customers/me", headers=world.person("@ada")).status_code == 200


def test_openapi_describes_the_routes_and_their_errors(world: World) -> None:
    described = world.http.get("/openapi.json").json()
    assert {
        "/health",
        "/payments",
        "/payments/{payment_id}",
        "/transfers",
        "/transfers/{transfer_id}",
        "/customers/me",
    } <= set(described["paths"])
    for methods in described["paths"].values():
        for operation in methods.values():
            assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "ErrorEnvelope"
            )


def test_no_card_number_or_verification_value_is_left_in_the_acquirers_tables(world: World) -> None:
    world.http.post("/payments", headers=world.shop() | once(), json=payment(cvc="987"))
    with world.acquirer.engine.connect() as connection:
        schema = world.acquirer.institution.schema_name
        tables = connection.execute(
            text("select table_name from information_schema.tables where table_schema = :schema"), {"schema": schema}
        ).scalars()
        for table in tables.all():
            rows = connection.execute(text(f'select cast(t as text) from "{table}" t')).scalars().all()
            assert not any(CARD in row or '"987"' in row for row in rows), table
