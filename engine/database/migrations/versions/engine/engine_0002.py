"""A card number is found by a hash for each version of the look-up key; who was shown one is written down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "engine_0002"
down_revision = "engine_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A card number is found by a hash for each version of the look-up key; who was shown one is written down."""
    op.create_table(
        "pan_lookups",
        sa.Column("lookup_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column(
            "key_version", sa.Integer(), nullable=False, comment="of the look-up key that the hash was made with"
        ),
        sa.ForeignKeyConstraint(["token"], ["pans.token"], name=op.f("pan_lookups_token_fkey")),
        sa.PrimaryKeyConstraint("lookup_hash", name=op.f("pan_lookups_pkey")),
    )
    op.execute("insert into pan_lookups (lookup_hash, token, key_version) select lookup_hash, token, 1 from pans")
    op.create_index("pan_lookups_by_token", "pan_lookups", ["token", "key_version"], unique=False)
    op.drop_constraint(op.f("pans_lookup_hash_key"), "pans", type_="unique")
    op.drop_column("pans", "lookup_hash")
    op.create_table(
        "vault_accesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("vault_accesses_pkey")),
    )
    op.create_index("vault_accesses_by_token", "vault_accesses", ["token", "occurred_at"], unique=False)
