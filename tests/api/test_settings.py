"""Settings come from `BEZANT_` variables, and a wrong one is named in one sentence that repeats no value."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.settings import load_settings
from engine.crypto.keys import TEST_MASTER_KEY
from engine.vocabulary.errors import BezantError

OWN_KEY = "0f" * 32


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "DATABASE_URL", "DATA_FOLDER", "MASTER_KEY", "API_PORT", "LISTEN_HOST"):
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


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_MASTER_KEY", OWN_KEY)
    monkeypatch.setenv("BEZANT_DATABASE_URL", "postgresql://owner:geheim@db/bezant")
    shown = repr(load_settings()) + str(load_settings().model_dump())
    assert OWN_KEY not in shown
    assert "geheim" not in shown
