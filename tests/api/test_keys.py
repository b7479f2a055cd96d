"""`bezant keys` against a real database: custody of two institutions that are no test world's, in production."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from api import cli
from engine.database.connections import Database

Run = Callable[..., tuple[int, str, str]]

OWN_KEY = "5bd1c1e79a2f4e33a07742e9b6d8f0c45e9b0a1d27c3846fa1b2c3d4e5f60718"
BANK, NET = "keybank", "keynet"


@pytest.fixture
def bezant(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command of the production profile in the module's database: its status, output and errors."""
    for name, value in {
        "DATABASE_URL": database_url,
        "DATA_FOLDER": str(tmp_path),
        "LOG_LEVEL": "error",
        "PROFILE": "production",
        "MASTER_KEY": OWN_KEY,
    }.items():
        monkeypatch.setenv(f"BEZANT_{name}", value)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def world(bezant: Run) -> Run:
    """The bank and its network, open."""
    assert bezant("institutions", "add", NET, "--member-id", "900009", "--role", "network")[0] == 0
    assert bezant("institutions", "add", BANK, "--member-id", "100077", "--role", "issuer")[0] == 0
    return bezant


def keys_of(bezant: Run, institution: str) -> dict[tuple[str, str, str], tuple[str, str]]:
    """(usage, owner, version): (state, check value)."""
    status, shown, _ = bezant("keys", "list", institution)
    assert status == 0
    rows = [line.split() for line in shown.splitlines()[1:]]
    return {(usage, owner, version): (state, kcv) for usage, owner, version, state, kcv, *_ in rows}


def test_an_institution_opens_with_the_keys_that_it_needs_and_shares_those_of_pairs(world: Run) -> None:
    bank, network = keys_of(world, BANK), keys_of(world, NET)
    pair = f"{BANK}/{NET}"
    for usage in ("zone_master", "pin_zone", "mac"):
        assert bank[usage, pair, "1"] == network[usage, pair, "1"]
    for usage in ("card_verification", "pin_verification", "chip_cryptogram", "pan_encryption"):
        assert bank[usage, BANK, "1"][0] == "current"
    check_values = [check_value for _, check_value in bank.values()]
    assert len(set(check_values)) == len(check_values)
    # Again changes nothing.
    assert world("institutions", "add", BANK, "--member-id", "100077", "--role", "issuer")[0] == 0
    assert keys_of(world, BANK) == bank


def test_what_lies_in_the_table_is_key_blocks(world: Run, database_url: str) -> None:
    database = Database(database_url, b"")
    with database.owner().connect() as connection:
        rows = connection.execute(text(f"select key_id, key_block from i_{BANK}.key_blocks")).all()
    database.dispose()
    assert rows
    for key_id, block in rows:
        assert re.fullmatch(r"D\d{4}[A-Z]\d[TAH][BCX]\d\d[EN]\d\d00[ -~]*[0-9A-F]+", block), key_id


def test_rotation_keeps_the_key_before_and_a_pair_s_is_replaced_on_both_sides(world: Run) -> None:
    status, said, _ = world("keys", "rotate", BANK, "card_verification")
    assert status == 0
    assert re.fullmatch(rf"{BANK}:card_verification:2 is current, KCV [0-9A-F]{{6}}\.\n", said)
    held = keys_of(world, BANK)
    assert held["card_verification", BANK, "2"][0] == "current"
    assert held["card_verification", BANK, "1"][0] == "accepted"
    status, said, _ = world("keys", "rotate", BANK, "pin_zone", "--pair", NET)
    assert (status, said.startswith(f"{BANK}/{NET}:pin_zone:2 is current at {BANK} and {NET}")) == (0, True)
    for institution in (BANK, NET):
        held = keys_of(world, institution)
        assert held["pin_zone", f"{BANK}/{NET}", "2"][0] == "current"
        assert held["pin_zone", f"{BANK}/{NET}", "1"][0] == "accepted"
    assert world("keys", "retire", BANK, f"{BANK}:card_verification:1")[0] == 0
    assert ("card_verification", BANK, "1") not in keys_of(world, BANK)
    status, _, error = world("keys", "retire", BANK, f"{BANK}:card_verification:2")
    assert (status, error.count("\n")) == (1, 1)
    assert "rotate it before it is retired" in error


