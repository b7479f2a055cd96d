"""The audit over several books: figures that differ, figures that do not sum to zero, and files still on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from api.audit import SAME, WORLD, ZERO, Verdict, audit
from engine.database.connections import Database
from engine.database.institutions import Institution
from engine.ledger.audit import Figure, Proof
from tests.api.standing_world import install
from tests.conftest import OpenInstitution

CYCLE = "2026-03-02 USD"
Books = dict[str, list[Figure]]
Audited = Callable[[Books], dict[str, Verdict]]

AGREED: Books = {
    "payer": [Figure("net position of payer", -150, CYCLE), Figure("closing of statement 1", 350)],
    "payee": [Figure("net position of payee", 140, CYCLE)],
    "switch": [
        Figure("net position of payer", -150, CYCLE),
        Figure("net position of payee", 140, CYCLE),
        Figure("the network's share", 10, CYCLE),
    ],
    "vault": [Figure("closing of statement 1", 350)],
}


@pytest.fixture(scope="module")
def audited(database: Database, institution: OpenInstitution, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The verdicts over institutions that show these figures, by proof."""
    installation = install(database, "auditor", tmp_path_factory.mktemp("audit"))
    members = {name: institution(name, parts=()) for name in AGREED}
    role = installation.system.roles["issuer"]

    def of(books: Books) -> dict[str, Verdict]:
        def shown(one: Institution, connection: Connection) -> list[Figure]:
            return books.get(one.name, [])

        installation.system.roles["issuer"] = replace(role, proofs=(), figures=shown)
        found = audit(installation.system, [members[name] for name in books])
        return {verdict.proof: verdict for verdict in found}

    return of


def test_books_that_agree_are_proven(audited: Audited) -> None:
    verdicts = audited(AGREED)
    assert {name: verdict.proven for name, verdict in verdicts.items()} == {SAME: True, ZERO: True}
    assert {verdict.institution for verdict in verdicts.values()} == {WORLD}


def test_a_figure_that_differs_is_named_with_both_books(audited: Audited) -> None:
    changed = AGREED | {"vault": [Figure("closing of statement 1", 349)]}
    verdicts = audited(changed)
    assert verdicts[SAME].findings == ("closing of statement 1: payer has 350, vault has 349",)
    assert verdicts[ZERO].proven


def test_what_is_still_on_its_way_is_no_finding(audited: Audited) -> None:
    assert all(verdict.proven for verdict in audited(AGREED | {"payee": [], "payer": []}).values())


def test_a_cycle_that_does_not_sum_to_zero_is_named(audited: Audited) -> None:
    changed = AGREED | {"switch": AGREED["switch"][:2]}
    assert audited(changed)[ZERO].findings == (f"the 2 figures of {CYCLE} sum to -10, not to zero",)


def test_a_proof_of_one_book_that_fails_names_it(database: Database, tmp_path: Path) -> None:
    installation = install(database, "failing", tmp_path)
    role = installation.system.roles["issuer"]

    def find(connection: Connection) -> Iterator[str]:
        yield f"row {connection.exec_driver_sql('select 7').scalar()} is wrong"

    installation.system.roles["issuer"] = replace(role, proofs=(Proof("rows are right", find),))
    verdicts: Sequence[Verdict] = list(audit(installation.system, [installation.institution]))
    assert verdicts[0] == Verdict("failing", "rows are right", ("row 7 is wrong",))
    assert [verdict.proven for verdict in verdicts] == [False, True, True]
