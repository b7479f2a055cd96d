"""What the ledger's benchmark stands on: a book filled by SQL that the audit holds, load that counts, a curve that is
drawn.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.etree import ElementTree

from pydantic import SecretStr

from api.settings import Settings
from api.system import MEMBERS, OUR_BANK, System, role_secret
from benchmarks.curve import Point, drawn
from benchmarks.filling import fill
from benchmarks.load import Heard, Load, serving
from engine.database.connections import Database
from engine.ledger.audit import LEDGER_PROOFS
from tests.conftest import OPENED_AT

ACCOUNTS = 40


def test_a_filled_book_under_load_is_proven(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path, database_url=SecretStr(database_url))
    database = Database(database_url, role_secret(settings))
    system = System(settings, database, tmp_path / "files")
    system.set_up(tuple(member for member in MEMBERS if member.name == OUR_BANK), OPENED_AT)
    bank = system.institution(OUR_BANK)
    fill(system, bank, accounts=ACCOUNTS, deposits=60, deposit_minor=1_000)

    async def loaded() -> list[Heard]:
        with serving(system, bank) as processor:
            load = Load(processor, 1, ACCOUNTS, "test")
            return [await load.run(20, 0.2), await load.run(20, 0.2, hot=True)]

    answered = [len(heard.latencies_s) for heard in asyncio.run(loaded())]
    assert all(answered)
    with database.institution(OUR_BANK).connect() as connection:
        assert [finding for proof in LEDGER_PROOFS for finding in proof.find(connection)] == []
        entries = connection.exec_driver_sql("select count(*) from entries where kind = 'transfer'").scalar_one()
    assert entries >= sum(answered), "what was asked for in time and answered after it is there, too"
    database.dispose()


def test_a_curve_is_well_formed_and_names_each_load() -> None:
    points = [Point(1, 900, 1.0, 2.5), Point(100, 15_000, 6.1, 12.0), Point(1_000, 20_000, 48.0, 90.0)]
    picture = ElementTree.fromstring(drawn("Latency against load", points))
    words = ["".join(part.itertext()) for part in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"1", "100", "1,000", "median"} <= set(words)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
