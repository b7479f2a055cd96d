"""The tables as they were first laid out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "issuer_0001"
down_revision = None
branch_labels = ("issuer",)
depends_on = None


def upgrade() -> None:
    """The tables as they were first laid out."""
    op.create_table(
        "authorizations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("network_reference", sa.Text(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("held_id", sa.Uuid(), nullable=True),
        sa.Column("transaction_type", sa.Text(), nullable=False),
        sa.Column("requested_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_left_minor", sa.BigInteger(), nullable=False),
        sa.Column("presented_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("response_code", sa.Text(), nullable=False),
        sa.Column("approval_code", sa.Text(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("preauthorization", sa.Boolean(), nullable=False),
        sa.Column("mcc", sa.Text(), nullable=False),
        sa.Column("acquirer_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("merchant_name", sa.Text(), nullable=False),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column("pos_entry_mode", sa.Text(), nullable=False),
        sa.Column("transacted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authorized_on", sa.Date(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("authorizations_pkey")),
        sa.UniqueConstraint("network_reference", name=op.f("authorizations_network_reference_key")),
    )
    op.create_index("authorizations_by_card", "authorizations", ["card_id", "transacted_at"], unique=False)
    op.create_index(
        "authorizations_by_expiry",
        "authorizations",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("held_left_minor > 0"),
    )
    op.create_table(
        "cards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("card_token", sa.Uuid(), nullable=False),
        sa.Column("first_six", sa.Text(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("expiry", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pvki", sa.Text(), nullable=True),
        sa.Column("pvv", sa.Text(), nullable=True),
        sa.Column("pin_tries_left", sa.SmallInteger(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("cards_pkey")),
        sa.UniqueConstraint("card_token", name=op.f("cards_card_token_key")),
    )
    op.create_index(op.f("cards_customer_id_idx"), "cards", ["customer_id"], unique=False)
    op.create_table(
        "presented_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("network_reference", sa.Text(), nullable=True),
        sa.Column("authorization_id", sa.Uuid(), nullable=True),
        sa.Column("card_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("is_refund", sa.Boolean(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("released_minor", sa.BigInteger(), nullable=False),
        sa.Column("interchange", sa.Text(), nullable=False),
        sa.Column("interchange_minor", sa.BigInteger(), nullable=False),
        sa.Column("mcc", sa.Text(), nullable=False),
        sa.Column("merchant_name", sa.Text(), nullable=False),
        sa.Column("transacted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("presented_items_pkey")),
        sa.UniqueConstraint("arn", name=op.f("presented_items_arn_key")),
    )
    op.create_index(op.f("presented_items_authorization_id_idx"), "presented_items", ["authorization_id"], unique=False)
    op.create_index("presented_items_by_account", "presented_items", ["account_id", "business_date"], unique=False)
    op.create_index("presented_items_by_date", "presented_items", ["business_date", "asset"], unique=False)
    op.create_table(
        "settlement_breaks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("expected_minor", sa.BigInteger(), nullable=False),
        sa.Column("found_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("settlement_breaks_pkey")),
    )
    op.create_table(
        "settlements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("reported_minor", sa.BigInteger(), nullable=False),
        sa.Column("own_minor", sa.BigInteger(), nullable=False),
        sa.Column("rounding_minor", sa.BigInteger(), nullable=False),
        sa.Column("moved_minor", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("settlements_pkey")),
        sa.UniqueConstraint("report_id", name=op.f("settlements_report_id_key")),
    )
    op.create_table(
        "statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("statements_pkey")),
        sa.UniqueConstraint("statement_id", name=op.f("statements_statement_id_key")),
    )
