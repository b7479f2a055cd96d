"""Connections to PostgreSQL: the owner's, for migrations, and one login per institution, which sees its own schema
only.

Everybody else gets an engine from here; nobody else opens a connection. Also what an error of the database means, by
its SQLSTATE.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError

from engine.database.json_text import canonical_json, read_json
from engine.vocabulary.errors import BezantError

POOL_SIZE, POOL_OVERFLOW = 4, 12

_UNIQUE_VIOLATION = "23505"
_DIVISION_BY_ZERO = "22012"
UNDEFINED_TABLE = "42P01"
# Serialization failure, deadlock; shutdown by the operator, crash of another session, starting up (PostgreSQL,
# appendix A).
_TRANSIENT = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
_CONNECTION_EXCEPTION = "08"

_REMEDY = "see that it runs and accepts this role, or point BEZANT_DATABASE_URL at another server"
# Their passwords derive from the master key.
_REMEDY_OF_LOGINS = "see that it runs, and that BEZANT_MASTER_KEY is the one that the institutions were opened under"


class DatabaseUnavailable(BezantError):
    """The database cannot be reached. The message is one sentence or two for a user: what, where, what to do; no
    password.
    """


class UnknownInstitution(BezantError):
    """No institution of this name is registered."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no institution {name!r}: open it with `bezant institutions add {name}`.")
        self.name = name


class SchemaOutOfDate(BezantError):
    """An institution's tables are not those that this program was written for. `have` and `want` are revisions,
    sorted.
    """

    def __init__(self, institution: str, have: tuple[str, ...], want: tuple[str, ...], *, newer: bool = False) -> None:
        state = f"The tables of {institution} are at {_named(have)}, this program needs {_named(want)}"
        remedy = "install the version of Bezant that made them" if newer else "run `bezant institutions upgrade`"
        super().__init__(f"{state}: {remedy}.")
        self.institution, self.have, self.want = institution, have, want


def sqlstate(exception: BaseException) -> str | None:
    """The five characters of SQLSTATE (PostgreSQL, appendix A) that the database gave, through SQLAlchemy or not;
    else None.
    """
    cause = exception.orig if isinstance(exception, DBAPIError) else exception
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def is_transient(exception: BaseException) -> bool:
    """Whether the same transaction may succeed when tried again: deadlock, serialization, connection lost or not to
    be had.
    """
    state = sqlstate(exception)
    if state is not None:
        return state in _TRANSIENT or state.startswith(_CONNECTION_EXCEPTION)
    cause = exception.orig if isinstance(exception, DBAPIError) else exception
    # The driver reports a broken connection as an OperationalError without SQLSTATE: there was nobody left to give one.
    return isinstance(cause, psycopg.OperationalError | DatabaseUnavailable)


def is_duplicate(exception: BaseException) -> bool:
    """Whether a unique constraint refused the statement (23505): somebody else was first."""
    return sqlstate(exception) == _UNIQUE_VIOLATION


def has_moved(exception: BaseException) -> bool:
    """Whether a statement refused to write rows that are no longer as they were when the decision was made: it
    divides by zero then (22012).
    """
    return sqlstate(exception) == _DIVISION_BY_ZERO


class Database:
    """All connections of one process, pooled, READ COMMITTED. Thread-safe.

    `on_statement`, when given, is told the text of each statement before it is sent.
    """

    def __init__(self, owner_url: str, role_secret: bytes, on_statement: Callable[[str], None] | None = None) -> None:
        """`owner_url` is a PostgreSQL URL of the role that owns every schema; the passwords of login roles derive
        from `role_secret`.

        Opens nothing yet. Raises `DatabaseUnavailable` when the URL is not one of PostgreSQL's.
        """
        self._owner_url = postgresql_url(owner_url)
        self._role_secret = role_secret
        self._on_statement = on_statement
        self._engines: dict[str | None, Engine] = {}
        self._lock = threading.Lock()

    def owner(self) -> Engine:
        """The owner's engine: migrations and the registry of institutions."""
        with self._lock:
            return self._engine(None, self._owner_url)

    def institution(self, name: str) -> Engine:
        """The engine of an institution's login role, whose `search_path` is its own schema.

        Looked up once, so that an institution may live on another server. Raises `UnknownInstitution`,
        `DatabaseUnavailable`.
        """
        with self._lock:
            if name in self._engines:
                return self._engines[name]
        login_role, database_url = self._home(name)
        url = postgresql_url(database_url) if database_url else self._owner_url
        with self._lock:
            return self._engine(name, url.set(username=login_role, password=self.role_password(login_role)))

    def role_password(self, login_role: str) -> str:
        """HMAC-SHA256 of the role's name under the role secret, in hex: kept nowhere, the same in every process."""
        return hmac.new(self._role_secret, login_role.encode(), hashlib.sha256).hexdigest()

    def dispose(self) -> None:
        """Close every pooled connection. The object stays usable."""
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _home(self, name: str) -> tuple[str, str | None]:
        try:
            with self.owner().connect() as connection:
                row = connection.execute(
                    text("select login_role, database_url from public.institutions where name = :name"), {"name": name}
                ).one_or_none()
        except DBAPIError as problem:
            if sqlstate(problem) != UNDEFINED_TABLE:
                raise
            row = None
        if row is None:
            raise UnknownInstitution(name)
        return row.login_role, row.database_url

    def _engine(self, key: str | None, url: URL) -> Engine:
        if key not in self._engines:
            engine = create_engine(
                url,
                isolation_level="READ COMMITTED",
                hide_parameters=True,  # an error's text goes into logs; the values of rows do not
                pool_size=POOL_SIZE,
                max_overflow=POOL_OVERFLOW,
                json_serializer=canonical_json,
                json_deserializer=read_json,
                # What is worth preparing is prepared by `pipeline`. The driver's own way ends with DEALLOCATE ALL after
                # each rollback, which would take that away, too.
                connect_args={"prepare_threshold": None},
            )
            say_unavailable(engine, _REMEDY if key is None else _REMEDY_OF_LOGINS)
            if (told := self._on_statement) is not None:
                event.listen(engine, "before_cursor_execute", lambda *arguments: told(arguments[2]))
                event.listen(engine, "connect", lambda _, record: record.info.update(told=told))
            self._engines[key] = engine
        return self._engines[key]


def say_unavailable(engine: Engine, remedy: str = _REMEDY) -> None:
    """Have a failure to connect raised as `DatabaseUnavailable`, whose text holds no password."""
    url = engine.url

    def said(context: ExceptionContext) -> Exception | None:
        # Only a failure to connect has no connection. One that breaks in use stays the driver's error, for its
        # SQLSTATE.
        if context.connection is not None or not isinstance(context.original_exception, psycopg.OperationalError):
            return None
        reason = (
            str(context.original_exception)
            .strip()
            .splitlines()[0]
            .rpartition("failed: ")[2]
            .removeprefix("FATAL:")
            .strip()
        )
        return DatabaseUnavailable(
            f"PostgreSQL at {url.host}:{url.port or 5432} does not let {url.username} in ({reason}): {remedy}."
        )

    event.listen(engine, "handle_error", said, retval=True)


def postgresql_url(given: str) -> URL:
    """The URL for our driver. Raises `DatabaseUnavailable` when it is not one of PostgreSQL's."""
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        # Not quoted: it may hold a password. Not chained either, for the same reason.
        raise DatabaseUnavailable(
            "The database's URL is not one of PostgreSQL's: write it as postgresql://user:password@host:port/name."
        )
    return url.set(drivername="postgresql+psycopg")


def _named(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "no revision"
