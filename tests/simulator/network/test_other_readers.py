"""A clearing day's files, read by the open IPM parser: its totals are the ledger's and the settlement report's."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from cardutil.cli import mci_ipm_to_csv
from sqlalchemy import text

from engine.database.connections import Database
from engine.vocabulary.settlement import SettlementReport
from gateways.settlement_files import SettlementFiles
from tests.simulator.network.stand import ACQUIRER, BANK, NORTHBANK, Stand, item

AFTER_SETTLEMENT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def converted(path: Path, folder: Path) -> tuple[int, int]:
    """What purchases and what credits `mci_ipm_to_csv` finds in a file, in minor units."""
    target = folder / f"{path.name}.csv"
    words = [str(path), "--no1014blocking", "--in-encoding", "latin_1", "--out-filename", str(target)]
    assert mci_ipm_to_csv.cli_run(**vars(mci_ipm_to_csv.cli_parser().parse_args(words))) is None
    with target.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["MTI"] == "1240"]
    purchases = sum(int(row["DE4"]) for row in rows if row["DE3"][:2] != "20")
    return purchases, sum(int(row["DE4"]) for row in rows if row["DE3"][:2] == "20")


def test_the_open_parsers_totals_are_the_ledgers_and_the_reports(database: Database, tmp_path: Path) -> None:
    stand = Stand(database, tmp_path)
    stand.open({BANK: 1_000_000})
    own = stand.clear(
        [
            item(1, 10_000),
            item(2, 3_333),
            item(3, 1_777, refund=True),
            item(4, 2_501, prefix="51000200"),
            item(5, 99, prefix="51000200"),
        ]
    )
    presented = converted(own, tmp_path)
    assert presented == (15_933, 1_777)
    stand.play_until(AFTER_SETTLEMENT)

    with stand.network.processor.engine.connect() as connection:
        entries = connection.execute(
            text("select kind, sum(amount_minor) from entries where kind in ('purchase', 'credit') group by kind")
        )
        posted = {kind: int(amount) for kind, amount in entries}
    assert (posted["purchase"], posted["credit"]) == presented

    told = {}
    for member_id, kind in ((ACQUIRER, "confirmed"), (BANK, "clearing"), (NORTHBANK, "clearing")):
        (path,) = stand.arrived(member_id, kind)
        (reported,) = stand.arrived(member_id, "settlement")
        report = SettlementFiles().read(reported, SettlementReport)
        told[member_id] = converted(path, tmp_path)
        assert (abs(report.purchases_minor), abs(report.credits_minor)) == told[member_id]
    assert told[ACQUIRER] == presented
    assert tuple(map(sum, zip(told[BANK], told[NORTHBANK], strict=True))) == presented
