"""Several writers share the work of one institution: the facts are those of one writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from engine.processor import Processor
from engine.runtime.intake import IntakeFull
from engine.vocabulary.decision import Answer
from tests.engine.runtime import purse
from tests.engine.runtime.purse import OpenPurse, Pay
from tests.world import HandClock, Remembering, hsm_of, open_institution_for_tests

PARTITIONS = 3
FACTS = """
select 'entry', request_id::text, line::text, debit::text, credit::text, amount_minor::text, debit_number::text,
       credit_number::text, debit_after::text, credit_after::text from entries
union all select 'request', id::text, answer::text, '', '', '', '', '', '', '' from requests
union all select 'account', id::text, balance_minor::text, entry_count::text, '', '', '', '', '', '' from accounts
order by 1, 2, 3
"""
_numbers = count(1)


def payer_of(request: Any) -> UUID | None:
    """Whose purse pays."""
    return purse.owner_id(request.payer) if isinstance(request, Pay) else None


STAGE = replace(purse.STAGE, owner_of=payer_of)


def opened(database: Database, partitions: int, capacity: int = 1000) -> Processor:
    """A processor of an institution of its own, with so many writers."""
    number = next(_numbers)
    institution = open_institution_for_tests(database, f"shared{number}", f"91{number}", "issuer")
    with database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {institution.schema_name}")
        purse.metadata.create_all(connection)
        connection.exec_driver_sql(f"grant select, insert, update, delete on moves to {institution.login_role}")
    return Processor(
        institution=institution,
        stages=[STAGE],
        engine=database.institution(institution.name),
        hsm=hsm_of(institution.name),
        clock=HandClock(),
        network=Remembering(),
        capacity=capacity,
        partitions=partitions,
    )


def served(processor: Processor, requests: Sequence[Any]) -> dict[int, str]:
    """The answers to requests submitted while the writers run, by their place."""
    answers: dict[int, str] = {}
    finished = Event()

    def hear(place: int, answer: Answer) -> None:
        answers[place] = answer.code
        if len(answers) == len(requests):
            finished.set()

    serving = Thread(target=processor.serve)
    serving.start()
    for place, request in enumerate(requests):
        processor.submit(request, lambda answer, place=place: hear(place, answer))  # type: ignore[misc]
    assert finished.wait(60)
    processor.stop()
    serving.join()
    return answers


def facts(processor: Processor) -> list[tuple[Any, ...]]:
    """What stands in the books, apart from where it was written; they are proven first."""
    with processor.engine.connect() as connection:
        assert [finding for proof in LEDGER_PROOFS for finding in proof.find(connection)] == []
        return [tuple(row) for row in connection.execute(text(FACTS))]


def opening(names: Sequence[str]) -> list[OpenPurse]:
    """A purse for each."""
    return [OpenPurse(name, 100) for name in names]


def test_writers_on_disjoint_accounts_leave_the_same_facts_as_one(database: Database) -> None:
    # Each payer has a payee of its own, so that the order between payers does not matter.
    names = [f"p{number}" for number in range(12)]
    asked = [Pay(f"{name} {turn}", name, f"to {name}", 9) for turn in range(15) for name in names]
    asked += asked[::7]
    one, several = opened(database, 1), opened(database, PARTITIONS)
    for processor in (one, several):
        processor.execute(opening([*names, *(f"to {name}" for name in names)]))
    assert served(one, asked) == served(several, asked)
    assert facts(one) == facts(several)
    with several.engine.connect() as connection:
        chains = connection.execute(text("select count(distinct chain) from entries")).scalar_one()
    assert chains == PARTITIONS + 1, "each writer has a chain of its own, beside that of the calling thread"


def test_writers_that_meet_on_accounts_lose_nothing(database: Database) -> None:
    names = [f"p{number}" for number in range(5)]
    several = opened(database, PARTITIONS)
    several.execute(opening(names))
    asked = [Pay(str(n), names[n % 5], names[(n * 3 + 1) % 5], 1 + n % 4) for n in range(300) if (n * 3 + 1 - n) % 5]
    answers = served(several, asked)
    assert set(answers.values()) <= {"paid", "refused"} and "paid" in answers.values()
    balances = [int(row[2]) for row in facts(several) if row[0] == "account"]
    assert min(balances) == -500 and sum(balances) == 0, "equity has paid for the purses, and the purses hold it"


def test_a_full_partition_refuses_and_one_step_empties_all(database: Database) -> None:
    several = opened(database, PARTITIONS, capacity=PARTITIONS)
    several.execute(opening(["ann", "bob"]))
    several.submit(Pay("1", "ann", "bob", 1))
    with pytest.raises(IntakeFull):
        several.submit(Pay("2", "ann", "bob", 1))
    assert payer_of(Pay("2", "bob", "ann", 1)) != payer_of(Pay("2", "ann", "bob", 1)) and several.waiting == 1
    several.submit(Pay("2", "bob", "ann", 1))
    assert several.step() == 2 and several.waiting == 0
