"""The shell on a real database: batches, keys, open answers, timers, outbox, bugs, and the audit over what they
leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.database.connections import Database, DatabaseUnavailable
from engine.ledger import store
from engine.ledger.audit import LEDGER_PROOFS
from engine.processor import Processor
from engine.runtime import idempotency
from engine.runtime.batch import KEY_REUSED, UNAVAILABLE
from engine.runtime.intake import IntakeFull
from engine.runtime.stage import Outside
from engine.vocabulary.decision import Answer, Message
from engine.vocabulary.keys import key_of
from tests.engine.runtime import purse
from tests.engine.runtime.purse import Ask, Break, OpenPurse, Pay, Settle
from tests.world import HandClock, Remembering, open_institution_for_tests, processor_of

_worlds = count(1)


class World:
    """A processor of its own schema, with the purse stage."""

    def __init__(self, database: Database) -> None:
        number = next(_worlds)
        self.institution = open_institution_for_tests(database, f"purses{number}", f"90{number}", "issuer")
        with database.owner().begin() as connection:
            connection.exec_driver_sql(f"set local search_path to {self.institution.schema_name}")
            purse.metadata.create_all(connection)
            connection.exec_driver_sql(
                f"grant select, insert, update, delete on moves to {self.institution.login_role}"
            )
        self.database = database
        self.clock = HandClock()
        self.network = Remembering()
        self.processor = self.another()

    def another(self, capacity: int = 1000) -> Processor:
        """One more processor of the same institution."""
        return processor_of(self.database, self.institution, [purse.STAGE], self.clock, self.network, capacity=capacity)

    def findings(self) -> list[str]:
        """What the ledger's proofs find."""
        with self.processor.engine.connect() as connection:
            return [f"{proof.name}: {finding}" for proof in LEDGER_PROOFS for finding in proof.find(connection)]

    def scalar(self, statement: str) -> object:
        """One value."""
        with self.processor.engine.connect() as connection:
            return connection.execute(text(statement)).scalar()

    def balance(self, owner: str) -> object:
        """A purse's balance."""
        return self.scalar(f"select balance_minor from accounts where id = '{purse.purse(owner)}'")

    def plant(self, statement: str) -> None:
        """Change rows behind the program's back, as the owner."""
        with self.database.owner().begin() as connection:
            connection.exec_driver_sql(f"set local search_path to {self.institution.schema_name}")
            connection.exec_driver_sql(statement)


@pytest.fixture
def world(database: Database) -> World:
    """A fresh world with two purses."""
    world = World(database)
    world.processor.execute([OpenPurse("ann", 100), OpenPurse("bob", 50)])
    return world


def codes(answers: list[Answer | None]) -> list[str | None]:
    """The codes of answers."""
    return [None if answer is None else answer.code for answer in answers]


def test_request_n_sees_the_state_after_request_n_minus_1(world: World) -> None:
    answers = world.processor.execute(
        [Pay("1", "ann", "bob", 100), Pay("2", "ann", "bob", 1), OpenPurse("cleo", 0), Pay("3", "bob", "cleo", 150)]
    )
    assert codes(answers) == ["paid", "refused", "opened", "paid"]
    assert (world.balance("ann"), world.balance("bob"), world.balance("cleo")) == (0, 0, 150)
    assert world.findings() == []


def test_a_repeat_gets_the_earlier_answer_and_adds_nothing(world: World) -> None:
    first = world.processor.execute([Pay("1", "ann", "bob", 60), Pay("2", "ann", "bob", 60)])
    before = world.scalar("select count(*) from events"), world.scalar("select count(*) from entries")
    again = world.processor.execute([Pay("1", "ann", "bob", 60), Pay("2", "ann", "bob", 60)])
    assert codes(first) == codes(again) == ["paid", "refused"]
    assert before == (world.scalar("select count(*) from events"), world.scalar("select count(*) from entries"))


def test_a_repeat_within_one_batch_takes_effect_once(world: World) -> None:
    assert codes(world.processor.execute([Pay("1", "ann", "bob", 60)] * 3)) == ["paid"] * 3
    assert world.balance("ann") == 40


