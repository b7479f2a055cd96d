"""What the surroundings may set: the only place that reads the environment. Variables are `BEZANT_` and a field."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_IRWXG, S_IRWXO
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.crypto.keys import TEST_MASTER_KEY, is_test_key
from engine.vocabulary.errors import BezantError
from gateways.iso8583.profiles import ListeningPlace, places_of

PREFIX = "BEZANT_"
_OTHERS = S_IRWXG | S_IRWXO
DATABASE_FOLDER = "postgresql"
"""The embedded database, in the data folder."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _default_data_folder() -> Path:
    """`$XDG_DATA_HOME/bezant`, else `~/.local/share/bezant` (XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base else Path("~/.local/share")) / "bezant"


def _absolute(folder: Path) -> Path:
    return folder.expanduser().absolute()


def _master_key(key: SecretStr) -> SecretStr:
    try:
        length = len(bytes.fromhex(key.get_secret_value()))
    except ValueError:
        length = 0
    if length != 32:
        raise ValueError("a master key is 32 bytes, written as 64 hexadecimal digits")
    return key


def _places(written: str) -> str:
    try:
        places_of(written)
    except BezantError as wrong:
        raise ValueError(str(wrong)) from None
    return written


class Settings(BaseSettings):
    """The settings of one process. Secrets are `SecretStr`: they print as asterisks."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, env_ignore_empty=True, validate_default=True
    )

    profile: Literal["test", "production"] = "test"
    """`production` refuses to start with test keys."""

    database_url: SecretStr | None = None
    """Where PostgreSQL is, as the owner role (`postgresql://owner:password@host:port/name`). None: the embedded one."""

    data_folder: Annotated[Path, AfterValidator(_absolute)] = Field(default_factory=_default_data_folder)
    """Where the embedded database and the files of the day live."""

    master_key: Annotated[SecretStr, AfterValidator(_master_key)] = SecretStr(TEST_MASTER_KEY.hex())
    """The key that the HSM's other keys are wrapped under: 32 bytes in hexadecimal."""

    master_key_file: Annotated[Path, AfterValidator(_absolute)] | None = None
    """A file that holds the master key, instead of `master_key`. In production nobody else may read it."""

    authorization_endpoint: str | None = None
    """The operator's own HTTPS endpoint that is asked about each authorization before it is answered. None: nobody."""

    authorization_endpoint_silent: Literal["approve", "decline"] = "decline"
    """What counts when that endpoint does not answer in time."""

    listen_host: str = "127.0.0.1"
    """The address that every listener of ours binds to: loopback, unless told otherwise."""

    api_port: Port = 8000
    """HTTP: the merchant, wallet and issuing API."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """HTTP: where a host other than the API's shows `/metrics`; 0: nowhere. The API's own shows it at `api_port`."""

    pos_port: Port = 8583
    """ISO 8583: where the acquirer listens for terminals."""

    pos_listeners: Annotated[str, AfterValidator(_places)] = ""
    """More listeners for terminals, each `PROFILE:PORT`, separated by commas; behind the port a framing, `tpdu`, `tls`:
    `bcd:8584:tpdu, ebcdic:8585:4b:tls`. Profiles: ascii-hex, ascii-binary, bcd, ebcdic."""

    pos_idle_seconds: Annotated[int, Field(ge=0)] = 0
    """A terminal's link that has been silent for so long is closed; 0: never."""

    network_tls: bool = False
    """Links between members and the network speak TLS: who listens proves itself with `tls_certificate`, who dials
    trusts `tls_authority`."""

    tls_certificate: Annotated[Path, AfterValidator(_absolute)] | None = None
    tls_key: Annotated[Path, AfterValidator(_absolute)] | None = None
    """A certificate (PEM) and its key: of our listeners, and of whoever dials a listener that asks for one."""

    tls_authority: Annotated[Path, AfterValidator(_absolute)] | None = None
    """Whom we trust (PEM). Our listeners then take links only from who has a certificate of this authority."""

    network_host: str = "127.0.0.1"
    """Where members (acquirers and issuers, who listen to nobody) find the network."""

    network_port: Port = 8600
    """ISO 8583: where the network listens for its members."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @property
    def places(self) -> tuple[ListeningPlace, ...]:
        """The listeners of `pos_listeners`."""
        return places_of(self.pos_listeners)

    @property
    def called_host(self) -> str:
        """Where a tool on this machine finds our listeners: who listens everywhere is called on loopback."""
        return "127.0.0.1" if self.listen_host in ("0.0.0.0", "::") else self.listen_host  # noqa: S104, compared with

    def master_key_bytes(self) -> bytes:
        """The master key, for the HSM and for what derives from it."""
        return bytes.fromhex(self.master_key.get_secret_value())

    @property
    def of_test_world(self) -> bool:
        """Whether the master key is the test world's, whose keys anybody may know."""
        return is_test_key(self.master_key_bytes())

    @property
    def database_password_file(self) -> Path | None:
        """Where the embedded database keeps its owner's password; None where the database is elsewhere."""
        return None if self.database_url is not None else self.data_folder / DATABASE_FOLDER / "password"

    def open_to_others(self, what: str, file: Path) -> str | None:
        """Why the production profile refuses a file with a secret in it: the sentence, or None if it does not."""
        if self.profile != "production" or not file.exists() or not file.stat().st_mode & _OTHERS:
            return None
        return f"the production profile refuses the {what} {file}, which others than its owner can reach: chmod 600 it"

    @model_validator(mode="before")
    @classmethod
    def _read_key_file(cls, values: dict[str, Any]) -> dict[str, Any]:
        file = values.get("master_key_file")
        if not file:
            return values
        if values.get("master_key"):
            raise ValueError(f"the master key is in a file or in {PREFIX}MASTER_KEY: unset one of the two")
        try:
            return values | {"master_key": _absolute(Path(file)).read_text().strip()}
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"the file of {PREFIX}MASTER_KEY_FILE cannot be read") from None

    @model_validator(mode="after")
    def _with_certificates(self) -> Self:
        if any(place.port == self.pos_port for place in self.places):
            raise ValueError(f"a listener of {PREFIX}POS_LISTENERS has the port of {PREFIX}POS_PORT")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY belong together: set both or neither")
        if self.tls_certificate is None and any(place.has_tls for place in self.places):
            raise ValueError(f"a listener with tls needs {PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY")
        if self.network_tls and self.tls_authority is None:
            raise ValueError(f"{PREFIX}NETWORK_TLS needs {PREFIX}TLS_AUTHORITY, whom members trust")
        return self

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.profile != "production":
            return self
        if self.of_test_world:
            raise ValueError(f"the production profile refuses the test master key: set {PREFIX}MASTER_KEY to your own")
        files = {"master key file": self.master_key_file, "database password file": self.database_password_file}
        for what, file in files.items():
            if file is not None and (sentence := self.open_to_others(what, file)):
                raise ValueError(sentence)
        return self


def load_settings() -> Settings:
    """The settings as the environment has them; a `BezantError` names the first wrong variable, never its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        name = PREFIX + str(first["loc"][0]).upper() + ": " if first["loc"] else ""
        raise BezantError(f"Wrong setting: {name}{reason}.") from None
