"""The tables as they were first laid out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "simulator_0001"
down_revision = None
branch_labels = ("simulator",)
depends_on = None


def upgrade() -> None:
    """The tables as they were first laid out."""
    op.create_table(
        "account_ranges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("account_ranges_pkey")),
        sa.UniqueConstraint("prefix", name=op.f("account_ranges_prefix_key")),
    )
    op.create_table(
        "bank_statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("deposit", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("bank_statements_pkey")),
        sa.UniqueConstraint("statement_id", name=op.f("bank_statements_statement_id_key")),
        info={"append_only": True},
    )
    op.create_index("bank_statements_by_date", "bank_statements", ["business_date", "occasion"], unique=False)
    op.create_table(
        "deposits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("statement_count", sa.Integer(), nullable=False),
        sa.Column("stated_entries", sa.BigInteger(), nullable=False),
        sa.Column("stated_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("deposits_pkey")),
        sa.UniqueConstraint("account_id", name=op.f("deposits_account_id_key")),
    )
    op.create_index("deposits_by_reference", "deposits", ["reference", "asset"], unique=True)
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("network_reference", sa.Text(), nullable=False),
        sa.Column("acquirer_id", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=True),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("stan", sa.Text(), nullable=False),
        sa.Column("transmitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rrn", sa.Text(), nullable=False),
        sa.Column("card_token", sa.Uuid(), nullable=False),
        sa.Column("processing_code", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("response_code", sa.Text(), nullable=True),
        sa.Column("approval_code", sa.Text(), nullable=True),
        sa.Column("reversed_in_full", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("exchanges_pkey")),
    )
    op.create_index(op.f("exchanges_network_reference_idx"), "exchanges", ["network_reference"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("acquirer_id", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=True),
        sa.Column("network_reference", sa.Text(), nullable=True),
        sa.Column("card_token", sa.Uuid(), nullable=False),
        sa.Column("processing_code", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("transacted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authorized_on", sa.Date(), nullable=True),
        sa.Column("approval_code", sa.Text(), nullable=True),
        sa.Column("pos_entry_mode", sa.Text(), nullable=False),
        sa.Column("mcc", sa.Text(), nullable=False),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("merchant_name", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("interchange", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("interchange_minor", sa.BigInteger(), nullable=False),
        sa.Column("network_fee", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("network_fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("items_pkey")),
        sa.UniqueConstraint("arn", name=op.f("items_arn_key")),
        info={"append_only": True},
    )
    op.create_index("items_by_date", "items", ["business_date", "state"], unique=False)
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("members_pkey")),
        sa.UniqueConstraint("member_id", name=op.f("members_member_id_key")),
    )
    op.create_table(
        "movements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("payee", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("movements_pkey")),
        info={"append_only": True},
    )
    op.create_index("movements_by_date", "movements", ["business_date", "kind"], unique=False)
    op.create_table(
        "net_positions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("purchases_count", sa.Integer(), nullable=False),
        sa.Column("purchases_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_count", sa.Integer(), nullable=False),
        sa.Column("credits_minor", sa.BigInteger(), nullable=False),
        sa.Column("interchange", sa.Numeric(precision=24, scale=6), nullable=False),
        sa.Column("interchange_booked_minor", sa.BigInteger(), nullable=False),
        sa.Column("network_fee", sa.Numeric(precision=24, scale=6), nullable=False),
        sa.Column("network_fee_booked_minor", sa.BigInteger(), nullable=False),
        sa.Column("rounding_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_position_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("net_positions_pkey")),
        sa.UniqueConstraint("report_id", name=op.f("net_positions_report_id_key")),
    )
    op.create_index("net_positions_by_date", "net_positions", ["business_date"], unique=False)
    op.create_table(
        "network_breaks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("expected_minor", sa.BigInteger(), nullable=False),
        sa.Column("found_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("network_breaks_pkey")),
        info={"append_only": True},
    )
    op.create_table(
        "reversals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("exchange_id", sa.Uuid(), nullable=False),
        sa.Column("network_reference", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("acquirer_id", sa.Text(), nullable=False),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("stan", sa.Text(), nullable=False),
        sa.Column("transmitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rrn", sa.Text(), nullable=False),
        sa.Column("card_token", sa.Uuid(), nullable=False),
        sa.Column("processing_code", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("replacement_minor", sa.BigInteger(), nullable=True),
        sa.Column("original_message_type", sa.Text(), nullable=False),
        sa.Column("original_stan", sa.Text(), nullable=False),
        sa.Column("original_transmitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("original_acquirer_id", sa.Text(), nullable=False),
        sa.Column("response_code", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("reversals_pkey")),
    )
    op.create_index(op.f("reversals_exchange_id_idx"), "reversals", ["exchange_id"], unique=False)
