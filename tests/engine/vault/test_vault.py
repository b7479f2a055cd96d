"""The vault on a real database, as the institution's login role.

Hard cases: the same card twice in a batch, from two writers at once, again after a crash; a row changed or exchanged
behind our back; a token nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from engine.crypto.door import Hsm, KeyUsage, PanUnreadable
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.database.institutions import Institution, open_institution
from engine.vault import store
from engine.vault.vault import tokenise, tokens_of
from engine.vocabulary.identifiers import Pan

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PANS = [Pan(f"400000{number:010d}") for number in range(40)]


@pytest.fixture(scope="module")
def bank(database: Database) -> Institution:
    """A bank whose schema holds the vault's table and nothing else."""
    made = Institution.named("bank", "400000", "issuer", "UTC")
    open_institution(database, made, NOW)
    with database.owner().begin() as connection:
        connection.execute(text(f"set local search_path to {made.schema_name}"))
        store.pans.create(connection)
        connection.execute(text(f"grant select, insert, update, delete on pans to {made.login_role}"))
    return made


@pytest.fixture
def connection(database: Database, bank: Institution) -> Iterator[Connection]:
    """A connection of the bank's login role to an empty vault."""
    with database.institution(bank.name).connect() as connection:
        connection.execute(text("delete from pans"))
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def hsm() -> Hsm:
    return SoftwareHsm("bank", TEST_MASTER_KEY)


