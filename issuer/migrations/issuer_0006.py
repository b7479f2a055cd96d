"""Authorizations keep what they were decided on; cards have controls and activity; risk rules; billing addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "issuer_0006"
down_revision = "issuer_0003"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    """What authorizations are decided on, and what is set for it."""
    for column, before in (
        (sa.Column("is_financial", sa.Boolean(), nullable=False), "false"),
        (sa.Column("stan", sa.Text(), nullable=False), ""),
        (sa.Column("considered", _JSON, nullable=False), "{}"),
    ):
        column.server_default = sa.DefaultClause(before)
        op.add_column("authorizations", column)
        op.alter_column("authorizations", column.name, server_default=None)
    op.add_column("authorizations", sa.Column("base_id", sa.Uuid(), nullable=True))
    op.add_column("authorizations", sa.Column("counted_on", sa.Date(), nullable=True))
    op.create_table(
        "card_controls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("limits", _JSON, nullable=False),
        sa.Column("allowed", _JSON, nullable=False),
        sa.Column("blocked", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("card_controls_pkey")),
    )
    op.create_table(
        "card_activities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("counters", _JSON, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_country", sa.Text(), nullable=False),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column("mean_minor", sa.BigInteger(), nullable=False),
        sa.Column("recent", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("card_activities_pkey")),
    )
    op.create_table(
        "risk_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("rules", _JSON, nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("risk_rules_pkey")),
        sa.UniqueConstraint("version", name=op.f("risk_rules_version_key")),
    )
    op.create_table(
        "billing_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("postcode", sa.Text(), nullable=False),
        sa.Column("street_digits", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_addresses_pkey")),
    )
