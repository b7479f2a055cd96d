"""Files between institutions: private, whole, once, and known by identity and digest."""

from __future__ import annotations

import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from engine.database.connections import Database
from engine.runtime.files import Files, digest_of, hand_over, register
from engine.vocabulary.errors import FormatError
from engine.vocabulary.files import FileTotals, Outgoing
from tests.world import open_institution_for_tests

NOW = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
TOTALS = FileTotals(
    file_id="200001-1",
    kind="clearing",
    sender_id="200001",
    recipient_id="900000",
    business_date=date(2026, 3, 2),
    record_count=1,
    amount_total_minor=100,
)


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_goes_from_out_to_in_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    sender, recipient = Files(tmp_path, "acquirer"), Files(tmp_path, "simnet")

    def fill(path: Path) -> None:
        path.write_bytes(b"card numbers")

    written = sender.write("clearing-1.ipm", fill)
    assert mode(written) == 0o600 and mode(written.parent) == 0o700
    outgoing = Outgoing("clearing-1.ipm", "clearing")
    assert hand_over(sender, recipient, outgoing) and hand_over(sender, recipient, outgoing), "again is harmless"
    (arrived,) = recipient.arrived("clearing")
    assert arrived.read_bytes() == b"card numbers" and mode(arrived) == 0o600
    assert not hand_over(sender, recipient, Outgoing("clearing-2.ipm", "clearing")), "what is not there is tried later"


def test_what_is_half_written_is_not_seen(tmp_path: Path) -> None:
    files = Files(tmp_path, "acquirer")

    def crash(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        files.write("clearing-1.ipm", crash)
    assert not (files.folder("out") / "clearing-1.ipm").exists()
    (files.folder("in") / "clearing-1.ipm.part").write_bytes(b"half")
    assert files.arrived("clearing") == []


def test_the_register_knows_a_file_again_and_refuses_another_under_its_identity(
    database: Database, tmp_path: Path
) -> None:
    institution = open_institution_for_tests(database, "registry", "777", "network")
    path = tmp_path / "clearing-1.ipm"
    path.write_bytes(b"one")
    with database.institution(institution.name).begin() as connection:
        for state, registered in (
            ("reading", "reading"),
            ("reading", "reading"),
            ("done", "done"),
            ("reading", "done"),
        ):
            assert register(connection, TOTALS, path, "in", state=state, at=NOW) == registered
        path.write_bytes(b"two")
        with pytest.raises(FormatError, match="200001-1 was used before"):
            register(connection, TOTALS, path, "in", state="reading", at=NOW)
    assert len(digest_of(path)) == 32
