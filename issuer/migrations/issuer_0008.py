"""Presented items say how they were matched, what rate of interchange they got, and why no better one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "issuer_0008"
down_revision = "issuer_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Presented items say how they were matched, what rate of interchange they got, and why no better one."""
    for name in ("matched_by", "rate", "downgrades"):
        op.add_column("presented_items", sa.Column(name, sa.Text(), nullable=True))
