"""The vault on a real database, as the institution's login role.

Hard cases: the same card twice in a batch, from two writers at once, again after a crash; a row changed or exchanged
behind our back; a token nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from engine.vault.key_blocks import key_blocks
from engine.vault.vault import Vault, given_token
from engine.vocabulary.identifiers import Pan

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PANS = [Pan(f"400000{number:010d}") for number in range(40)]


@pytest.fixture(scope="module")
def bank(database: Database) -> Institution:
    """A bank whose schema holds the vault's tables and nothing else."""
    made = Institution.named("bank", "400000", "issuer", "UTC")
    open_institution(database, made, NOW)
    with database.owner().begin() as connection:
        connection.execute(text(f"set local search_path to {made.schema_name}"))
        for table in (key_blocks, store.pans, store.pan_lookups):
            table.create(connection)
            connection.execute(text(f"grant select, insert, update, delete on {table.name} to {made.login_role}"))
    return made


@pytest.fixture
def connection(database: Database, bank: Institution) -> Iterator[Connection]:
    """A connection of the bank's login role to an empty vault."""
    with database.institution(bank.name).connect() as connection:
        connection.execute(text("delete from pan_lookups"))
        connection.execute(text("delete from pans"))
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture(scope="module")
def hsm() -> SoftwareHsm:
    return SoftwareHsm("bank", TEST_MASTER_KEY)


@pytest.fixture
def vault(database: Database, bank: Institution, hsm: Hsm) -> Vault:
    """The vault as a process that has just started has it."""
    return Vault(hsm, database.institution(bank.name).connect)


def rows(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from pans")).scalar_one())


def given_to(hsm: Hsm, pans: Sequence[Pan]) -> dict[Pan, UUID]:
    return dict(zip(pans, map(given_token, hsm.pan_lookup(pans)), strict=True))


def test_what_is_kept_is_revealed_by_its_token(connection: Connection, hsm: Hsm, vault: Vault) -> None:
    tokens = vault.keep(PANS, NOW)
    assert store.reveal(connection, hsm, tokens) == dict(zip(tokens, PANS, strict=True))


def test_tokens_are_known_without_storing_anything(connection: Connection, vault: Vault) -> None:
    tokens = vault.tokens_of(PANS)
    assert rows(connection) == 0
    assert len(set(tokens)) == len(PANS)
    assert vault.keep(PANS, NOW) == tokens == vault.tokens_of(PANS)


@settings(deadline=None, max_examples=50)
@given(digits=st.text("0123456789", min_size=12, max_size=19))
def test_a_token_is_a_uuid_of_version_8_and_the_same_each_time(digits: str) -> None:
    hsm = SoftwareHsm("bank", TEST_MASTER_KEY)
    first, second = given_to(hsm, [Pan(digits)]), given_to(hsm, [Pan(digits)])
    assert first == second
    assert first[Pan(digits)].version == 8


def test_two_institutions_have_nothing_in_common_about_one_card(hsm: Hsm) -> None:
    other = SoftwareHsm("acquirer", TEST_MASTER_KEY)
    assert hsm.pan_lookup(PANS[:1]) != other.pan_lookup(PANS[:1])
    (ours,), (theirs,) = given_to(hsm, PANS[:1]).values(), given_to(other, PANS[:1]).values()
    assert ours != theirs


def test_a_card_that_comes_again_keeps_its_first_row(
    connection: Connection, database: Database, bank: Institution, hsm: Hsm, vault: Vault
) -> None:
    vault.keep(PANS[:2], NOW)
    before = connection.execute(text("select * from pans order by token")).all()
    for process in (vault, Vault(hsm, database.institution(bank.name).connect)):
        process.keep(PANS[:3], NOW + timedelta(days=1))
    after = connection.execute(text("select * from pans order by token")).all()
    assert len(after) == 3
    assert set(before) < set(after)


def test_a_card_twice_in_one_batch_is_one_row(connection: Connection, vault: Vault) -> None:
    first, second, again = vault.keep([PANS[0], PANS[1], PANS[0]], NOW)
    assert first == again != second
    assert rows(connection) == 2


def test_a_crash_before_commit_leaves_nothing_and_a_retry_stores_it(connection: Connection, hsm: Hsm) -> None:
    new = given_to(hsm, PANS[:2])
    store.save_new(connection, hsm, new, NOW)
    connection.rollback()
    assert rows(connection) == 0
    store.save_new(connection, hsm, new, NOW)
    assert rows(connection) == 2


def test_writers_of_the_same_cards_in_any_order_store_each_once(
    database: Database, bank: Institution, connection: Connection, hsm: Hsm
) -> None:
    together = Barrier(4)

    def write(number: int) -> set[UUID]:
        process = Vault(hsm, database.institution(bank.name).connect)
        cards = PANS if number % 2 else PANS[::-1]
        together.wait()
        return set(process.keep(cards, NOW))

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(write, range(4)))
    assert rows(connection) == len(PANS)
    assert all(tokens == told[0] for tokens in told)
    assert set(store.reveal(connection, hsm, told[0]).values()) == set(PANS)


