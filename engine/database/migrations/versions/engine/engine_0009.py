"""Clearing items say what rate of interchange they got, and why no better one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "engine_0009"
down_revision = "engine_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Clearing items say what rate of interchange they got, and why no better one."""
    for name in ("rate", "downgrades"):
        op.add_column("clearing_items", sa.Column(name, sa.Text(), nullable=True))
