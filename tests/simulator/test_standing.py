"""The standing world, as a process of its own: whoever calls finds it, and it goes when it is told to."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from api import cli
from api.clock import MachineClock
from api.settings import load_settings
from api.tokens import Tokens
from engine.vocabulary.messages import NetworkManagementRequest
from gateways.asking import Asker
from gateways.iso8583.matching import MANAGEMENT_KEY
from gateways.iso8583.messages import to_fields
from gateways.iso8583.specifications import SIMNET
from simulator.population import Kind
from simulator.standing import holders, townspeople
from tests.api.processes import PORTS, bezant_process, free_ports

READY = "Try: bezant pos purchase"
OTHER_KEY = "0f" * 32

Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Up:
    """A running `bezant up`: its surroundings, and what it has shown."""

    environment: Mapping[str, str]
    shown: str


@pytest.fixture(scope="module")
def up(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    environment = {
        "BEZANT_DATABASE_URL": database_url,
        "BEZANT_DATA_FOLDER": str(tmp_path_factory.mktemp("up")),
        "BEZANT_LOG_LEVEL": "warning",
        "COLUMNS": "80",
        **free_ports(),
    }
    with bezant_process(environment, "up") as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if READY in line:
                break
        assert lines and READY in lines[-1], running.communicate()[1]
        yield Up(environment, "".join(lines))


@pytest.fixture
def bezant(up: Up, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command beside it: status, output and errors."""
    for name, value in {**up.environment, "COLUMNS": "160"}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_it_shows_where_everything_is_and_whose_cards_there_are(up: Up, bezant: Run) -> None:
    for port in PORTS:
        assert f"127.0.0.1:{up.environment[port]}" in up.shown
    first = next(holders(load_settings(), townspeople()))
    assert first.plastic.pan.clear in up.shown
    assert first.plastic.pin in up.shown


def test_a_purchase_is_approved_and_shown_with_both_messages_masked(bezant: Run) -> None:
    status, shown, errors = bezant("pos", "purchase", "--amount", "12.34")
    assert (status, errors) == (0, "")
    plastic = next(holders(load_settings(), townspeople())).plastic
    for expected in ("12.34 USD", "approved", "0100 (authorization request)", "0110 (authorization request response)"):
        assert expected in shown
    assert plastic.pan.masked in shown
    assert plastic.pan.clear not in shown
    assert plastic.track2.clear not in shown


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (("--amount", "99999.00"), "declined: insufficient funds"),
        (("--amount", "1.00", "--pin", "0000000"), "declined: incorrect pin"),
        (("--amount", "1.00", "--card", "6000090000000000", "--expiry", "3001"), "declined: no such issuer"),
        (("--amount", "0.07", "--terminal", "M006T002"), "approved"),
        (("--amount", "3.00", "--entry", "contactless"), "approved"),
        (("--amount", "3.00", "--entry", "magstripe"), "approved"),
        (("--amount", "3.00", "--entry", "magstripe", "--terminal", "M001T001"), "declined offline: insert the card"),
        (("--amount", "3.00", "--broken-chip"), "magnetic stripe, chip failed"),
        (("--amount", "3.00", "--entry", "ecommerce"), "approved"),
        (("--amount", "3.00", "--entry", "ecommerce", "--expiry", "3912"), "declined: "),
        (("--amount", "3.00", "--entry", "manual"), "approved"),
        (("--amount", "600.00", "--entry", "contactless"), "declined offline: the amount is too large for a tap"),
        (("--amount", "60.00", "--entry", "contactless", "--pin", "0000000"), "declined: incorrect pin"),
        (("--amount", "3.00", "--cashback", "20.00"), "cash back in it"),
        (("--amount", "20.00", "--tip", "2.00", "--terminal", "M006T001"), "22.00 USD"),
    ],
)
def test_what_the_bank_says_is_on_the_receipt(bezant: Run, words: tuple[str, ...], result: str) -> None:
    status, shown, errors = bezant("pos", "purchase", *words)
    assert (status, errors) == (0, "")
    assert result in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--amount", "1.234"), "--amount: an amount of USD looks like"),
        (("--amount", "0"), "--amount: more than nothing"),
        (("--amount", "1", "--card", "123", "--expiry", "3001"), "--card: a card number has 12 to 19 digits"),
        (("--amount", "1", "--card", "6000090000000000"), "give its --expiry"),
        (("--amount", "1", "--expiry", "30-01"), "--expiry has 4 digits"),
        (("--amount", "1", "--pin", "12a4"), "--pin has 4 to 12 digits"),
        (("--amount", "1", "--terminal", "X"), "There is no terminal 'X' in town"),
        (("--amount", "1", "--card", "@nobody"), "nobody in town is called @nobody"),
        (("--amount", "1", "--entry", "ecommerce", "--terminal", "M001T001"), "at a counter, not a web shop"),
        (("--amount", "1", "--tip", "1", "--cashback", "1"), "do not go together"),
        (("--amount", "1", "--cashback", "1", "--entry", "ecommerce"), "--cashback needs a card at the counter"),
        (("--amount", "1", "--expiry", "3001"), "--expiry is typed"),
    ],
)
def test_what_cannot_be_bought_is_told_in_one_line(bezant: Run, words: tuple[str, ...], reason: str) -> None:
    status, _, error = bezant("pos", "purchase", *words)
    assert (status, error.count("\n")) == (1, 1)
    assert reason in error