def test_the_same_key_with_other_content_is_refused(world: World) -> None:
    answers = world.processor.execute([Pay("1", "ann", "bob", 60), Pay("1", "ann", "bob", 61)])
    assert codes(answers) == ["paid", KEY_REUSED]
    assert codes(world.processor.execute([Pay("1", "bob", "ann", 60)])) == [KEY_REUSED]
    assert world.balance("ann") == 40


def test_an_open_answer_reaches_everyone_who_asked(world: World) -> None:
    heard: list[tuple[int, str]] = []
    processor = world.processor
    processor.submit(Ask("m"), lambda answer: heard.append((1, answer.code)))
    processor.step()
    processor.submit(Ask("m"), lambda answer: heard.append((2, answer.code)))
    processor.step()
    assert heard == [] and [message.body for message in world.network.sent] == ["m"]
    processor.submit(Settle("m"))
    processor.step()
    assert sorted(heard) == [(1, "done"), (2, "done")]
    assert codes(processor.execute([Ask("m")])) == ["done"]
    assert world.scalar("select count(*) from timers") == 0


def test_a_timer_closes_what_stays_open_and_a_late_word_changes_nothing(world: World) -> None:
    heard: list[str] = []
    world.processor.submit(Ask("m"), lambda answer: heard.append(answer.code))
    world.processor.step()
    assert world.processor.tick() == 0
    world.clock.move(timedelta(seconds=60))
    assert world.processor.next_due() == world.clock.now()
    other = world.another()
    assert world.processor.tick() == other.tick() == 1, "any process may fire it"
    world.processor.step()
    other.step()
    assert heard == ["late"]
    assert codes(world.processor.execute([Settle("m")])) == ["nothing to settle"]
    assert world.scalar("select count(*) from events where kind = 'Moved'") == 2


def test_an_answer_that_another_process_decides_reaches_who_waits_here(world: World) -> None:
    heard: list[Answer] = []
    world.processor.submit(Ask("m1"), heard.append)
    world.processor.step()
    world.clock.move(timedelta(minutes=1))
    other = world.another()
    assert other.tick() == 1
    other.step()
    assert heard == []
    world.processor.tick()
    world.processor.tick()
    assert [answer.code for answer in heard] == ["late"]


def test_timers_that_find_the_intake_full_fire_later(world: World) -> None:
    world.processor.execute([Ask("m1"), Ask("m2")])
    world.clock.move(timedelta(minutes=1))
    small = world.another(capacity=1)
    with pytest.raises(IntakeFull):
        small.tick()
    assert small.step() == 1
    assert small.tick() == 1
    assert small.step() == 1
    assert world.scalar("select count(*) from moves where state = 'late'") == 2


def test_a_durable_message_is_tried_until_it_is_delivered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing: Iterator[bool] = iter([False, False, True])
    tried: list[str] = []

    def deliver(message: object) -> bool:
        tried.append("tried")
        return next(refusing)

    monkeypatch.setattr(world.network, "deliver", deliver)
    world.processor.execute([Ask("m")])
    assert len(tried) == 1
    world.clock.move(timedelta(seconds=5))
    world.processor.tick()
    world.clock.move(timedelta(seconds=9))
    world.processor.tick()
    assert len(tried) == 2, "the wait doubles"
    world.clock.move(timedelta(seconds=1))
    world.processor.tick()
    assert len(tried) == 3 and world.scalar("select count(*) from outbox") == 0


def test_a_bug_costs_only_the_culprit(world: World) -> None:
    answers = world.processor.execute([Pay("1", "ann", "bob", 10), Break("x"), Pay("2", "ann", "bob", 10)])
    assert codes(answers) == ["paid", "96", "paid"]
    assert codes(world.processor.execute([Break("x")])) == ["96"]
    assert world.scalar("select request from set_aside") == "Break(reference='x')"
    assert world.balance("ann") == 80 and world.findings() == []