@pytest.mark.parametrize("usage", ["pan_encryption", "pan_lookup"])
def test_a_key_of_the_vault_is_replaced_with_what_is_under_it_and_forgotten(world: Run, usage: str) -> None:
    newest = max(int(version) for held, _, version in keys_of(world, BANK) if held == usage)
    status, said, _ = world("keys", "rotate", BANK, usage)
    assert status == 0
    first, current, *_, last = said.splitlines()
    new = f"{BANK}:{usage}:{newest + 1}"
    assert re.fullmatch(rf"{new} is made, KCV [0-9A-F]{{6,10}}\.", first)
    assert re.fullmatch(rf"{new} is current, KCV [0-9A-F]{{6,10}}\.", current)
    assert last == f"{BANK}:{usage}:{newest} is forgotten: nothing is under it."
    held = {version: state for (one, _, version), (state, _) in keys_of(world, BANK).items() if one == usage}
    assert held == {str(newest + 1): "current"}


def test_a_ceremony_of_components_gives_both_sides_the_same_key(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said, _ = world("keys", "generate", BANK, "zone_master", "--pair", "outside", "--components", "3")
    assert status == 0
    *parts, last = said.splitlines()
    components = [part.split()[2] for part in parts]
    kcv = last.split()[-1].rstrip(".")
    assert len(components) == 3
    assert last == f"{BANK}/outside:zone_master:1 is current, KCV {kcv}."
    typed = iter(components)
    monkeypatch.setattr("typer.prompt", lambda *_args, **_options: next(typed))
    # The other side has no institution here: a network of another installation plays its part under the same name.
    words = ("keys", "import", BANK, "zone_master", "--pair", "outside", "--components", "3")
    status, _, error = world(*words, "--kcv", "000000")
    assert (status, error) == (1, "bezant: the key has another check value than 000000: nothing was taken in\n")
    typed = iter(components)
    status, said, _ = world(*words, "--kcv", kcv)
    assert (status, said) == (0, f"{BANK}/outside:zone_master:2 is pending, KCV {kcv}.\n")
    assert world("keys", "activate", BANK, f"{BANK}/outside:zone_master:2")[0] == 0
    typed = iter(["xx", "00"])
    status, _, error = world(*words, "--kcv", kcv)
    assert (status, "is not hexadecimal" in error, "xx" in error) == (1, True, False)


def test_a_key_goes_out_and_comes_in_as_a_block(world: Run) -> None:
    status, said, _ = world("keys", "export", BANK, f"{BANK}/{NET}:mac:1", "--under", NET)
    assert status == 0
    block, named = said.splitlines()
    assert block.startswith("D") and block[5:7] == "M3"
    kcv = named.split()[-1]
    status, said, _ = world("keys", "import", NET, "mac", "--pair", BANK, "--block", block, "--kcv", kcv)
    assert (status, said) == (0, f"{BANK}/{NET}:mac:2 is pending, KCV {kcv}.\n")
    for refused in (
        ("keys", "import", NET, "pin_zone", "--pair", BANK, "--block", block, "--kcv", kcv),  # of another usage
        ("keys", "import", NET, "mac", "--pair", BANK, "--block", block[:-1] + "?", "--kcv", kcv),
        ("keys", "import", NET, "mac", "--pair", BANK, "--block", block, "--kcv", "000000"),
        ("keys", "export", BANK, f"{BANK}:card_verification:2", "--under", NET),
        ("keys", "export", BANK, f"{BANK}:card_verification:9", "--under", NET),
        ("keys", "generate", BANK, "poetry"),
        ("keys", "generate", BANK, "pan_lookup"),
        ("keys", "rotate", BANK, "fingerprint"),
        ("keys", "rotate", BANK, "zone_master", "--pair", NET),
        ("keys", "rotate", BANK, "mac"),
        ("keys", "list", "nobody"),
    ):
        status, shown, error = world(*refused)
        assert (status, shown, error.count("\n")) == (1, "", 1), refused
        assert "a bug of ours" not in error


def test_published_test_keys_are_refused(world: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ["01" * 16, "0022446688AACCEEFFDDBB9977553311"]
    typed = iter(parts)
    monkeypatch.setattr("typer.prompt", lambda *_args, **_options: next(typed))
    status, _, error = world("keys", "import", BANK, "pin_verification", "--kcv", "08D7B4")
    assert (status, error) == (
        1,
        f"bezant: the production profile refuses {BANK}:pin_verification:2: it is a published test key\n",
    )
