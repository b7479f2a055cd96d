"""Showing and tokenising card numbers: by permission, and written down before anything is shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from engine.crypto.door import Hsm
from engine.database.connections import Database
from engine.vault.access import Access, AccessRefused, Permission, read_accesses, show, tokenise
from engine.vault.vault import Vault
from engine.vocabulary.errors import FormatError
from engine.vocabulary.identifiers import Pan
from tests.world import hsm_of, open_institution_for_tests

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PAN = Pan("4000010000000019")
ALL = frozenset(Permission)


@pytest.fixture(scope="module")
def engine(database: Database) -> Engine:
    open_institution_for_tests(database, "watched", "100055", "issuer")
    return database.institution("watched")


@pytest.fixture(scope="module")
def hsm() -> Hsm:
    return hsm_of("watched")


def written(engine: Engine, actor: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [
            (one["action"], one["token"], one["granted"], one["reason"])
            for one in read_accesses(connection, 100)
            if one["actor"] == actor
        ]


def test_who_may_sees_and_who_may_not_does_not_and_both_are_written_down(engine: Engine, hsm: Hsm) -> None:
    vault = Vault(hsm, engine.connect)
    (token,) = tokenise(engine, vault, Access("operator:ann", "1", "import", ALL), [PAN], NOW)
    assert show(engine, hsm, Access("operator:ann", "2", "dispute 7", ALL), [token], NOW) == {token: PAN}
    nobody = Access("operator:ned", "1", "curious", frozenset())
    with pytest.raises(AccessRefused) as refused:
        show(engine, hsm, nobody, [token], NOW)
    with pytest.raises(AccessRefused):
        tokenise(engine, vault, nobody, [Pan("4000010000000027")], NOW)
    assert PAN.clear not in str(refused.value)
    assert sorted(written(engine, "operator:ann"), key=str) == [
        ("show", token, True, "dispute 7"),
        ("tokenise", token, True, "import"),
    ]
    assert {(action, granted) for action, _, granted, _ in written(engine, "operator:ned")} == {
        ("show", False), ("tokenise", False),
    }  # fmt: skip
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from pans")).scalar_one() == 1, "what was refused is not kept"


def test_asked_again_under_the_same_reference_is_one_access(engine: Engine, hsm: Hsm) -> None:
    (token,) = Vault(hsm, engine.connect).keep([PAN], NOW)
    for _ in range(2):
        show(engine, hsm, Access("operator:bea", "1", "call back", ALL), [token], NOW)
    assert len(written(engine, "operator:bea")) == 1


@pytest.mark.parametrize("statement", ["delete from vault_accesses", "update vault_accesses set actor = 'nobody'"])
def test_what_is_written_down_stays(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(statement))


@pytest.mark.parametrize(("actor", "reason"), [("", "x"), ("a", " "), ("a", "x" * 201), ("a", f"for {PAN.clear}")])
def test_an_access_without_actor_or_reason_or_with_a_card_number_in_it_is_none(actor: str, reason: str) -> None:
    with pytest.raises(FormatError) as refused:
        Access(actor, "1", reason, ALL)
    assert PAN.clear not in str(refused.value)
