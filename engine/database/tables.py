"""Where tables are declared: one `MetaData` for the engine, to which each `store.py` of the engine adds its own, and
one for what all institutions share.

A table that is written once says so, `Table(..., info={"append_only": True})`: its institution's login role may then
insert and select, nothing else (`schema.upgrade` grants accordingly). Tables name no schema; the connection's
`search_path` does.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, MetaData, Table, Text

# Constraints need names that migrations can say. Check constraints give the last part of theirs.
NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}

metadata = MetaData(naming_convention=NAMING)
public_metadata = MetaData(naming_convention=NAMING)

institutions = Table(
    "institutions",
    public_metadata,
    Column("name", Text, primary_key=True),
    Column("member_id", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("schema_name", Text, nullable=False, unique=True),
    Column("login_role", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    Column(
        "database_url",
        Text,
        comment="where the schema lives; null: beside this table. Names host and database, no password",
    ),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("role in ('issuer', 'acquirer', 'network', 'settlement_bank')", name="role"),
)

world_clock = Table(
    "world_clock",
    public_metadata,
    Column("present", Boolean, primary_key=True, comment="always true: the table has one row"),
    Column("offset_us", BigInteger, nullable=False, comment="microseconds from the machine's clock to the world's"),
    CheckConstraint("present", name="present"),
)
