"""The institutions of one world: their registry, schemas and login roles, and the one clock that they share.

Each institution has a schema `i_<name>` and a role `bezant_<name>` that can use that schema alone. A role belongs to
the whole server, so two worlds in one PostgreSQL server share it: give them the same role secret.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from engine.database.connections import UNDEFINED_TABLE, Database, UnknownInstitution, is_duplicate, sqlstate

InstitutionRole = Literal["issuer", "acquirer", "network", "settlement_bank"]

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_SELECT = "select name, member_id, role, schema_name, login_role, time_zone from public.institutions"


@dataclass(frozen=True, slots=True)
class Institution:
    """A member of the world. `time_zone` is an IANA name; it and the calendar make the business date."""

    name: str
    member_id: str
    role: InstitutionRole
    schema_name: str
    login_role: str
    time_zone: str

    def __post_init__(self) -> None:
        """Raises `ValueError`, in words for a user, for a name, role or time zone that cannot be."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot name an institution: use 2 to 31 of a-z, 0-9 and _, beginning with a letter."
            )
        if self.role not in get_args(InstitutionRole):
            raise ValueError(
                f"{self.role!r} is no role of an institution: choose one of {', '.join(get_args(InstitutionRole))}."
            )
        try:
            ZoneInfo(self.time_zone)
        except (OSError, ValueError, LookupError):
            raise ValueError(f"{self.time_zone!r} is no time zone: use an IANA name such as Europe/Berlin.") from None
        # Both are written into statements, where parameters cannot go.
        assert self.schema_name == f"i_{self.name}", "the schema follows from the name"
        assert self.login_role == f"bezant_{self.name}", "the role follows from the name"

    @classmethod
    def named(cls, name: str, member_id: str, role: InstitutionRole, time_zone: str) -> Self:
        """The institution of that name, with schema and login role as they follow from it."""
        return cls(name, member_id, role, f"i_{name}", f"bezant_{name}", time_zone)


def open_institution(database: Database, institution: Institution, opened_at: datetime) -> None:
    """Register the institution, make its schema and its login role. Doing it again changes nothing (but renews the
    role's password).

    Needs `schema.upgrade_public` first; its tables come with `schema.upgrade`. Raises `ValueError` when the name is
    taken by an institution that differs, or the member id by another.
    """
    assert opened_at.tzinfo is not None, "a time without a zone says nothing"
    try:
        with database.owner().begin() as connection:
            # Grants on what is shared update the same catalogue rows: two openings go one after the other.
            connection.execute(text("lock table public.institutions in share row exclusive mode"))
            known = _find(connection, institution.name)
            if known is None:
                connection.execute(
                    text(
                        "insert into public.institutions"
                        " (name, member_id, role, schema_name, login_role, time_zone, opened_at) values"
                        " (:name, :member_id, :role, :schema_name, :login_role, :time_zone, :opened_at)"
                    ),
                    asdict(institution) | {"opened_at": opened_at},
                )
            elif known != institution:
                raise ValueError(
                    f"The institution {known.name} is open already, "
                    f"as {known.role} {known.member_id} in {known.time_zone}."
                )
            _make_schema_and_role(connection, institution, database.role_password(institution.login_role))
    except DBAPIError as problem:
        if is_duplicate(problem):
            raise ValueError(f"The member id {institution.member_id} belongs to another institution already.") from None
        raise


def list_institutions(database: Database) -> list[Institution]:
    """All of them, by name; none in a database that nobody has set up."""
    try:
        with database.owner().connect() as connection:
            rows = connection.execute(text(_SELECT + " order by name"))
            return [_institution(row) for row in rows]
    except DBAPIError as problem:
        if sqlstate(problem) != UNDEFINED_TABLE:
            raise
        return []


def find_institution(database: Database, name: str) -> Institution:
    """The one of that name. Raises `UnknownInstitution`."""
    with database.owner().connect() as connection:
        found = _find(connection, name)
    if found is None:
        raise UnknownInstitution(name)
    return found


def read_opened_at(database: Database, name: str) -> datetime:
    """When the institution was opened. Raises `UnknownInstitution`."""
    with database.owner().connect() as connection:
        found = connection.execute(text("select opened_at from public.institutions where name = :name"), {"name": name})
        instant: datetime | None = found.scalar_one_or_none()
    if instant is None:
        raise UnknownInstitution(name)
    return instant


def read_clock_offset(connection: Connection) -> int:
    """Microseconds from the machine's clock to the world's. As any institution."""
    return int(connection.execute(text("select offset_us from public.world_clock")).scalar_one())


def move_clock_offset(connection: Connection, offset_us: int) -> None:
    """Set the world's clock to `offset_us` microseconds from the machine's, in the caller's transaction.

    It moves forward only: raises `ValueError` for less than it is. As any institution.
    """
    moved = connection.execute(
        text("update public.world_clock set offset_us = :offset_us where offset_us <= :offset_us"),
        {"offset_us": offset_us},
    )
    if moved.rowcount == 0:
        raise ValueError(f"The world's clock moves forward only: {offset_us} µs lies behind where it stands.")


def _find(connection: Connection, name: str) -> Institution | None:
    row = connection.execute(text(_SELECT + " where name = :name"), {"name": name}).one_or_none()
    return None if row is None else _institution(row)


def _institution(row: Row[*tuple[Any, ...]]) -> Institution:
    return Institution(**row._mapping)


def _make_schema_and_role(connection: Connection, institution: Institution, password: str) -> None:
    schema, role = institution.schema_name, institution.login_role
    driver = connection.connection.driver_connection
    assert driver is not None, "the connection is open"
    # As a SCRAM verifier (RFC 5803), so that no statement and no log ever shows the password.
    verifier = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    exists = connection.execute(
        text("select 1 from pg_catalog.pg_roles where rolname = :role"), {"role": role}
    ).one_or_none()
    statements = (
        *(() if exists is not None else (f"create role {role}",)),
        f"alter role {role} login password '{verifier}'",
        f"alter role {role} set search_path to {schema}",
        f"create schema if not exists {schema}",
        f"grant usage on schema {schema} to {role}",
        "revoke all on schema public from public",
        f"grant usage on schema public to {role}",
        f"grant select on public.institutions to {role}",
        f"grant select, update on public.world_clock to {role}",
    )
    for statement in statements:
        connection.exec_driver_sql(statement)