def test_a_database_that_goes_while_a_culprit_is_set_aside_does_not_take_the_writer_along(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*arguments: object) -> None:
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "write", gone)
        assert codes(world.processor.execute([Break("x")])) == [UNAVAILABLE]
    assert codes(world.processor.execute([Break("x"), Pay("1", "ann", "bob", 1)])) == ["96", "paid"]


requests = st.lists(
    st.one_of(
        st.builds(
            Pay,
            st.integers(0, 12).map(str),
            st.sampled_from(["ann", "bob", "cleo"]),
            st.sampled_from(["ann", "bob", "cleo"]),
            st.integers(0, 60),
        ),
        st.builds(OpenPurse, st.just("cleo"), st.integers(0, 1)),
        st.builds(Ask, st.sampled_from(["m", "n"])),
        st.builds(Settle, st.sampled_from(["m", "n"])),
    ),
    max_size=25,
)


FACTS = """
select 'entry', request_id::text, line::text, debit::text, credit::text, amount_minor::text, debit_after::text,
       credit_after::text from entries
union all select 'event', request_id::text, line::text, kind, snapshot, '', '', '' from events
union all select 'request', id::text, '', answer::text, '', '', '', '' from requests
union all select 'account', id::text, balance_minor::text, entry_count::text, '', '', '', '' from accounts
union all select 'timer', subject_id::text, name, due_at::text, '', '', '', '' from timers
order by 1, 2, 3
"""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=requests)
def test_a_batch_of_n_equals_n_batches_of_one(database: Database, asked: list[object]) -> None:
    together, apart = World(database), World(database)
    for one in (together, apart):
        one.processor.execute([OpenPurse("ann", 100), OpenPurse("bob", 50)])
    answers_together = together.processor.execute(asked)
    answers_apart = [answer for request in asked for answer in apart.processor.execute([request])]
    facts = []
    for one in (together, apart):
        with one.processor.engine.connect() as connection:
            facts.append([tuple(row) for row in connection.execute(text(FACTS))])
        assert one.findings() == []
    assert facts[0] == facts[1]
    settled_later = {request.reference for request in asked if isinstance(request, Settle)}
    for request, left, right in zip(asked, answers_together, answers_apart, strict=True):
        if not (isinstance(request, Ask) and request.reference in settled_later):
            assert left == right


