"""Statements straight through the driver, one by one or many in one round trip (libpq's pipeline mode).

What a batch costs when it is one request is mostly the way there: SQLAlchemy's `execute` takes twice as long as the
driver's, and the driver's own pipeline asks the socket twice for each statement. Here statements are prepared once for
each connection, put into libpq's buffer one after the other, and left there while they are small: a lone request
goes out in one piece. Of a batch the database works on the first while the next is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many
from psycopg.generators import send as flush
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection

WORTH_SENDING = 2_000
"""Bytes of a statement from which on it goes out at once, for the database to begin; less waits for what comes next."""
_BEGIN = "begin isolation level read committed"
_DONE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})


class Sent:
    """A statement that was sent; what it gave can be had once its pipeline has been read."""

    __slots__ = ("_driver", "result")

    def __init__(self, driver: psycopg.Connection[Any] | None) -> None:
        self._driver = driver
        self.result: PGresult | None = None

    @property
    def rowcount(self) -> int:
        """How many rows it touched; -1 while that is not known."""
        return -1 if self.result is None or self.result.command_tuples is None else self.result.command_tuples

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what it selected."""
        result = self._given()
        return tuple((result.fname(at) or b"").decode() for at in range(result.nfields))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Its rows."""
        result = self._given()
        reader = Transformer(self._driver)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, tuple)

    def _given(self) -> PGresult:
        assert self.result is not None, "a pipeline gives its rows when it has ended"
        return self.result


_NOT_YET = Sent(None)
"""What a statement in a parcel gives: nobody reads rows out of one."""


class Parcel:
    """The statements of one transaction, made while the connection is busy with another: made now, sent later.

    `post` sends them with their commit and does not wait, `read` waits for the outcome. A statement's parameters are
    text from the start, so that posting costs no more than the way.
    """

    __slots__ = ("_connection", "_pipeline", "_statements")

    def __init__(self) -> None:
        self._statements: list[tuple[str, Sequence[str]]] = []
        self._connection: Connection | None = None
        self._pipeline: _Pipeline | None = None

    def add(self, statement: str, parameters: Sequence[str]) -> None:
        """One more statement, after those before."""
        self._statements.append((statement, parameters))

    def post(self, connection: Connection) -> None:
        """Begin, send all, commit; nothing else may use the connection until `read`."""
        told = connection.info.get("told")
        self._connection = connection
        self._pipeline = _Pipeline(connection)
        for statement, parameters in self._statements:
            if told is not None:
                told(statement)
            self._pipeline.send(statement, parameters)
        self._pipeline.send("commit", ())
        self._pipeline.flush()

    def read(self) -> None:
        """Wait until all is committed. Raises the driver's error of the first statement that failed."""
        assert self._pipeline is not None and self._connection is not None, "a parcel is posted before it is read"
        self._pipeline.read()
        self._connection.commit()


def send(connection: Connection | Parcel, statement: str, parameters: Sequence[str]) -> Sent:
    """Send a statement with `%s`, each with a cast, for its parameters, as part of the connection's transaction.

    Errors are the driver's (`sqlstate` reads them). Within `pipelined`, or into a parcel, it returns at once: what it
    gave can be had, and its error is raised, when the block has ended.
    """
    if isinstance(connection, Parcel):
        connection.add(statement, parameters)
        return _NOT_YET
    if (told := connection.info.get("told")) is not None:
        told(statement)
    pipeline: _Pipeline | None = connection.info.get("pipeline")
    if pipeline is not None:
        return pipeline.send(statement, parameters)
    alone = _Pipeline(connection)
    sent = alone.send(statement, parameters)
    alone.flush()
    alone.read()
    return sent


@contextmanager
def pipelined(connection: Connection, *, committing: bool = False) -> Iterator[None]:
    """Whatever is `send` within takes one round trip, together with the beginning of the transaction, if it has none
    yet, and with its commit, if wanted. Nothing else may use the connection within.

    Raises the driver's error of the first statement that failed; the transaction is to be rolled back then.
    """
    pipeline = connection.info["pipeline"] = _Pipeline(connection)
    try:
        yield
        if committing:
            pipeline.send("commit", ())
    except BaseException:
        with suppress(psycopg.Error):
            pipeline.flush()
            pipeline.read()
        raise
    finally:
        del connection.info["pipeline"]
    pipeline.flush()
    pipeline.read()
    if committing:
        connection.commit()


class _Pipeline:
    """One turn of pipeline mode: statements out, one synchronisation, results in."""

    def __init__(self, connection: Connection) -> None:
        if not connection.in_transaction():
            connection.begin()
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection), "psycopg is the one driver"
        self._driver = driver
        self._pgconn = driver.pgconn
        self._prepared: dict[str, bytes] = connection.info.setdefault("prepared", {})
        self._fresh: dict[str, bytes] = {}
        self._awaited: list[tuple[Sent, str | None]] = []  # each with the statement that it prepares, if it does
        in_transaction = self._pgconn.transaction_status != TransactionStatus.IDLE
        self._pgconn.enter_pipeline_mode()
        if not in_transaction:
            self.send(_BEGIN, ())

    def send(self, statement: str, parameters: Sequence[str]) -> Sent:
        name = self._prepared.get(statement) or self._fresh.get(statement)
        if name is None:
            name = self._fresh[statement] = b"bezant_%d" % (len(self._prepared) + len(self._fresh))
            first, *others = statement.encode().split(b"%s")
            numbered = b"".join(b"$%d%b" % pair for pair in enumerate(others, 1))
            self._pgconn.send_prepare(name, first + numbered)
            self._awaited.append((Sent(self._driver), statement))
        encoded = [one.encode() for one in parameters]
        self._pgconn.send_query_prepared(name, encoded, result_format=Format.BINARY)
        if sum(map(len, encoded)) > WORTH_SENDING:
            self._pgconn.flush()
        sent = Sent(self._driver)
        self._awaited.append((sent, None))
        return sent

    def flush(self) -> None:
        """Send what is still here."""
        self._pgconn.pipeline_sync()
        self._driver.wait(flush(self._pgconn))

    def read(self) -> None:
        """Results in, of what has been flushed."""
        failed: PGresult | None = None
        for sent, prepares in self._awaited:
            (sent.result,) = self._driver.wait(fetch_many(self._pgconn))
            if sent.result.status not in _DONE:
                failed = failed or sent.result
            elif prepares is not None:  # which outlives a rollback
                self._prepared[prepares] = self._fresh[prepares]
        self._driver.wait(fetch_many(self._pgconn))
        self._pgconn.exit_pipeline_mode()
        if failed is not None:
            raise error_from_result(failed)
