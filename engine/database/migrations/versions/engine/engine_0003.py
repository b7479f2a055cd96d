"""Keys are kept as key blocks, in the schema of the institution whose keys they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "engine_0003"
down_revision = "engine_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keys are kept as key blocks, in the schema of the institution whose keys they are."""
    op.create_table(
        "key_blocks",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("key_block", sa.Text(), nullable=False, comment="TR-31, under the installation's local master key"),
        sa.Column("check_value", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state in ('pending', 'current', 'accepted')", name=op.f("key_blocks_state_check")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("key_blocks_pkey")),
    )
