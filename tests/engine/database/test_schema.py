"""Schemas: revisions are generated from the tables, run once per institution, and agree with the tables afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from engine.database.connections import Database, SchemaOutOfDate
from engine.database.institutions import Institution
from engine.database.schema import ENGINE, SchemaPart, check, differences, revise, upgrade, upgrade_public
from engine.database.tables import NAMING

OpenInstitution = Callable[..., Institution]


def books(*, pages: bool = False) -> MetaData:
    """Tables of a package, in an earlier and in a later version."""
    metadata = MetaData(naming_convention=NAMING)
    Table(
        "books",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("title", Text, nullable=False, unique=True),
        Column("rate", Numeric(20, 6), nullable=False, server_default="0"),
        Column("more", JSONB, nullable=False),
        *([Column("pages", Integer), CheckConstraint("pages > 0", name="pages")] if pages else []),
    )
    if pages:
        page = Table(
            "pages",
            metadata,
            Column("id", BigInteger, primary_key=True),
            Column("book_id", Uuid, ForeignKey("books.id"), nullable=False),
            Column("words", Text),
        )
        Index(None, page.c.book_id, postgresql_where=page.c.words.is_not(None))
    return metadata


def shelves() -> MetaData:
    metadata = MetaData(naming_convention=NAMING)
    Table("shelves", metadata, Column("id", BigInteger, primary_key=True))
    return metadata


@pytest.fixture
def parts(tmp_path: Path) -> tuple[SchemaPart, SchemaPart]:
    for label in ("books", "shelves"):
        (tmp_path / label).mkdir()
    return SchemaPart("books", books(), tmp_path / "books"), SchemaPart("shelves", shelves(), tmp_path / "shelves")


def later(part: SchemaPart) -> SchemaPart:
    return SchemaPart(part.label, books(pages=True), part.versions)


def test_revisions_follow_the_tables_branch_by_branch(
    database: Database, institution: OpenInstitution, parts: tuple[SchemaPart, SchemaPart]
) -> None:
    first = revise(database, parts, "books", "Books")
    assert first is not None
    assert revise(database, parts, "books", "Books, again") is None, "nothing to do"
    assert revise(database, parts, "shelves", "Shelves") is not None
    library = institution("library", parts=parts)
    assert differences(database, library, parts) == []
    check(database, library, parts)

    grown = (later(parts[0]), parts[1])
    assert differences(database, library, grown) != []
    second = revise(database, grown, "books", "Pages")
    assert second is not None
    assert (first.name, second.name) == ("books_0001.py", "books_0002.py")
    with pytest.raises(SchemaOutOfDate) as old:
        check(database, library, grown)
    assert old.value.have == ("books_0001", "shelves_0001")
    assert old.value.want == ("books_0002", "shelves_0001")
    assert str(old.value) == (
        "The tables of library are at books_0001, shelves_0001, this program needs books_0002, shelves_0001: "
        "run `bezant institutions upgrade`."
    )
    upgrade(database, library, grown)
    check(database, library, grown)
    # Alembic does not see check constraints of a table that exists: they are written by hand, and this is what tells.
    assert differences(database, library, grown) == ["only declared: books: books_pages_check CHECK ((pages > 0))"]


def test_a_constraint_that_a_revision_would_lack_is_refused(database: Database, tmp_path: Path) -> None:
    metadata = MetaData(naming_convention=NAMING)
    Table("hidden", metadata, Column("amount", BigInteger, CheckConstraint("amount > 0", name="positive")))
    with pytest.raises(AssertionError, match=r"hidden: Alembic overlooks the constraints of \['amount'\]"):
        revise(database, [SchemaPart("hidden", metadata, tmp_path)], "hidden", "Hidden")


def test_a_schema_of_a_newer_program_is_left_alone(
    database: Database, institution: OpenInstitution, parts: tuple[SchemaPart, SchemaPart], tmp_path: Path
) -> None:
    assert revise(database, parts, "books", "Books") is not None
    newer = institution("newer", parts=parts[:1])
    (tmp_path / "empty").mkdir()
    older = [SchemaPart("books", MetaData(), tmp_path / "empty")]
    for refused in (check, upgrade):
        with pytest.raises(SchemaOutOfDate, match="install the version of Bezant that made them"):
            refused(database, newer, older)


def test_an_upgrade_is_all_or_nothing(
    database: Database, institution: OpenInstitution, parts: tuple[SchemaPart, SchemaPart]
) -> None:
    assert revise(database, parts, "books", "Books") is not None
    broken = parts[0].versions / "books_0002.py"
    broken.write_text(
        "from alembic import op\n\nrevision = 'books_0002'\ndown_revision = 'books_0001'\n"
        "branch_labels = depends_on = None\n\n\ndef upgrade():\n    op.execute('select 1 / 0')\n"
    )
    with pytest.raises(Exception, match="division by zero"):
        institution("half", parts=parts[:1])
    with database.owner().connect() as connection:
        tables = connection.execute(text("select count(*) from pg_tables where schemaname = 'i_half'"))
        assert tables.scalar_one() == 0


def test_processes_may_upgrade_at_once(
    database: Database, institution: OpenInstitution, parts: tuple[SchemaPart, SchemaPart]
) -> None:
    assert revise(database, parts, "books", "Books") is not None
    library = institution("library_at_once", parts=())
    # Threads of one process cannot: Alembic keeps its context in a module. Another process is another connection.
    with database.owner().begin() as other:
        other.execute(text("select 1 from public.institutions where name = 'library_at_once' for update"))
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(upgrade, database, library, parts[:1])
            assert not waiting.done()
            other.rollback()
            waiting.result()
    upgrade(database, library, parts[:1])
    check(database, library, parts[:1])


def test_the_shared_tables_and_those_of_the_engine_are_as_declared(
    database: Database, institution: OpenInstitution
) -> None:
    upgrade_public(database)
    with database.owner().connect() as connection:
        assert connection.execute(text("select offset_us from public.world_clock")).scalars().all() == [0]
    bank = institution("bank")
    check(database, bank, (ENGINE,))
