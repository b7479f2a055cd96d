"""Schemas kept up to date: Alembic's revisions, run into each institution's schema, and the grants that go with its
tables.

Each package brings a `SchemaPart`, its tables and its revisions; an institution is made of several. Revisions are
plain SQL steps forward; there is no way back, a correction is a new revision. The version table lies in the schema
that it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from engine.database.connections import Database, SchemaOutOfDate, is_transient, sqlstate
from engine.database.institutions import Institution
from engine.database.tables import metadata, public_metadata

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"
_SCRATCH = "bezant_scratch"
# Two processes made the same object: duplicate schema, table, object; their catalogue rows; "tuple concurrently
# updated".
_MADE_BY_ANOTHER = frozenset({"42P06", "42P07", "42710", "23505", "XX000"})
_TRIES = 5


@dataclass(frozen=True, slots=True)
class SchemaPart:
    """What one package adds to a schema. `label` is its branch of revisions, `versions` the folder that they lie in."""

    label: str
    metadata: MetaData
    versions: Path


PUBLIC = SchemaPart("public", public_metadata, _MIGRATIONS / "versions" / "public")
ENGINE = SchemaPart("engine", metadata, _MIGRATIONS / "versions" / "engine")


def upgrade_public(database: Database) -> None:
    """Bring what all institutions share up to date. Any number of processes may try at once."""
    for tries_left in reversed(range(_TRIES)):
        try:
            with database.owner().begin() as connection:
                _run(connection, "public", "public", (PUBLIC,))
                connection.execute(text("insert into public.world_clock values (true, 0) on conflict do nothing"))
            return
        except DBAPIError as problem:
            if not tries_left or not (is_transient(problem) or sqlstate(problem) in _MADE_BY_ANOTHER):
                raise


def upgrade(database: Database, institution: Institution, parts: Sequence[SchemaPart]) -> None:
    """Run what is missing of `parts` into the institution's schema and grant its login role what the tables say; one
    transaction.

    Raises `SchemaOutOfDate` when the schema is newer than this program.
    """
    with database.owner().begin() as connection:
        # Of two processes that upgrade the same institution the second waits, and finds nothing to do.
        connection.execute(
            text("select 1 from public.institutions where name = :name for update"), {"name": institution.name}
        )
        _run(connection, institution.schema_name, institution.name, parts)
        _grant(connection, institution, parts)


def check(database: Database, institution: Institution, parts: Sequence[SchemaPart]) -> None:
    """Raise `SchemaOutOfDate` unless the institution's schema is exactly at the heads of `parts`. Asked as its login
    role.
    """
    script = _script(tuple(part.versions for part in parts))
    with database.institution(institution.name).connect() as connection:
        have, want = _revisions(connection), tuple(sorted(script.get_heads()))
    if have != want:
        raise SchemaOutOfDate(institution.name, have, want, newer=_is_newer(script, have))


def differences(database: Database, institution: Institution, parts: Sequence[SchemaPart]) -> list[str]:
    """What the tables of the migrated schema and the declared ones do not have in common, one line each; empty when
    they agree.

    Both are read from PostgreSQL's catalogue (columns, defaults, constraints, indexes), the declared ones after
    creating them in a schema that is rolled back, so that a check constraint counts as much as a column.
    """
    with _scratch(database) as connection:
        for part in parts:
            part.metadata.create_all(connection, checkfirst=False)
        declared = _catalogue(connection, _SCRATCH)
        migrated = _catalogue(connection, institution.schema_name)
    return sorted(
        [f"only migrated: {line}" for line in migrated - declared]
        + [f"only declared: {line}" for line in declared - migrated]
    )


def revise(database: Database, parts: Sequence[SchemaPart], label: str, message: str) -> Path | None:
    """Write the next revision of the branch `label` from what its metadata has and its revisions do not. For
    developers.

    Runs the revisions of `parts` into a schema that is rolled back, and compares. Returns the new file, or None when
    there is nothing to do. Alembic sees tables, columns, keys and indexes; a changed check constraint is written by
    hand (`differences` tells).
    """
    part = next(part for part in parts if part.label == label)
    for table in part.metadata.tables.values():
        hidden = [column.name for column in table.columns if column.constraints]
        assert not hidden, (
            f"{table.name}: Alembic overlooks the constraints of {hidden}; declare them beside the columns"
        )
    others = {name for other in parts if other is not part for name in other.metadata.tables}
    script = _read_script(tuple(part.versions for part in parts))
    with _scratch(database) as connection:
        _run(connection, _SCRATCH, label, parts)
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table_schema": _SCRATCH,
                "target_metadata": part.metadata,
                "compare_server_default": True,
                "include_name": lambda name, kind, _parent: kind != "table" or name not in {*others, _VERSION_TABLE},
            },
        )
        changes = produce_migrations(context, part.metadata).upgrade_ops
        if changes is None or changes.is_empty():
            return None
        rendered = render_python_code(changes, migration_context=context).splitlines()
        steps = "\n".join(line for line in rendered if not line.strip().startswith("# ###")).lstrip()
    own = [revision for revision in script.walk_revisions() if label in revision.branch_labels]
    made = script.generate_revision(
        f"{label}_{len(own) + 1:04}",
        message,
        head=f"{label}@head" if own else "base",
        splice=not own,
        branch_labels=None if own else label,
        version_path=part.versions,
        upgrades=steps,
    )
    _script.cache_clear()
    return Path(made.path) if made else None


def _read_script(versions: tuple[Path, ...]) -> ScriptDirectory:
    return ScriptDirectory(
        _MIGRATIONS, file_template="%(rev)s", version_locations=versions, messaging_opts={"quiet": True}
    )


# Revisions do not change while a program runs; reading them costs more than running them.
_script = cache(_read_script)


def _run(connection: Connection, schema: str, name: str, parts: Sequence[SchemaPart]) -> None:
    script = _script(tuple(part.versions for part in parts))

    def missing(have: Any, _context: MigrationContext) -> Any:
        try:
            return script._upgrade_revs("heads", have)
        except CommandError:
            raise SchemaOutOfDate(name, tuple(sorted(have)), tuple(sorted(script.get_heads())), newer=True) from None

    connection.execute(text(f"set local search_path to {schema}"))
    with EnvironmentContext(Config(), script, fn=missing) as environment:
        environment.configure(connection=connection, version_table=_VERSION_TABLE, version_table_schema=schema)
        environment.run_migrations()


def _grant(connection: Connection, institution: Institution, parts: Sequence[SchemaPart]) -> None:
    """Everything on tables that change, SELECT and INSERT on those that are appended to, SELECT on what is nobody's."""
    schema, role = institution.schema_name, institution.login_role
    tables = [table for part in parts for table in part.metadata.sorted_tables]
    append_only = [table.name for table in tables if table.info.get("append_only")]
    changing = [table.name for table in tables if not table.info.get("append_only")]
    statements = [
        f"revoke all on all tables in schema {schema} from {role}",
        f"grant select on all tables in schema {schema} to {role}",
        f"grant usage on all sequences in schema {schema} to {role}",
    ]
    for rights, names in (("insert", append_only), ("insert, update, delete", changing)):
        if names:
            listed = ", ".join(f'{schema}."{name}"' for name in names)
            statements.append(f"grant {rights} on {listed} to {role}")
    for statement in statements:
        connection.exec_driver_sql(statement)


