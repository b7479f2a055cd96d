"""The network keeps what it may have to tell an issuer, and what it may approve in an issuer's place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "simulator_0004"
down_revision = "simulator_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Stand-in and its advices."""
    for name, kind, before in (
        ("is_financial", sa.Boolean(), "false"),
        ("mcc", sa.Text(), ""),
        ("merchant_name", sa.Text(), ""),
        ("expiry", sa.Text(), ""),
        ("pos_entry_mode", sa.Text(), ""),
        ("pos_condition_code", sa.Text(), ""),
        ("has_pin", sa.Boolean(), "false"),
        ("advice_heard", sa.Boolean(), "false"),
        ("advice_repeats", sa.Integer(), "0"),
    ):
        op.add_column("exchanges", sa.Column(name, kind, nullable=False, server_default=before))
        op.alter_column("exchanges", name, server_default=None)
    op.add_column("exchanges", sa.Column("original_stan", sa.Text(), nullable=True))
    op.add_column("exchanges", sa.Column("original_transmitted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("exchanges", sa.Column("advice_reason", sa.Text(), nullable=True))
    op.create_table(
        "stand_in_terms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("most_minor", sa.BigInteger(), nullable=False),
        sa.Column("most_a_day", sa.Integer(), nullable=False),
        sa.Column("most_a_day_minor", sa.BigInteger(), nullable=False),
        sa.Column("refused_mccs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("stand_in_terms_pkey")),
        sa.UniqueConstraint("issuer_id", name=op.f("stand_in_terms_issuer_id_key")),
    )
    op.create_table(
        "stand_in_uses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("stand_in_uses_pkey")),
    )
