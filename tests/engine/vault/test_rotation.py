"""The vault's keys are replaced while several processes write: nothing fails, and afterwards nothing is under the old
keys.

Hard cases: processes that know the old keys only, a rotation stopped anywhere and asked for again, two at once, a
process that starts afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import Engine

from engine.crypto.door import KeyUsage
from engine.crypto.hsm import SoftwareHsm
from engine.crypto.keys import TEST_MASTER_KEY
from engine.database.connections import Database
from engine.vault import store
from engine.vault.key_blocks import KeyBlocks
from engine.vault.rotation import rotate_encryption, rotate_lookup
from engine.vault.vault import Vault
from engine.vocabulary.identifiers import Pan
from tests.world import open_institution_for_tests

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PANS = [Pan(f"40000100{number:08d}") for number in range(240)]
_numbers = count(1)

Rotate = Callable[..., Generator[str, None, None]]
BOTH: tuple[Rotate, ...] = (rotate_encryption, rotate_lookup)


class Installation:
    """A bank whose keys lie in its schema, and processes of it."""

    def __init__(self, database: Database) -> None:
        self.name = f"vaulted{next(_numbers)}"
        open_institution_for_tests(database, self.name, str(300_000 + next(_numbers)), "issuer")
        self.engine: Engine = database.institution(self.name)

    def hsm(self) -> SoftwareHsm:
        return SoftwareHsm(self.name, TEST_MASTER_KEY, KeyBlocks(self.engine))

    def process(self) -> Vault:
        return Vault(self.hsm(), self.engine.connect)

    def rotation(self, rotate: Rotate, batch: int = 50) -> Generator[str, None, None]:
        hsm = self.hsm()
        return rotate(self.engine, hsm, hsm.custody, batch)

    def under(self) -> tuple[dict[str, int], dict[int, int]]:
        with self.engine.connect() as connection:
            return store.count_under(connection)

    def all_under(self, version: int, cards: int) -> tuple[dict[str, int], dict[int, int]]:
        return {f"{self.name}:pan_encryption:{version}": cards}, {version: cards}

    def revealed(self, tokens: list[UUID]) -> list[Pan]:
        with self.engine.connect() as connection:
            found = store.reveal(connection, self.hsm(), tokens)
        return [found[token] for token in tokens]


@pytest.fixture
def bank(database: Database) -> Installation:
    return Installation(database)


def test_afterwards_nothing_is_under_the_old_keys_and_tokens_are_what_they_were(bank: Installation) -> None:
    old = bank.process()
    tokens = old.keep(PANS, NOW)
    assert bank.under() == bank.all_under(1, len(PANS))
    for rotate in BOTH:
        told = list(bank.rotation(rotate))
        assert any(f"{len(PANS)} card numbers" in sentence for sentence in told), "progress is told"
        assert told[0].endswith(".") and any("is forgotten" in sentence for sentence in told)
    assert bank.under() == bank.all_under(2, len(PANS))
    assert bank.hsm().key_versions(KeyUsage.PAN_LOOKUP) == bank.hsm().key_versions(KeyUsage.PAN_ENCRYPTION) == [2]
    assert bank.process().tokens_of(PANS) == old.tokens_of(PANS) == tokens
    assert bank.revealed(tokens) == PANS


def test_a_process_that_slept_through_the_rotation_finds_and_stores_as_the_others_do(bank: Installation) -> None:
    first = bank.process()
    tokens = first.keep(PANS[:10], NOW)
    asleep = [bank.process() for _ in range(3)]
    for one in asleep:
        one.tokens_of(PANS[:1])
    for rotate in BOTH:
        list(bank.rotation(rotate))
    assert asleep[0].tokens_of(PANS[:10]) == tokens
    assert asleep[1].keep(PANS[:12], NOW)[:10] == tokens
    assert bank.under() == bank.all_under(2, 12), "what it stored is under the new keys"
    assert asleep[2].keep(PANS[10:12], NOW) == asleep[0].tokens_of(PANS[10:12])


@pytest.mark.parametrize("rotate", BOTH)
@pytest.mark.parametrize("sentences", range(1, 9))
def test_a_rotation_that_is_stopped_anywhere_goes_on_where_it_was(
    bank: Installation, rotate: Rotate, sentences: int
) -> None:
    tokens = bank.process().keep(PANS, NOW)
    stopped = bank.rotation(rotate)
    for _ in zip(range(sentences), stopped, strict=False):
        pass
    stopped.close()
    process = bank.process()
    assert process.tokens_of(PANS) == tokens
    assert bank.revealed(tokens) == PANS
    new = Pan("4000010099999998")
    given = process.keep([new], NOW)
    list(bank.rotation(rotate))
    versions = bank.hsm().key_versions(KeyUsage.PAN_LOOKUP if rotate is rotate_lookup else KeyUsage.PAN_ENCRYPTION)
    assert len(versions) == 1 and versions[0] in (2, 3)
    sealed, found = bank.under()
    where = found if rotate is rotate_lookup else {int(key.rsplit(":")[-1]): rows for key, rows in sealed.items()}
    assert where == {versions[0]: len(PANS) + 1}
    assert bank.process().tokens_of([*PANS, new]) == tokens + given


def test_rotations_in_the_middle_of_traffic_fail_no_request(bank: Installation) -> None:
    ended = Event()
    numbers = count(1)

    def traffic(process: Vault, seed: int) -> dict[Pan, UUID]:
        told: dict[Pan, UUID] = {}
        while not ended.is_set() or len(told) < 20:
            new = [Pan(f"4000010{seed}{next(numbers):08d}") for _ in range(3)]
            common = PANS[len(told) % 200 : len(told) % 200 + 5]
            for pan, token in zip([*new, *common], process.keep([*new, *common], NOW), strict=True):
                assert told.setdefault(pan, token) == token, "a card has one token"
            cards = list(told)[-20:]
            # As another process would, without the memory of this one.
            fresh = Vault(process._hsm, bank.engine.connect)
            assert fresh.tokens_of(cards) == [told[pan] for pan in cards]
            with bank.engine.connect() as connection:
                shown = store.reveal(connection, process._hsm, [told[pan] for pan in cards])
            assert shown == {told[pan]: pan for pan in cards}
        return told

    bank.process().keep(PANS, NOW)
    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(traffic, bank.process(), seed) for seed in range(3)]
        try:
            for _ in range(2):
                for rotate in BOTH:
                    list(bank.rotation(rotate))
        finally:
            ended.set()
        told = [one.result() for one in working]
    cards = {pan: token for one in told for pan, token in one.items()}
    assert all(one[pan] == cards[pan] for one in told for pan in one), "all processes gave a card the same token"
    sealed, found = bank.under()
    assert list(sealed) == [f"{bank.name}:pan_encryption:3"] and list(found) == [3]
    assert bank.process().tokens_of(list(cards)) == list(cards.values())


def test_two_rotations_at_once_do_the_same_work(bank: Installation) -> None:
    tokens = bank.process().keep(PANS, NOW)
    for rotate in BOTH:
        begun = bank.rotation(rotate)
        next(begun)
        with ThreadPoolExecutor(2) as threads:
            others = [threads.submit(list, one) for one in (begun, bank.rotation(rotate))]
            for other in others:
                other.result()
    assert bank.process().tokens_of(PANS) == tokens
    sealed, found = bank.under()
    assert len(sealed) == len(found) == 1