@contextmanager
def _scratch(database: Database) -> Iterator[Connection]:
    """A connection whose tables go into a schema that will never have been there."""
    with database.owner().connect() as connection:
        connection.execute(text(f"create schema {_SCRATCH}"))
        connection.execute(text(f"set local search_path to {_SCRATCH}"))
        yield connection
        connection.rollback()


def _revisions(connection: Connection) -> tuple[str, ...]:
    return tuple(sorted(MigrationContext.configure(connection).get_current_heads()))


def _is_newer(script: ScriptDirectory, have: tuple[str, ...]) -> bool:
    known = {revision.revision for revision in script.walk_revisions()}
    return not known.issuperset(have)


def _catalogue(connection: Connection, schema: str) -> set[str]:
    connection.execute(
        text(f"set local search_path to {schema}")
    )  # definitions then name the schema's own objects plainly
    rows = connection.execute(
        text(
            """
            with tables as (
                select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = :schema and c.relkind = 'r' and c.relname <> :version_table
            )
            select format('%s.%s %s%s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                          case when a.attnotnull then ' not null' end, ' default ' || pg_get_expr(d.adbin, d.adrelid))
            from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
            union all
            select format('%s: %s %s', t.relname, k.conname, pg_get_constraintdef(k.oid))
            from tables t join pg_constraint k on k.conrelid = t.oid
            union all
            select format('%s: %s', t.relname, replace(pg_get_indexdef(i.indexrelid), :schema || '.', ''))
            from tables t join pg_index i on i.indrelid = t.oid
            """
        ),
        {"schema": schema, "version_table": _VERSION_TABLE},
    )
    return set(rows.scalars())