def rows(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from pans")).scalar_one())


def test_what_is_saved_is_revealed_by_its_token(connection: Connection, hsm: Hsm) -> None:
    vaulted = tokenise(hsm, PANS)
    store.save_new(connection, vaulted, NOW)
    assert store.reveal(connection, hsm, [item.token for item in vaulted]) == {
        item.token: pan for item, pan in zip(vaulted, PANS, strict=True)
    }


def test_tokens_are_known_without_storing_anything(hsm: Hsm) -> None:
    assert tokens_of(hsm, PANS) == [item.token for item in tokenise(hsm, PANS)]
    assert len(set(tokens_of(hsm, PANS))) == len(PANS)


@settings(deadline=None, max_examples=50)
@given(digits=st.text("0123456789", min_size=12, max_size=19))
def test_a_token_is_a_uuid_of_version_8_and_the_same_each_time(digits: str) -> None:
    hsm = SoftwareHsm("bank", TEST_MASTER_KEY)
    (first,), (second,) = tokenise(hsm, [Pan(digits)]), tokenise(hsm, [Pan(digits)])
    assert (first.token, first.lookup_hash) == (second.token, second.lookup_hash)
    assert first.token.version == 8
    assert (first.first_six, first.last_four) == (digits[:6], digits[-4:])
    assert first.ciphertext != second.ciphertext


def test_two_institutions_have_nothing_in_common_about_one_card(hsm: Hsm) -> None:
    (ours,), (theirs,) = tokenise(hsm, PANS[:1]), tokenise(SoftwareHsm("acquirer", TEST_MASTER_KEY), PANS[:1])
    assert ours.token != theirs.token
    assert ours.lookup_hash != theirs.lookup_hash
    assert ours.key_id != theirs.key_id


def test_a_card_that_comes_again_keeps_its_first_row(connection: Connection, hsm: Hsm) -> None:
    store.save_new(connection, tokenise(hsm, PANS[:2]), NOW)
    before = connection.execute(text("select * from pans order by token")).all()
    store.save_new(connection, tokenise(hsm, PANS[:3]), NOW + timedelta(days=1))
    after = connection.execute(text("select * from pans order by token")).all()
    assert len(after) == 3
    assert set(before) < set(after)


def test_a_card_twice_in_one_batch_is_one_row(connection: Connection, hsm: Hsm) -> None:
    store.save_new(connection, tokenise(hsm, [PANS[0], PANS[1], PANS[0]]), NOW)
    assert rows(connection) == 2


def test_a_crash_before_commit_leaves_nothing_and_a_retry_stores_it(connection: Connection, hsm: Hsm) -> None:
    store.save_new(connection, tokenise(hsm, PANS[:2]), NOW)
    connection.rollback()
    assert rows(connection) == 0
    store.save_new(connection, tokenise(hsm, PANS[:2]), NOW)
    assert rows(connection) == 2


def test_writers_of_the_same_cards_in_any_order_store_each_once(
    database: Database, bank: Institution, connection: Connection, hsm: Hsm
) -> None:
    together = Barrier(4)

    def write(number: int) -> None:
        cards = PANS if number % 2 else PANS[::-1]
        together.wait()
        with database.institution(bank.name).begin() as own:
            store.save_new(own, tokenise(hsm, cards), NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert rows(connection) == len(PANS)
    assert set(store.reveal(connection, hsm, tokens_of(hsm, PANS)).values()) == set(PANS)


def test_a_writer_that_waits_for_a_card_holds_no_later_one(
    database: Database, bank: Institution, connection: Connection, hsm: Hsm
) -> None:
    earlier, later = sorted(tokenise(hsm, PANS[:2]), key=lambda item: item.token)
    engine = database.institution(bank.name)

    def write() -> None:
        with engine.begin() as own:
            own.execute(text("set local lock_timeout = '30s'"))
            store.save_new(own, [later, earlier], NOW)

    with ThreadPoolExecutor(1) as threads:
        store.save_new(connection, [earlier], NOW)
        waiting = threads.submit(write)
        with engine.connect() as observer:
            while (
                not waiting.done()
                and not observer.execute(text("select count(*) from pg_locks where not granted")).scalar_one()
            ):
                observer.rollback()
        # Were `later` taken by the one who waits for us, this would be a deadlock.
        store.save_new(connection, [later], NOW)
        connection.commit()
        waiting.result()
    assert rows(connection) == 2


def test_an_unknown_token_is_left_out(connection: Connection, hsm: Hsm) -> None:
    store.save_new(connection, tokenise(hsm, PANS[:1]), NOW)
    (token,) = tokens_of(hsm, PANS[:1])
    assert store.reveal(connection, hsm, [UUID(int=8), token, token]) == {token: PANS[0]}
    assert store.reveal(connection, hsm, [UUID(int=8)]) == {}
    assert store.reveal(connection, hsm, []) == {}


def test_nothing_to_save_is_no_statement(connection: Connection) -> None:
    store.save_new(connection, [], NOW)
    assert rows(connection) == 0


@pytest.mark.parametrize(
    "change",
    [
        "update pans set ciphertext = other.ciphertext from pans other where other.token <> pans.token",
        "update pans set ciphertext = substring(ciphertext from 1 for 20)",
        "update pans set ciphertext = ''",
        "update pans set ciphertext = set_byte(ciphertext, 15, get_byte(ciphertext, 15) # 1)",
    ],
)
def test_rows_changed_or_exchanged_behind_our_back_do_not_open(connection: Connection, hsm: Hsm, change: str) -> None:
    store.save_new(connection, tokenise(hsm, PANS[:2]), NOW)
    connection.execute(text(change))
    tokens = tokens_of(hsm, PANS[:2])
    with pytest.raises(PanUnreadable) as refusal:
        store.reveal(connection, hsm, tokens)
    assert any(str(token) in str(refusal.value) for token in tokens)
    assert not any(pan.clear in str(refusal.value) for pan in PANS)


def test_rows_of_an_earlier_key_version_are_still_revealed(connection: Connection, hsm: Hsm) -> None:
    store.save_new(connection, tokenise(hsm, PANS[:1]), NOW)
    rotated = SoftwareHsm("bank", TEST_MASTER_KEY)
    assert rotated.key_versions(KeyUsage.PAN_ENCRYPTION) == [1]
    rotated.custody.rotate(KeyUsage.PAN_ENCRYPTION)
    store.save_new(connection, tokenise(rotated, PANS[:2]), NOW)
    keys = connection.execute(text("select key_id from pans order by key_id")).scalars().all()
    assert keys == ["bank:pan_encryption:1", "bank:pan_encryption:2"]
    assert set(store.reveal(connection, rotated, tokens_of(rotated, PANS[:2])).values()) == set(PANS[:2])


def test_the_table_shows_first_six_and_last_four_and_no_card_number(connection: Connection, hsm: Hsm) -> None:
    vaulted = tokenise(hsm, PANS)
    store.save_new(connection, vaulted, NOW)
    stored = connection.execute(text("select pans::text, first_six, last_four, created_at from pans")).all()
    assert {(row.first_six, row.last_four) for row in stored} == {(pan.clear[:6], pan.clear[-4:]) for pan in PANS}
    assert {row.created_at for row in stored} == {NOW}
    shown = "".join(row[0] for row in stored) + repr(vaulted)
    for pan in PANS:
        assert pan.clear not in shown
        assert pan.clear.encode().hex() not in shown