def test_writers_on_the_same_accounts_lose_nothing(world: World) -> None:
    processors = [world.another() for _ in range(4)]
    world.processor.execute([OpenPurse(f"p{n}", 1000) for n in range(6)])

    def work(number: int, processor: Processor) -> None:
        for turn in range(15):
            processor.execute(
                [Pay(f"{number}.{turn}.{n}", f"p{(n + number) % 6}", f"p{(n * 5 + turn) % 6}", 3) for n in range(6)]
                + [Pay(f"shared {turn}", "p0", "p1", 1)]
            )

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(processors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.scalar("select sum(balance_minor) from accounts where code = 2100") == 6150
    assert world.scalar("select count(*) from entries where amount_minor = 1") == 15
    assert world.findings() == []


_ENTRY = "insert into entries select chain, sequence{later}, position + 90, request_id, line{other}, debit, credit, "
_ENTRY += (
    "amount_minor, kind, subject_id, effective_on, forced, corrects, debit_number + 90, credit_number + 90, "
    "debit_after, credit_after, debit_held_after, credit_held_after, occurred_at from entries "
    "where request_id = '{{request}}'"
)
_FLOOR = "alter table accounts drop constraint accounts_balance_at_least_floor_check"

Plant = tuple[str, *tuple[tuple[str, str], ...]]
"""A statement, and of each proof that it breaks a part of what is found."""

PLANTED: dict[str, Plant] = {
    "a balance": (
        "update accounts set balance_minor = balance_minor + 1 where id = '{ann}'",
        ("balances equal their entries", "{ann}"),
        ("the book nets to zero", "USD is off by -1"),
    ),
    "a count of entries": (
        "update accounts set entry_count = 1 where id = '{ann}'",
        ("balances equal their entries", "{ann} (customer available): 1 entries were written, 4 are there"),
    ),
    "a balance beyond its limit": (
        f"{_FLOOR}; update accounts set balance_minor = -1 where id = '{{ann}}'",
        ("no balance is beyond its limits", "{ann} (customer available): balance -1 is below its floor 0"),
    ),
    "an account that is gone": (
        "delete from accounts where id = '{ann}'",
        ("entries join accounts of one asset", "{request}"),
    ),
    "an account of another asset": (
        "update accounts set asset = 'EUR' where id = '{ann}'",
        ("entries join accounts of one asset", "{request}"),
    ),
    "an entry that is gone": (
        "delete from entries where request_id = '{request}'",
        ("entries run without a gap", "entry 3 of account {ann}"),
        ("the chains give their digests", "batch 2/1: written with 1 entries and 0 events, now 0 and 0"),
    ),
    "the last entry of an account": (
        "delete from entries where chain = 1 and sequence = 3",
        ("balances equal their entries", "{ann}"),
    ),
    "an entry's amount": (
        "update entries set amount_minor = 7 where request_id = '{request}'",
        ("the chains give their digests", "batch 2/1: its rows do not give its digest"),
        ("entries run without a gap", "{ann}"),
    ),
    "an entry's date": (
        "update entries set effective_on = '2026-01-01' where request_id = '{request}'",
        ("the chains give their digests", "batch 2/1: its rows do not give its digest"),
    ),
    "the balance after an entry": (
        "update entries set debit_after = 7 where request_id = '{request}'",
        (
            "entries run without a gap",
            "entry 2 of account {ann} (batch 2/1, position 0): balance after it 7, should be 95",
        ),
    ),
    "an entry's account": (
        "update entries set credit = '{nobody}' where request_id = '{request}'",
        ("entries join accounts of one asset", "{request}"),
    ),
    "an entry twice": (
        _ENTRY.format(later="", other=""),
        ("each request took effect once", "entry 0 of request {request} is there 2 times"),
        ("the chains give their digests", "batch 2/1: written with 1 entries"),
    ),
    "an entry in no batch": (
        _ENTRY.format(later=" + 5", other=" + 1"),
        ("the chains give their digests", "batch 2/6 is not there, 1 entries are written in it"),
    ),
    "a number twice": (
        "drop index entries_by_debit; update entries set debit_number = 1 where debit = '{ann}'",
        ("entries run without a gap", "there is another entry of this number"),
        ("the database checks the limits", "entries_by_debit of entries"),
    ),
    "a request that is gone": (
        "delete from requests where id = '{request}'",
        ("each request took effect once", "entry 2/1/0: its request {request} is not recorded"),
    ),
    "an event that is gone": (
        "delete from events where request_id = '{asked}'",
        ("the chains give their digests", "batch 1/2: written with 1 entries and 1 events, now 1 and 0"),
    ),
    "an event that was changed": (
        "update events set snapshot = replace(snapshot, 'open', 'settled') where request_id = '{asked}'",
        ("the chains give their digests", "batch 1/2: its rows do not give its digest"),
    ),
    "an event of a request that nobody made": (
        "update events set request_id = '{nobody}' where request_id = '{asked}'",
        ("each request took effect once", "event 1/2/0: its request {nobody} is not recorded"),
    ),
    "a batch that is gone": (
        "delete from batches where chain = 1 and sequence = 2",
        ("the chains give their digests", "chain 1: batch 2 is missing"),
    ),
    "a digest": (
        "update batches set digest = '\\x00' where chain = 1 and sequence = 2",
        ("the chains give their digests", "batch 1/2: its rows do not give its digest"),
    ),
    "a chain that is gone": (
        "delete from chains where id = 1",
        ("the chains give their digests", "chain 1 is missing"),
        ("the chains give their digests", "chain 1: its batches belong to no registered chain"),
    ),
    "what a chain builds on": (
        "update chains set predecessor_digest = '\\x00' where id = 2",
        ("the chains give their digests", "chain 2: the digest it builds on is not in chain 1"),
    ),
    "a limit that is no longer checked": (
        _FLOOR,
        ("the database checks the limits", "accounts_balance_at_least_floor_check of accounts"),
    ),
    "a limit that is checked for new rows only": (
        f"{_FLOOR}; alter table accounts add constraint accounts_balance_at_least_floor_check"
        " check (balance_minor >= floor_minor) not valid",
        ("the database checks the limits", "accounts_balance_at_least_floor_check of accounts"),
    ),
    "a key that is no longer unique": (
        "alter table requests drop constraint requests_pkey",
        ("the database checks the limits", "requests_pkey of requests"),
    ),
    "a right to change what is written once": (
        "grant update on entries to {role}",
        ("the database checks the limits", "may UPDATE rows of entries"),
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_the_audit_names_what_was_changed_behind_its_back(world: World, planted: str) -> None:
    key = world.processor.submit(Pay("1", "ann", "bob", 5))
    world.processor.step()
    world.processor.execute([Ask("m"), Pay("2", "bob", "ann", 1)])
    world.processor.execute([Pay("3", "bob", "ann", 1)])
    assert world.findings() == []
    words = {
        "ann": purse.purse("ann"),
        "request": key,
        "asked": key_of(purse.KEYS[Ask], Ask("m")),
        "nobody": purse.move_id("nobody"),
        "role": world.institution.login_role,
    }
    statement, *expected = PLANTED[planted]
    world.plant(statement.format(**words))
    found = world.findings()
    for proof, names in expected:
        assert any(one.startswith(f"{proof}: ") and names.format(**words) in one for one in found), (names, found)


def test_a_cut_tail_shows_against_the_days_close(world: World) -> None:
    world.processor.execute([Pay("1", "ann", "bob", 5)])
    with world.processor.engine.begin() as connection:
        assert store.close_day(connection, world.clock.now().date(), world.clock.now()) == 1
    world.plant(
        "delete from batches where sequence = 2; delete from entries where sequence = 2;"
        " delete from events where sequence = 2"
    )
    assert any("its tail was cut" in finding for finding in world.findings())


def test_a_closed_day_with_another_digest_shows(world: World) -> None:
    with world.processor.engine.begin() as connection:
        store.close_day(connection, world.clock.now().date(), world.clock.now())
    assert world.findings() == []
    world.plant("update closes set digest = '\\x00'")
    (finding,) = world.findings()
    assert "the close of 2026-03-02 anchors batch 1/1, which has another digest" in finding


def test_an_empty_chain_between_two_is_no_gap(world: World) -> None:
    for _ in range(2):
        world.another().execute([Pay("1", "ann", "bob", 5)])
    world.another().execute([Pay("2", "ann", "bob", 5)])
    assert world.scalar("select count(*) from chains") == 4 and world.findings() == []


Call = Callable[[], None]


def test_messages_that_cannot_be_sealed_for_want_of_the_database_are_lost_and_the_decision_stands(world: World) -> None:
    def away(outside: Outside, messages: Sequence[Message]) -> Sequence[Message]:
        raise DatabaseUnavailable("PostgreSQL does not answer.")

    stage = replace(purse.STAGE, seal=away)
    processor = processor_of(world.database, world.institution, [stage], world.clock, world.network)
    heard: list[str] = []
    processor.submit(Ask("m"), lambda answer: heard.append(answer.code))
    processor.step()
    assert world.network.sent == [] and heard == []
    world.clock.move(timedelta(minutes=1))
    processor.tick()
    processor.step()
    assert heard == ["late"], "its timer notices"


def test_a_batch_is_handed_back_by_one_call(world: World) -> None:
    calls: list[Call] = []
    processor = Processor(
        institution=world.institution,
        stages=[purse.STAGE],
        engine=world.processor.engine,
        hsm=world.processor.outside.hsm,
        clock=world.clock,
        network=world.network,
        hand_over=calls.append,
    )
    heard: list[str] = []
    for n in range(5):
        processor.submit(Pay(str(n), "ann", "bob", 1), lambda answer: heard.append(answer.code))
    processor.step()
    assert len(calls) == 1 and heard == []
    calls[0]()
    assert heard == ["paid"] * 5
