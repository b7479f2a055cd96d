"""Every statement that the product sends on a day, and every one that is written in it, keeps the rules of SQL; so do
the schemas that its migrations make.
"""

from __future__ import annotations

import pytest
from sqlalchemy import text

from api.system import MEMBERS
from tests.architecture import statements
from tests.architecture.house import package_sources
from tests.architecture.statements import normalised, violations, written_in
from tests.simulation.played import PlayedDay

SET_UP = ("engine/database", "benchmarks")
"""Migrations, the opening of institutions, and what measures other programs: none of it is on the hot path."""
EXPECTED = (
    "insert into batches (chain, sequence, digest, entry_count, event_count, recorded_at)"
    " select unnest(%s::integer[]), unnest(%s::bigint[]), unnest(%s::bytea[]), unnest(%s::integer[]),"
    " unnest(%s::integer[]), unnest(%s::timestamptz[])",
    "select id, recipient, body, attempts from outbox where due_at <= %s order by due_at, id limit %s"
    " for update skip locked",
)
"""Two that every day sends: if they are not among those heard, nobody listened."""


def test_every_statement_of_a_day_keeps_the_rules(played: PlayedDay) -> None:
    sent = {normalised(statement) for statement in played.statements}
    assert len(sent) > 150, "a day of six institutions needs many statements"
    assert sent.issuperset(EXPECTED)
    wrong = sorted(sentence for statement in sent for sentence in violations(statement))
    assert not wrong, "\n" + "\n".join(wrong)


def test_every_statement_that_is_written_keeps_the_rules() -> None:
    found = [
        f"{source.path}: {sentence}"
        for source in package_sources()
        if not source.lies_in(*SET_UP)
        for statement in written_in(source)
        for sentence in violations(statement)
    ]
    assert not found, "\n" + "\n".join(sorted(found))


def test_every_allowance_is_still_needed(played: PlayedDay) -> None:
    sent = {normalised(statement) for statement in played.statements}
    assert sent.issuperset(statements.ALLOWED)
    for statement in statements.ALLOWED:
        assert [wrong for rule in statements.RULES for wrong in rule(statement)]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t (at) values (NOW())",
        "select current_timestamp",
        "insert into t (id) values (gen_random_uuid())",
        "select * from t order by random()",
        "insert into t (id) values (nextval('numbers'))",
        "merge into t using s on s.id = t.id when matched then do nothing",
        "lock table t in share mode",
        "select pg_advisory_xact_lock(1)",
        "LISTEN news",
        "select pg_notify('news', '')",
        "set transaction isolation level serializable",
        "update t set a = (array[1, 2])[i] where id = any(%s)",
        "set search_path to i_bank",
        "select set_config('search_path', 'i_bank', false)",
        "create temporary table t (id integer)",
        "select * from t where id = any(%s) for update",
        "select * from t where id = any(%s) for no key update of t",
        "update t set a = n.a from unnest(%s::uuid[], %s::text[]) n (id, a) where t.id = n.id",
        "delete from t using unnest(%s::uuid[]) n (id) where t.id = n.id",
        'select * from "i_bank"."accounts"',
        "select 1 from accounts a join public.secrets s on s.id = a.id",
    ],
)
def test_the_rules_notice(statement: str) -> None:
    assert violations(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "set local search_path to i_bank",
        "select id from t where state = 'merge now()' -- now()",
        "select * from t where due_at <= :now order by id for update",
        "select * from t limit 3 for update skip locked",
        "update t set a = n.a from unnest(%s::uuid[]) n (id) where t.id = n.id and t.id = any(%s::uuid[])",
        "select name from public.institutions",
        "select distinct extract(epoch from at) from t",
    ],
)
def test_the_rules_let_pass_what_is_right(statement: str) -> None:
    assert violations(statement) == []


def test_the_schemas_hold_no_trigger_sequence_or_identity_and_no_key_crosses_them(played: PlayedDay) -> None:
    schemas = ["public", *(member.schema_name for member in MEMBERS)]
    with played.system() as system, system.database.owner().connect() as connection:
        found = connection.execute(_UNWANTED, {"schemas": schemas}).all()
        tables = connection.execute(_TABLES, {"schemas": schemas}).scalar_one()
    assert tables > 100, "the schemas are those of a set-up world"
    assert [tuple(row) for row in found] == []


_TABLES = text("select count(*) from pg_tables where schemaname = any(:schemas)")
_UNWANTED = text(
    """
    with ours as (
        select c.oid, c.relname, c.relkind, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any(:schemas)
    )
    select 'trigger' as what, o.nspname, o.relname, t.tgname::text as name
    from ours o join pg_trigger t on t.tgrelid = o.oid where not t.tgisinternal
    union all select 'sequence', nspname, relname, null from ours where relkind = 'S'
    union all select 'identity', o.nspname, o.relname, a.attname::text
    from ours o join pg_attribute a on a.attrelid = o.oid where a.attidentity <> ''
    union all select 'default', o.nspname, o.relname, pg_get_expr(d.adbin, d.adrelid)
    from ours o join pg_attrdef d on d.adrelid = o.oid
    union all select 'rule', o.nspname, o.relname, r.rulename::text
    from ours o join pg_rewrite r on r.ev_class = o.oid
    union all select 'key across schemas', o.nspname, o.relname, k.conname::text
    from ours o join pg_constraint k on k.conrelid = o.oid join pg_class f on f.oid = k.confrelid
    where k.contype = 'f' and f.relnamespace <> (select relnamespace from pg_class where oid = o.oid)
    """
)
