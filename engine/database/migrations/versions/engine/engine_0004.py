"""Savings have products, rates by effective date, and exact fractions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from engine.vocabulary.identifiers import STATIC, derive_id

revision = "engine_0004"
down_revision = "engine_0002"
branch_labels = None
depends_on = None

_SAME = sa.text(
    "select distinct asset, rate_bps, day_count, min(opened_on) over (partition by asset, rate_bps, day_count) as since"
    " from savings_accounts order by 1, 2, 3"
)
_WHOSE = sa.text("select name from public.institutions where schema_name = current_schema()")
_OFFER = sa.text(
    "insert into savings_products (id, name, asset, day_count, balance_method, compounding, posting, term_months,"
    " promotional_bps, promotional_days, overdraft_minor, withholding_bps)"
    " values (:id, :name, :asset, :day_count, 'daily balance', 'monthly', 'monthly', 0, 0, 0, 0, 0)"
)
_RATE = sa.text(
    "insert into savings_rates (id, product_id, effective_on, tier_method, tiers, minimum_minor, overdraft_bps)"
    " values (:rate_id, :id, :since, 'whole balance', jsonb_build_array(jsonb_build_array(0, cast(:rate_bps as int))),"
    " 0, 0)"
)
_JOIN = sa.text(
    "update savings_accounts set product_id = :id"
    " where asset = :asset and rate_bps = :rate_bps and day_count = :day_count"
)
# A month was paid on the night that it ended; a millionth's parts were as many as the year has days.
_CARRY = sa.text(
    "update savings_accounts set earned_parts = remainder * 10000, posted_through = greatest(opened_on - 1,"
    " cast(date_trunc('month', accrued_through + 1) as date) - 1)"
)
_SUMS = (
    "earned_parts",
    "compounded_micro",
    "owed_micro",
    "owed_parts",
    "charged_minor",
    "withheld_minor",
    "average_sum",
    "round_up_minor",
)


def upgrade() -> None:
    """Savings have products, rates by effective date, and exact fractions."""
    op.create_table(
        "savings_products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("day_count", sa.Text(), nullable=False),
        sa.Column("balance_method", sa.Text(), nullable=False),
        sa.Column("compounding", sa.Text(), nullable=False),
        sa.Column("posting", sa.Text(), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("promotional_bps", sa.Integer(), nullable=False),
        sa.Column("promotional_days", sa.Integer(), nullable=False),
        sa.Column("overdraft_minor", sa.BigInteger(), nullable=False),
        sa.Column("withdrawals_a_month", sa.Integer(), nullable=True),
        sa.Column("withholding_bps", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("savings_products_pkey")),
        sa.UniqueConstraint("name", name=op.f("savings_products_name_key")),
    )
    op.create_table(
        "savings_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("tier_method", sa.Text(), nullable=False),
        sa.Column("tiers", postgresql.JSONB(), nullable=False),
        sa.Column("minimum_minor", sa.BigInteger(), nullable=False),
        sa.Column("overdraft_bps", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("savings_rates_pkey")),
    )
    op.create_index("savings_rates_by_product", "savings_rates", ["product_id", "effective_on"], unique=True)
    op.add_column("savings_accounts", sa.Column("product_id", sa.Uuid(), nullable=True))
    for name in ("matures_on", "closed_on", "posted_through", "recompute_from", "goal_on", "withdrawals_in"):
        op.add_column("savings_accounts", sa.Column(name, sa.Date(), nullable=True))
    for name in _SUMS:
        op.add_column("savings_accounts", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("average_days", "withdrawals"):
        op.add_column("savings_accounts", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("savings_accounts", sa.Column("goal_name", sa.Text(), nullable=True))
    op.add_column("savings_accounts", sa.Column("goal_minor", sa.BigInteger(), nullable=True))
    _into_products(op.get_bind())
    for name in (*_SUMS, "average_days", "withdrawals"):
        op.alter_column("savings_accounts", name, server_default=None)
    for name in ("product_id", "posted_through"):
        op.alter_column("savings_accounts", name, nullable=False)
    op.drop_constraint(op.f("savings_accounts_only_grows_check"), "savings_accounts")
    for name in ("rate_bps", "day_count", "remainder"):
        op.drop_column("savings_accounts", name)
    op.create_check_constraint(
        op.f("savings_accounts_fractions_are_whole_check"),
        "savings_accounts",
        "earned_parts >= 0 and owed_parts >= 0 and owed_micro >= 0",
    )
    op.create_check_constraint(
        op.f("savings_accounts_nothing_below_zero_check"),
        "savings_accounts",
        "earned_micro >= 0 and paid_minor >= 0 and withheld_minor >= 0",
    )
    op.create_index(
        "savings_accounts_to_correct",
        "savings_accounts",
        ["id"],
        unique=False,
        postgresql_where=sa.text("recompute_from is not null"),
    )
    op.execute("alter table savings_accounts set (fillfactor = 45)")


def _into_products(connection: sa.Connection) -> None:
    """A product for every rate and day count that accounts were opened with."""
    same = connection.execute(_SAME).all()
    if same:
        bank = connection.execute(_WHOSE).scalar_one()
        for row in same:
            name = f"Savings {row.asset} {row.rate_bps} {row.day_count}"
            identity = derive_id(f"{bank}/savings product", name, on=STATIC)
            values = {
                "id": identity,
                "name": name,
                "asset": row.asset,
                "day_count": row.day_count,
                "rate_id": derive_id(f"{bank}/savings rates", str(identity), on=row.since),
                "rate_bps": row.rate_bps,
                "since": row.since,
            }
            for statement in (_OFFER, _RATE, _JOIN):
                connection.execute(statement, values)
        connection.execute(_CARRY)
