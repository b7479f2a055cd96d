"""Nothing that was presented on the day is found in a table, a log line or a file, but for encrypted card numbers and
the clearing files, which carry card numbers as the standard has it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from engine.vocabulary.messages import AuthorizationRequest
from tests.simulation.copies import copied
from tests.simulation.played import PlayedDay
from tests.simulation.secrets import Secrets, columns_named_so, search

CLEARING = ("clearing-", "confirmed-")
"""What files with clear card numbers are called."""


@pytest.fixture(scope="module")
def secrets(played: PlayedDay) -> Secrets:
    return Secrets(played.record.population, played.requests)


def test_the_day_used_secrets_of_every_kind(secrets: Secrets) -> None:
    kinds = {kind for kind, _ in secrets.patterns}
    assert {"card number", "track 2, behind the separator", "PIN block", "key"} <= kinds
    assert sum(kind == "card number" for kind, _ in secrets.patterns) > 250
    assert len([secret for kind, secret in secrets.patterns if kind == "PIN block"]) > 100
    asked = [request for request in secrets.requests if isinstance(request, AuthorizationRequest)]
    assert len({request.cvv2.clear for request in asked if request.cvv2 is not None}) > 5


def test_no_table_holds_a_secret(played: PlayedDay, secrets: Secrets) -> None:
    with played.system() as system, system.database.owner().connect() as connection:
        assert list(search(secrets, connection)) == []
        assert columns_named_so(connection) == []


def test_no_log_line_holds_a_secret_even_before_it_is_masked(played: PlayedDay, secrets: Secrets) -> None:
    assert "message lost on the wire" in played.log and "message lost on the wire" in played.told, (
        "somebody was listening"
    )
    assert list(secrets.found_in("log", played.log)) == []
    assert list(secrets.found_in("log before masking", played.told)) == []


def test_no_file_but_those_of_clearing_holds_a_secret(played: PlayedDay, secrets: Secrets) -> None:
    files = [path for path in played.settings.data_folder.rglob("*") if path.is_file()]
    clearing = [path for path in files if path.name.startswith(CLEARING)]
    others = [path for path in files if path not in clearing]
    assert clearing and others
    for path in others:
        assert list(secrets.found_in(path.name, path.read_bytes().decode("latin-1"))) == []
    for path in clearing:
        found = {kind for _, kind in secrets.found_in(path.name, path.read_bytes().decode("latin-1"))}
        assert found <= {"card number", "card number in EBCDIC, as hexadecimal"}, "card numbers and nothing else"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.fixture(scope="module")
def leaking(played: PlayedDay, secrets: Secrets) -> Iterator[set[tuple[str, str]]]:
    """What is found in a copy of the day's database with something planted in each of several tables."""
    by_kind = dict(secrets.patterns)
    block = bytes.fromhex(by_kind["PIN block"])
    cvv2 = next(
        request.cvv2.clear
        for request in secrets.requests
        if isinstance(request, AuthorizationRequest) and request.cvv2 is not None
    )
    plants: tuple[tuple[str, object], ...] = (
        ("update i_bank.authorizations set merchant_name = %s", f"to {by_kind['card number']}, thanks"),
        ("update i_northbank.pans set ciphertext = %s", by_kind["card number"].encode()),
        ("update i_acquirer.requests set fingerprint = %s", block),
        ("update i_simnet.exchanges set rrn = %s", block.hex().upper()),
        ("update i_southbank.set_aside set error = %s", f"={by_kind['track 2, behind the separator']}?"),
        ("update i_acquirer.payments set reasons = jsonb_build_object('cvv2', %s::text)", cvv2),
        ("update i_bank.requests set kind = %s", f"9203{cvv2}"),
        ("update i_bank.key_blocks set check_value = %s", by_kind["key"]),
    )
    with copied(played.settings.database_url) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "insert into i_southbank.set_aside values (gen_random_uuid(), 'x', 'x', 'x', now())"
            )
            for statement, planted in plants:
                assert connection.exec_driver_sql(statement, (planted,)).rowcount
            yield set(search(secrets, connection))
        engine.dispose()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("i_bank.authorizations.merchant_name", "card number"),
        ("i_northbank.pans.ciphertext", "card number"),
        ("i_acquirer.requests.fingerprint", "PIN block, as bytes"),
        ("i_simnet.exchanges.rrn", "PIN block"),
        ("i_southbank.set_aside.error", "track 2, behind the separator"),
        ("i_acquirer.payments.reasons", "something with a secret's name"),
        ("i_bank.requests.kind", "CVV2 in DE 48"),
        ("i_bank.key_blocks.check_value", "key"),
    ],
)
def test_the_search_finds_what_was_planted(leaking: set[tuple[str, str]], place: str, kind: str) -> None:
    assert (place, kind) in leaking


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "x", "cvv2": "123"}',
        "AuthorizationRequest(expiry='2812', cvv2='123')",
        "track2=Secret('4000",
        "pin: 4711",
    ],
)
def test_the_search_finds_a_name_with_a_value(secrets: Secrets, line: str) -> None:
    assert ("log", "something with a secret's name") in set(secrets.found_in("log", line))


@pytest.mark.parametrize(
    "line",
    ['"cvv2": "[hidden]"', "cvv2=Secret(***)", "pin_tries_left=300", "pan=Pan(400001******1234)", '"pvv": "1234"'],
)
def test_the_search_lets_pass_what_is_masked(secrets: Secrets, line: str) -> None:
    assert list(secrets.found_in("log", line)) == []
