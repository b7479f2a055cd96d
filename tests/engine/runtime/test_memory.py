"""Batches decided from memory: the facts are those of batches by locks, whoever else is at work in the meantime.

A writer that is left in doubt whether a batch was committed begins another chain; one that knows goes on in its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise
from threading import Event, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from engine.database.connections import Database
from engine.database.pipeline import Parcel
from engine.ledger.audit import LEDGER_PROOFS
from engine.ledger.journals.model import CorrectJournal, LinkedJournals, PostJournal, Request
from engine.ledger.store import UPDATE_UNMOVED
from engine.runtime.batch import KEY_REUSED
from engine.runtime.memory import LONGEST_SPELL, Memory
from engine.vocabulary.decision import Answer
from tests.engine.ledger.bank import Bank
from tests.engine.ledger.books import BANK_OPENING, TODAY, available, closing, held, move, opening, paid_in

FACTS = """
select request_id::text, line, debit, credit, amount_minor, debit_number, credit_number, debit_after, credit_after,
       debit_held_after, credit_held_after from entries order by request_id, line
"""
_numbers = count(1)


def _bank(database: Database) -> Bank:
    return Bank(database, f"memory{next(_numbers)}")


@pytest.fixture
def bank(database: Database) -> Bank:
    """Ann has 100, Bob nothing and no more than 60; the writer has seen both."""
    bank = _bank(database)
    assert bank.told(BANK_OPENING, opening("ann"), opening("bob", 60)) == ["ok"] * 3
    assert bank.told(paid_in("ann", 100)) == ["ok"]
    return bank


def pay(reference: str, amount_minor: int, payer: str = "ann", payee: str = "bob") -> PostJournal:
    """From one to the other."""
    return PostJournal(reference=reference, postings=(move(available(payer), available(payee), amount_minor),))


def hold(reference: str, amount_minor: int) -> PostJournal:
    """Out of what Ann may spend."""
    return PostJournal(reference=reference, postings=(move(available("ann"), held("ann"), amount_minor),))


def chains(bank: Bank) -> int:
    """How often a writer began anew."""
    ((number,),) = bank.rows("select count(*)::int from chains")
    assert isinstance(number, int)
    return number


def test_a_batch_from_memory_goes_on_in_its_writers_chain(bank: Bank) -> None:
    before = chains(bank)
    assert bank.told(pay("1", 30), pay("2", 30), pay("3", 1), pay("4", 50, "bob", "ann")) == [
        "ok",
        "ok",
        "would_exceed_limit",
        "ok",
    ]
    assert bank.told(hold("h", 90), pay("5", 1)) == ["ok", "would_go_below_limit"]
    assert chains(bank) == before
    assert bank.findings(LEDGER_PROOFS) == []


def test_what_another_writer_has_moved_is_seen(bank: Bank) -> None:
    other = bank.another()
    assert [answer and answer.code for answer in other.execute([pay("other", 60)])] == ["ok"]
    before = chains(bank)
    assert bank.told(pay("1", 41)) == ["would_go_below_limit"], "40 are left, though 100 are remembered"
    assert chains(bank) == before
    assert bank.findings(LEDGER_PROOFS) == []


def test_a_refusal_from_memory_is_not_given_when_another_writer_has_paid_in(bank: Bank) -> None:
    other = bank.another()
    assert [answer and answer.code for answer in other.execute([paid_in("ann again", 1)])] == ["account_missing"]
    more = PostJournal(reference="more", postings=paid_in("ann", 500).postings)
    assert [answer and answer.code for answer in other.execute([more])] == ["ok"]
    assert bank.told(pay("1", 60), hold("h", 540)) == ["ok", "ok"]
    assert bank.findings(LEDGER_PROOFS) == []


def test_what_another_writer_holds_is_seen_in_the_entries(bank: Bank) -> None:
    other = bank.another()
    assert [answer and answer.code for answer in other.execute([hold("h", 25)])] == ["ok"]
    assert bank.told(pay("1", 10)) == ["ok"]
    held_then = "select debit_after, debit_held_after from entries order by debit_number desc limit 1"
    assert bank.rows(held_then) == [(65, 25)]


def test_an_account_that_another_writer_has_closed_takes_nothing(bank: Bank) -> None:
    other = bank.another()
    assert [answer and answer.code for answer in other.execute([closing("bob")])] == ["ok"]
    assert bank.told(pay("1", 10)) == ["account_closed"]
    assert bank.findings(LEDGER_PROOFS) == []


def test_an_account_opened_by_another_writer_is_read_when_it_is_named(bank: Bank) -> None:
    assert bank.told(pay("1", 10, "ann", "cleo")) == ["account_missing"]
    other = bank.another()
    assert [answer and answer.code for answer in other.execute([opening("cleo")])] == ["ok"]
    before = chains(bank)
    assert bank.told(pay("2", 10, "ann", "cleo")) == ["ok"]
    assert chains(bank) == before


def test_a_repeat_hears_the_first_answer_whoever_gave_it(bank: Bank) -> None:
    other = bank.another()
    first = bank.asked(pay("1", 30), pay("2", 300))
    theirs = other.execute([pay("3", 30), pay("4", 300)])
    assert bank.asked(pay("1", 30), pay("2", 300), pay("3", 30), pay("4", 300)) == [*first, *theirs]
    assert bank.told(pay("1", 31), pay("3", 31)) == [KEY_REUSED] * 2
    assert bank.asked(*[pay("5", 1, "bob", "ann")] * 2, pay("5", 2, "bob", "ann"))[-1] == Answer(
        KEY_REUSED, (KEY_REUSED,)
    )
    assert bank.rows("select count(*)::int from entries") == [(4,)]


def test_a_reference_that_another_request_has_used_is_told_though_no_journal_was_read(bank: Bank) -> None:
    assert bank.told(pay("1", 30), CorrectJournal(reference="c", corrects="1", effective_on=TODAY)) == ["ok", "ok"]
    assert bank.told(PostJournal(reference="c", postings=pay("c", 1).postings)) == ["exists_with_different_content"]


@pytest.mark.parametrize("taken_by", ["a chain", "a correction"])
def test_a_refusal_is_not_given_where_the_reference_stands(bank: Bank, taken_by: str) -> None:
    asked = pay("x", 50)
    if taken_by == "a chain":
        assert bank.told(LinkedJournals(reference="chain", journals=(asked,))) == ["ok"]
        expected = "exists"
    else:
        assert bank.told(pay("0", 50), CorrectJournal(reference="x", corrects="0", effective_on=TODAY)) == ["ok"] * 2
        asked, expected = pay("x", 500), "exists_with_different_content"
    assert bank.told(pay("warm", 1)) == ["ok"]
    assert bank.told(asked) == [expected], "there are no funds for it either"


def test_a_forced_posting_to_a_closed_account_is_decided_from_memory(bank: Bank) -> None:
    assert bank.told(closing("bob")) == ["ok"]
    posting = move(available("ann"), available("bob"), 10, forced=True)
    before = chains(bank)
    assert [bank.told(PostJournal(reference=str(number), postings=(posting,))) for number in range(4)] == [["ok"]] * 4
    assert chains(bank) == before and bank.findings(LEDGER_PROOFS) == []


@pytest.mark.parametrize("instant", ["while nobody works", "on the way", "half-way out"])
def test_a_connection_that_dies_costs_nothing(
    bank: Bank, instant: str, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """What was decided on it is not remembered: the same key is answered by what stands."""
    writer = bank.another()
    assert [answer and answer.code for answer in writer.execute([pay("warm", 1)])] == ["ok"]
    assert [answer and answer.code for answer in writer.execute([pay("warm 2", 1)])] == ["ok"]

    def kill() -> None:
        with database.owner().connect() as connection:
            connection.execute(
                text("select pg_terminate_backend(pid) from pg_stat_activity where usename = :role"),
                {"role": bank.institution.login_role},
            )

    post, fatal = Parcel.post, [instant]

    def dying(parcel: Parcel, connection: Connection) -> None:
        if fatal and fatal.pop() == "half-way out":
            parcel.add("select 1 from there_is_no_such_table", ())
            post(parcel, connection)
            raise OSError("the way is broken")
        post(parcel, connection)
        if instant == "on the way":
            kill()

    if instant == "while nobody works":
        kill()
    else:
        monkeypatch.setattr(Parcel, "post", dying)
    first = writer.execute([pay("1", 10), pay("2", 10)])
    monkeypatch.undo()
    writer.engine.dispose()  # the others in the pool are as dead
    assert [answer and answer.code for answer in first] == ["ok", "ok"]
    assert writer.execute([pay("1", 10), pay("2", 10)]) == first
    assert bank.rows("select count(*)::int from journals where reference in ('1', '2')") == [(2,)]
    assert [answer and answer.code for answer in writer.execute([pay("3", 50)])] == ["would_exceed_limit"]
    assert bank.findings(LEDGER_PROOFS) == []


def test_copies_of_a_request_at_two_writers_do_not_lock_each_other_out(database: Database, bank: Bank) -> None:
    """From memory, too, accounts are locked before anything is inserted: one copy waits for the other at the accounts,
    not each at what the other has.
    """
    sent: list[str] = []
    fold_parcel = Parcel.add

    def noting(parcel: Parcel, statement: str, parameters: Sequence[str]) -> None:
        sent.append(statement)
        fold_parcel(parcel, statement, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parcel, "add", noting)
        assert bank.told(pay("1", 10), pay("2", 500)) == ["ok", "would_go_below_limit"]
    locking = [at for at, statement in enumerate(sent) if "for update" in statement or "update accounts" in statement]
    inserting = [at for at, statement in enumerate(sent) if statement.startswith("insert")]
    assert len(locking) == 2 and max(locking) < min(inserting)


def test_the_batch_that_was_decided_on_a_failed_one_is_decided_again(bank: Bank) -> None:
    """Two batches under way: the second is decided on what the first leaves, and the first turns out to be wrong."""
    writer, other = bank.another(), bank.another()
    told: list[tuple[str, str]] = []
    writer.execute([pay("warm", 1)])
    every = Event()

    def hear(name: str) -> None:
        def heard(answer: Answer) -> None:
            told.append((name, answer.code))
            if len(told) == 120:
                every.set()

        writer.submit(pay(name, 10), heard)

    thread = Thread(target=writer.serve)
    for number in range(60):
        hear(f"first {number}")
    thread.start()
    for number in range(60):
        other.execute([PostJournal(reference=f"in {number}", postings=paid_in("ann", 10).postings)])
        hear(f"second {number}")
        other.execute([pay(f"back {number}", 10, "bob", "ann")])
    assert every.wait(60)
    writer.stop()
    thread.join()
    moved = {name for name, code in told if code == "ok"}
    assert len({name for name, _ in told}) == 120, "each is answered once"
    found = {reference for (reference,) in bank.rows("select reference from journals")}
    assert moved <= found and not found & {name for name, code in told if code != "ok"}
    assert bank.findings(LEDGER_PROOFS) == []


_PEOPLE = ("ann", "bob", "cleo", "dan")


@st.composite
def _journals(draw: st.DrawFn) -> list[PostJournal]:
    number = draw(st.integers(1, 12))
    made = []
    for at in range(number):
        payer, payee = draw(st.permutations(_PEOPLE))[:2]
        postings = [move(available(payer), available(payee), draw(st.integers(1, 80)))]
        if draw(st.booleans()):
            postings.append(move(available(payer), held(payer), draw(st.integers(1, 30))))
        made.append(PostJournal(reference=f"{at}", postings=tuple(postings)))
    return made


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(journals=_journals(), cuts=st.sets(st.integers(1, 11)))
def test_from_memory_by_locks_and_with_others_between_the_facts_are_the_same(
    database: Database, journals: list[PostJournal], cuts: set[int]
) -> None:
    def standing() -> Bank:
        bank = _bank(database)
        opened: list[Request] = [BANK_OPENING, *map(opening, _PEOPLE)]
        assert set(bank.told(*opened, *(paid_in(name, 100) for name in _PEOPLE))) == {"ok"}
        return bank

    remembering, locking, taking_turns = standing(), standing(), standing()
    parts = _parts(journals, cuts)
    told = [remembering.told(*part) for part in parts]
    # A correction of nothing keeps a batch from being decided from memory.
    nothing = CorrectJournal(reference="nothing", corrects="nothing", effective_on=TODAY)
    assert told == [locking.told(*part, nothing)[:-1] for part in parts]
    writers = [taking_turns.processor, taking_turns.another()]
    assert told == [
        [answer and answer.code for answer in writers[number % 2].execute(part)] for number, part in enumerate(parts)
    ]
    assert remembering.rows(FACTS) == locking.rows(FACTS) == taking_turns.rows(FACTS)
    for bank in (remembering, locking, taking_turns):
        assert bank.findings(LEDGER_PROOFS) == []


def _parts(journals: Sequence[PostJournal], cuts: set[int]) -> list[list[PostJournal]]:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(journals)), len(journals)]
    return [list(journals[start:end]) for start, end in pairwise(bounds)]


def test_after_a_failure_batches_go_by_locks_for_twice_as_long_each_time() -> None:
    memory, spells = Memory(), []
    for _ in range(9):
        memory.failed()
        spells.append(0)
        while not memory.trusted():
            spells[-1] += 1
    assert spells == [1, 2, 4, 8, 16, 32, LONGEST_SPELL, LONGEST_SPELL, LONGEST_SPELL]
    for _ in range(LONGEST_SPELL):
        memory.succeeded()
    memory.failed()
    assert not memory.trusted() and memory.trusted()


def test_the_update_takes_its_locks_along_the_ids(database: Database, bank: Bank) -> None:
    """Nobody has locked these rows: what keeps writers from waiting for each other in a circle is the plan's order."""
    first, *others = UPDATE_UNMOVED.split("%s")
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    many = (
        "insert into accounts (id, code, asset, balance_minor, entry_count, closed)"
        " select md5(n::text)::uuid, 1, 'USD', 0, 0, false from generate_series(1, 20000) n"
    )
    with database.owner().begin() as connection:
        connection.exec_driver_sql(f"set local search_path to {bank.institution.schema_name}")
        connection.exec_driver_sql(many)
        connection.exec_driver_sql("analyze accounts")
        told = connection.exec_driver_sql(f"explain (generic_plan, costs off) {numbered}")
        plan = [line.strip(" ->") for (line,) in told]
    update = plan.index("Update on accounts t")
    assert plan[update + 1 : update + 4] == [
        "Nested Loop",
        "Function Scan on n",
        "Index Scan using accounts_pkey on accounts t",
    ]
