"""The rules of SQL, as they are read off a statement (DESIGN of the data: one schema an institution, any number of
processes, one day perhaps several servers). Each rule is a function from a normalised statement to what is wrong.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tests.architecture.house import Source

Rule = Callable[[str], Iterator[str]]

SHARED = ("public.institutions", "public.world_clock")
"""The only tables that are named with their schema; every other is found by the `search_path`."""
ALLOWED = {
    "select digest, state from files where file_id = %s and direction = %s for update": "one row, by its whole key",
}
"""Statements that a rule would forbid, each with the reason why it may stand."""

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_PARAMETER = re.compile(r"%\(\w+\)s|(?<!:):[a-z_]\w*")
_FORBIDDEN = {
    "the time is a parameter": r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
    r"|\b(current_timestamp|current_date|current_time|localtime|localtimestamp)\b",
    "random bytes and identifiers are parameters": r"\b(random\w*|gen_random\w+|uuid_generate\w+|uuidv\d)\s*\(",
    "no sequence on the hot path": r"\b(nextval|currval|lastval|setval)\s*\(|\b(big|small)?serial\b|\bas identity\b",
    "no MERGE": r"^merge\b|\bmerge into\b",
    "no lock on a whole table": r"^lock\b",
    "no advisory lock": r"\bpg_(try_)?advisory_\w+",
    "no LISTEN or NOTIFY": r"^(listen|unlisten|notify)\b|\bpg_notify\b",
    "READ COMMITTED and row locks": r"\bserializable\b",
    "no element of an array expression is assigned": r"\bset\b.*=\s*\([^()]*\)\s*\[",
    "only SET LOCAL": r"^(set(?! local)|reset|discard)\b|\bset_config\s*\(",
    "no definition on the hot path": r"^(create|alter|drop|truncate|grant|revoke|vacuum|do)\b",
}
_LOCKING = re.compile(r"\bfor (?:no key )?(?:update|share|key share)\b(?P<skips> skip locked)?")
_MANY_ROWS = re.compile(r"^(update|delete)\b.*\b(from|using) unnest\b")
_QUALIFIED = re.compile(r"(?<!distinct )\b(?:from|join|into|update|using)\s+(?P<name>[a-z_]\w*\.[a-z_]\w*)")
_SQL = re.compile(r"\s*(select|with|insert|update|delete|merge|lock|set|listen|notify|do)\b", re.IGNORECASE)
_SENT_BY = frozenset({"text", "exec_driver_sql", "DDL"})


def normalised(statement: str) -> str:
    """One line in small letters, without comments, quotes and what is quoted; every parameter is `%s`."""
    plain = _LITERAL.sub("''", _COMMENT.sub(" ", statement)).replace('"', "")
    return " ".join(_PARAMETER.sub("%s", plain).split()).lower()


def forbidden(statement: str) -> Iterator[str]:
    """Words that have no place in a statement of the product."""
    yield from (rule for rule, pattern in _FORBIDDEN.items() if re.search(pattern, statement))


def unordered_locks(statement: str) -> Iterator[str]:
    """Rows are locked in one order by everybody, or not waited for."""
    for lock in _LOCKING.finditer(statement):
        if not lock["skips"] and "order by" not in statement[: lock.start()]:
            yield "rows are locked in an order"


def unfindable_rows(statement: str) -> Iterator[str]:
    """What changes many rows names them once more, so that plans and shards find them."""
    if _MANY_ROWS.search(statement) and "= any(" not in statement:
        yield "many rows are changed with a redundant = any(...)"


def foreign_schemas(statement: str) -> Iterator[str]:
    """The `search_path` finds an institution's own tables; only what all share is named with its schema."""
    for found in _QUALIFIED.finditer(statement):
        if found["name"] not in SHARED and not found["name"].startswith("pg_catalog."):
            yield f"{found['name']} is found by the search_path, not by a schema's name"


RULES: tuple[Rule, ...] = (forbidden, unordered_locks, unfindable_rows, foreign_schemas)


def violations(statement: str) -> list[str]:
    """What is wrong with a statement, each with its text."""
    plain = normalised(statement)
    if plain in ALLOWED:
        return []
    return [f"{wrong}: {plain}" for rule in RULES for wrong in rule(plain)]


def written_in(source: Source) -> Iterator[str]:
    """The statements that stand in a file, as far as they are plain texts: those that a test run may never send."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and node.args and _named(node.func) in _SENT_BY:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and _SQL.match(first.value):
                yield first.value


def _named(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