def test_a_shop_takes_a_payment_over_http_with_the_token_that_is_shown(up: Up, bezant: Run) -> None:
    shop = next(shop for shop in townspeople().shops if shop.kind is Kind.ONLINE)
    settings = load_settings()
    token = Tokens(settings.master_key_bytes()).of_merchant(shop.merchant_id)
    assert token in up.shown
    plastic = next(holders(settings, townspeople())).plastic
    payment = {
        "merchant_id": shop.merchant_id,
        "pan": plastic.pan.clear,
        "expiry": plastic.expiry,
        "cvc": plastic.cvv2,
        "amount_minor": 250,
    }
    asked = urllib.request.Request(
        f"http://127.0.0.1:{settings.api_port}/payments",
        data=json.dumps(payment).encode(),
        headers={
            "authorization": f"Bearer {token}",
            "idempotency-key": "order-1",
            "content-type": "application/json",
        },
    )
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert json.load(answer)["status"] == "captured"


@pytest.mark.parametrize("host", ["api", "acquirer", "network", "issuer", "jobs"])
def test_every_host_of_it_is_well(bezant: Run, host: str) -> None:
    status, shown, error = bezant("health", host)
    assert (status, shown, error) == (0, f"The host {host} is well.\n", "")


def test_its_books_are_proven_while_it_stands(bezant: Run) -> None:
    status, shown, error = bezant("audit")
    assert (status, error) == (0, "")
    assert "Books proven" in shown


def test_seeding_it_again_changes_nothing(bezant: Run) -> None:
    assert bezant("seed")[:2] == (0, "The test world has 36 people and 24 shops.\n")


def signed_on(member_id: str, port: str) -> str:
    """DE 39 of the network's answer to a member's sign-on."""
    clock = MachineClock()
    request = to_fields(
        NetworkManagementRequest(
            stan="000001",
            transmitted_at=clock.now().replace(microsecond=0),
            information_code="001",
            member_id=member_id,
        )
    )

    async def asked() -> str:
        asker = Asker(
            "127.0.0.1",
            int(port),
            SIMNET,
            key_elements=MANAGEMENT_KEY,
            clock=clock,
            timeout=timedelta(seconds=10),
        )
        await asker.open()
        try:
            return (await asker.ask(request))["39"]
        finally:
            await asker.close()

    return asyncio.run(asked())


