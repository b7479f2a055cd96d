"""Cards have products, forms and uses, plastic with sequence numbers, renewals and replacements; plastic is tracked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "issuer_0002"
down_revision = "issuer_0001"
branch_labels = None
depends_on = None

_REASONS = {
    "blocked": "fraud_suspected",
    "lost": "reported_lost",
    "stolen": "reported_stolen",
    "closed": "account_closed",
}


def upgrade() -> None:
    """Cards have products, forms and uses, sequence numbers, renewals and replacements; plastic is tracked."""
    for name, default in (
        ("state_reason", "issued"),
        ("form", "physical"),
        ("use", "any"),
        ("service_code", "201"),
        ("sequence_number", "01"),
    ):
        op.add_column("cards", sa.Column(name, sa.Text(), nullable=False, server_default=default))
        op.alter_column("cards", name, server_default=None)
    for state, reason in _REASONS.items():
        op.execute(
            sa.text("update cards set state_reason = :reason where state = :state").bindparams(
                reason=reason, state=state
            )
        )
    op.add_column("cards", sa.Column("product_id", sa.Uuid(), nullable=True))
    op.add_column("cards", sa.Column("merchant_id", sa.Text(), nullable=True))
    op.add_column("cards", sa.Column("last_atc", sa.Integer(), nullable=True))
    op.add_column("cards", sa.Column("renewal_expiry", sa.Text(), nullable=True))
    op.add_column("cards", sa.Column("renewal_sequence_number", sa.Text(), nullable=True))
    op.add_column("cards", sa.Column("replaces", sa.Uuid(), nullable=True))
    op.add_column("cards", sa.Column("replaced_by", sa.Uuid(), nullable=True))
    op.create_table(
        "card_products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_range", sa.Text(), nullable=False),
        sa.Column("number_length", sa.SmallInteger(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("funding", sa.Text(), nullable=False),
        sa.Column("regulated", sa.Boolean(), nullable=False),
        sa.Column("validity_months", sa.SmallInteger(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("card_products_pkey")),
        sa.UniqueConstraint("account_range", name=op.f("card_products_account_range_key")),
        sa.UniqueConstraint("name", name=op.f("card_products_name_key")),
    )
    op.create_table(
        "card_fulfilments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("sequence_number", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ordered_on", sa.Date(), nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=False),
        sa.Column("shipments", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("card_fulfilments_pkey")),
    )
    op.create_index(op.f("card_fulfilments_card_id_idx"), "card_fulfilments", ["card_id"], unique=False)
