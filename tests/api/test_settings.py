"""Settings come from `BEZANT_` variables, and a wrong one is named in one sentence that repeats no value."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import cli
from api.settings import load_settings
from engine.crypto.keys import TEST_MASTER_KEY
from engine.vocabulary.errors import BezantError
from tests.gateways.iso8583.certificates import Authority

OWN_KEY = "0f" * 32


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PROFILE",
        "DATABASE_URL",
        "DATA_FOLDER",
        "MASTER_KEY",
        "MASTER_KEY_FILE",
        "API_PORT",
        "LISTEN_HOST",
        "POS_LISTENERS",
    ):
        monkeypatch.delenv(f"BEZANT_{name}", raising=False)


def test_without_any_variable_it_is_the_test_profile_on_loopback_with_the_embedded_database() -> None:
    settings = load_settings()
    assert (settings.profile, settings.database_url, settings.listen_host) == ("test", None, "127.0.0.1")
    assert (settings.api_port, settings.pos_port, settings.network_port) == (8000, 8583, 8600)


def test_the_data_folder_follows_xdg_and_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_settings().data_folder == tmp_path / "bezant"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings().data_folder == tmp_path / ".local/share/bezant"
    monkeypatch.setenv("BEZANT_DATA_FOLDER", "~/elsewhere")
    assert load_settings().data_folder == tmp_path / "elsewhere"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_DATABASE_URL", "")
    assert load_settings().database_url is None


@pytest.mark.parametrize("key", [None, TEST_MASTER_KEY.hex(), TEST_MASTER_KEY.hex().upper()])
def test_production_refuses_the_test_key(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.setenv("BEZANT_PROFILE", "production")
    if key is not None:
        monkeypatch.setenv("BEZANT_MASTER_KEY", key)
    with pytest.raises(BezantError, match=r"production profile refuses the test master key: set BEZANT_MASTER_KEY"):
        load_settings()


def test_production_starts_with_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_PROFILE", "production")
    monkeypatch.setenv("BEZANT_MASTER_KEY", OWN_KEY)
    assert load_settings().master_key.get_secret_value() == OWN_KEY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BEZANT_API_PORT", "70000"),
        ("BEZANT_API_PORT", "eight"),
        ("BEZANT_PROFILE", "staging"),
        ("BEZANT_MASTER_KEY", "not-a-key"),
        ("BEZANT_MASTER_KEY", "0f" * 31),
    ],
)
def test_a_wrong_value_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BezantError) as refused:
        load_settings()
    assert f"Wrong setting: {name}: " in str(refused.value)
    assert value not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"POS_LISTENERS": "hex:8584"}, "POS_LISTENERS: there is no profile 'hex'; there are: ascii-hex, ascii-binary"),
        ({"POS_LISTENERS": "bcd:8583"}, "a listener of BEZANT_POS_LISTENERS has the port of BEZANT_POS_PORT"),
        ({"POS_LISTENERS": "bcd:8584:tls"}, "a listener with tls needs BEZANT_TLS_CERTIFICATE and BEZANT_TLS_KEY"),
        ({"TLS_CERTIFICATE": "host.pem"}, "BEZANT_TLS_CERTIFICATE and BEZANT_TLS_KEY belong together"),
        ({"NETWORK_TLS": "1"}, "BEZANT_NETWORK_TLS needs BEZANT_TLS_AUTHORITY"),
    ],
)
def test_listeners_and_certificates_that_do_not_fit_are_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"BEZANT_{name}", value)
    with pytest.raises(BezantError) as refused:
        load_settings()
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_MASTER_KEY", OWN_KEY)
    monkeypatch.setenv("BEZANT_DATABASE_URL", "postgresql://owner:geheim@db/bezant")
    shown = repr(load_settings()) + str(load_settings().model_dump())
    assert OWN_KEY not in shown
    assert "geheim" not in shown


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "master.key"
    file.write_text(f"{OWN_KEY}\n")
    file.chmod(0o600)
    monkeypatch.setenv("BEZANT_PROFILE", "production")
    monkeypatch.setenv("BEZANT_MASTER_KEY_FILE", str(file))
    return file


@pytest.mark.usefixtures("key_file")
def test_the_master_key_may_come_from_a_file() -> None:
    assert load_settings().master_key_bytes() == bytes.fromhex(OWN_KEY)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_production_refuses_a_key_file_that_others_can_reach(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(BezantError, match=rf"refuses the master key file {key_file}, .*: chmod 600 it") as refusal:
        load_settings()
    assert OWN_KEY not in str(refusal.value)


@pytest.mark.usefixtures("key_file")
def test_production_refuses_a_password_of_its_own_database_that_others_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_DATA_FOLDER", str(tmp_path))
    password = load_settings().database_password_file
    assert password is not None
    password.parent.mkdir()
    password.write_text("swordfish")
    password.chmod(0o600)
    load_settings()
    password.chmod(0o640)
    with pytest.raises(BezantError, match=rf"refuses the database password file {password}, .*: chmod 600 it") as told:
        load_settings()
    assert "swordfish" not in str(told.value)


@pytest.mark.usefixtures("key_file")
@pytest.mark.parametrize("words", [("send", "127.0.0.1:1", "0800"), ("listen", "0")])
def test_production_refuses_a_tls_key_that_others_can_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    files = Authority(tmp_path, "ours").vouch("host")
    files.key.chmod(0o644)
    tls = ("--tls-authority", str(files.certificate), "--tls-certificate", str(files.certificate))
    assert cli.run(("iso", *words, *tls, "--tls-key", str(files.key))) == 1
    error = capsys.readouterr().err
    assert f"refuses the TLS key {files.key}, which others than its owner can reach: chmod 600 it" in error
    assert error.count("\n") == 1


def test_a_key_file_that_is_not_there_or_holds_no_key_is_told(key_file: Path) -> None:
    key_file.write_text("swordfish")
    with pytest.raises(BezantError, match=r"BEZANT_MASTER_KEY: a master key is 32 bytes") as refusal:
        load_settings()
    assert "swordfish" not in str(refusal.value)
    key_file.write_bytes(b"\xff\xfe")
    with pytest.raises(BezantError, match=r"the file of BEZANT_MASTER_KEY_FILE cannot be read"):
        load_settings()
    key_file.unlink()
    with pytest.raises(BezantError, match=r"the file of BEZANT_MASTER_KEY_FILE cannot be read"):
        load_settings()


@pytest.mark.usefixtures("key_file")
def test_two_master_keys_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_MASTER_KEY", OWN_KEY)
    with pytest.raises(BezantError, match=r"in a file or in BEZANT_MASTER_KEY: unset one of the two"):
        load_settings()


def test_the_test_key_in_a_file_is_the_test_key(key_file: Path) -> None:
    key_file.write_text(TEST_MASTER_KEY.hex())
    with pytest.raises(BezantError, match=r"production profile refuses the test master key"):
        load_settings()