def test_a_new_institution_signs_on_once_the_network_has_admitted_it(bezant: Run, up: Up) -> None:
    port = up.environment["BEZANT_NETWORK_PORT"]
    options = ("--member-id", "100009", "--role", "issuer", "--time-zone", "Europe/Berlin")
    assert bezant("institutions", "add", "eastbank", *options)[0] == 0
    assert signed_on("100009", port) == "92"
    for _ in range(2):
        status, shown, error = bezant("network", "admit", "eastbank", "--account-range", "40000900")
        assert (status, error) == (0, "") and "may sign on" in shown
    assert signed_on("100009", port) == "00"
    status, _, error = bezant("network", "admit", "settlement")
    assert (status, error.count("\n")) == (1, 1) and "members are issuers and acquirers" in error
    status, _, error = bezant("network", "admit", "eastbank", "--account-range", "40000100")
    assert (status, error.count("\n")) == (1, 1) and "The account range 40000100 cannot be eastbank's" in error


def test_a_second_one_meets_a_busy_port_and_says_so(bezant: Run, up: Up) -> None:
    status, _, error = bezant("up")
    assert (status, error.count("\n")) == (1, 1)
    assert f"port {up.environment['BEZANT_NETWORK_PORT']} on 127.0.0.1 is busy" in error
    assert "BEZANT_NETWORK_PORT" in error


def test_nobody_at_the_port_is_one_line(bezant: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, port in free_ports().items():
        monkeypatch.setenv(name, port)
    status, _, error = bezant("pos", "purchase", "--amount", "1.00")
    assert (status, error.count("\n")) == (1, 1)
    assert "is it running?" in error
    assert bezant("health", "acquirer")[0] == 1


@pytest.mark.parametrize("words", [("pos", "purchase", "--amount", "1.00"), ("seed",)])
def test_under_a_key_of_ones_own_there_is_no_test_world(
    bezant: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BEZANT_MASTER_KEY", OTHER_KEY)
    status, _, error = bezant(*words)
    assert (status, error.count("\n")) == (1, 1)
    assert "lives under the test master key" in error


def test_wrong_pins_are_counted_by_the_issuer_however_the_card_comes_in(bezant: Run) -> None:
    person = next(one.person for one in holders(load_settings(), townspeople()) if one.person.bank == "southbank")
    wrong = ("--card", f"@{person.handle}", "--pin", "0000000", "--amount", "60.00")
    for entry in ("chip", "contactless", "magstripe"):
        assert "declined: incorrect pin" in bezant("pos", "purchase", *wrong, "--entry", entry)[1]
    right = ("--card", f"@{person.handle}", "--amount", "60.00")
    assert "declined: pin tries exceeded" in bezant("pos", "purchase", *right)[1]
    assert "approved" in bezant("pos", "purchase", *right[:2], "--amount", "2.00", "--entry", "contactless")[1]


def test_a_chip_is_traced_without_number_track_or_pin_and_counts_from_purchase_to_purchase(up: Up, bezant: Run) -> None:
    first = next(holders(load_settings(), townspeople()))
    plastic = first.plastic
    counters = []
    for _ in range(2):
        status, shown, errors = bezant("pos", "purchase", "--amount", "4.00", "--trace")
        assert (status, errors) == (0, "")
        for command in ("SELECT", "GET PROCESSING OPTIONS", "READ RECORD", "GENERATE AC"):
            assert f"> {command}" in shown
        assert plastic.pan.masked in shown
        assert plastic.pan.clear not in shown.replace(" ", "")
        counters += re.findall(r"ATC +([0-9]+)", shown)
    assert int(counters[1]) == int(counters[0]) + 1
    kept = Path(up.environment["BEZANT_DATA_FOLDER"]) / "chips" / f"{first.person.bank}-{first.person.handle}.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert "pin" not in json.loads(kept.read_text())
    kept.write_text("[]")
    status, _, error = bezant("pos", "purchase", "--amount", "4.00")
    assert (status, "is not what a chip or PIN pad remembers" in error) == (1, True)
    kept.unlink()