def test_a_writer_that_waits_for_a_card_holds_no_later_one(
    database: Database, bank: Institution, connection: Connection, hsm: Hsm
) -> None:
    new = given_to(hsm, PANS[:2])
    (_, earlier), (_, later) = sorted((token, pan) for pan, token in new.items())
    engine = database.institution(bank.name)

    def write() -> None:
        with engine.begin() as own:
            own.execute(text("set local lock_timeout = '30s'"))
            store.save_new(own, hsm, {later: new[later], earlier: new[earlier]}, NOW)

    with ThreadPoolExecutor(1) as threads:
        store.save_new(connection, hsm, {earlier: new[earlier]}, NOW)
        waiting = threads.submit(write)
        with engine.connect() as observer:
            while (
                not waiting.done()
                and not observer.execute(text("select count(*) from pg_locks where not granted")).scalar_one()
            ):
                observer.rollback()
        # Were `later` taken by the one who waits for us, this would be a deadlock.
        store.save_new(connection, hsm, {later: new[later]}, NOW)
        connection.commit()
        waiting.result()
    assert rows(connection) == 2


def test_an_unknown_token_is_left_out(connection: Connection, hsm: Hsm, vault: Vault) -> None:
    (token,) = vault.keep(PANS[:1], NOW)
    assert store.reveal(connection, hsm, [UUID(int=8), token, token]) == {token: PANS[0]}
    assert store.reveal(connection, hsm, [UUID(int=8)]) == {}
    assert store.reveal(connection, hsm, []) == {}


def test_nothing_to_keep_is_nothing_stored(connection: Connection, vault: Vault) -> None:
    assert vault.keep([], NOW) == vault.tokens_of([]) == []
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
def test_rows_changed_or_exchanged_behind_our_back_do_not_open(
    connection: Connection, hsm: Hsm, vault: Vault, change: str
) -> None:
    tokens = vault.keep(PANS[:2], NOW)
    connection.execute(text(change))
    with pytest.raises(PanUnreadable) as refusal:
        store.reveal(connection, hsm, tokens)
    assert any(str(token) in str(refusal.value) for token in tokens)
    assert not any(pan.clear in str(refusal.value) for pan in PANS)


def test_rows_of_an_earlier_key_version_are_still_revealed(
    connection: Connection, database: Database, bank: Institution, vault: Vault
) -> None:
    vault.keep(PANS[:1], NOW)
    rotated = SoftwareHsm("bank", TEST_MASTER_KEY)
    assert rotated.key_versions(KeyUsage.PAN_ENCRYPTION) == [1]
    rotated.custody.rotate(KeyUsage.PAN_ENCRYPTION)
    tokens = Vault(rotated, database.institution(bank.name).connect).keep(PANS[:2], NOW)
    keys = connection.execute(text("select key_id from pans order by key_id")).scalars().all()
    assert keys == ["bank:pan_encryption:1", "bank:pan_encryption:2"]
    assert set(store.reveal(connection, rotated, tokens).values()) == set(PANS[:2])


def test_the_tables_show_first_six_and_last_four_and_no_card_number(
    connection: Connection, hsm: Hsm, vault: Vault
) -> None:
    vault.keep(PANS, NOW)
    stored = connection.execute(text("select pans::text, first_six, last_four, created_at from pans")).all()
    assert {(row.first_six, row.last_four) for row in stored} == {(pan.clear[:6], pan.clear[-4:]) for pan in PANS}
    assert {row.created_at for row in stored} == {NOW}
    found = connection.execute(text("select pan_lookups::text from pan_lookups")).scalars().all()
    shown = "".join((*(row[0] for row in stored), *found, repr(vars(vault))))
    for pan in PANS:
        assert pan.clear not in shown
        assert pan.clear.encode().hex() not in shown
