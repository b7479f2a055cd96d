"""Payments know whether they are single messages, and what they add to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "engine_0008"
down_revision = "engine_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Single messages and increments."""
    op.add_column("payments", sa.Column("is_financial", sa.Boolean(), nullable=False, server_default="false"))
    op.alter_column("payments", "is_financial", server_default=None)
    op.add_column("payments", sa.Column("base_id", sa.Uuid(), nullable=True))
