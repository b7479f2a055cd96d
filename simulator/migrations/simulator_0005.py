"""The network's items say what rate they got, why no better one, and why they were rejected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "simulator_0005"
down_revision = "simulator_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The network's items say what rate they got, why no better one, and why they were rejected."""
    op.add_column("items", sa.Column("rate", sa.Text(), nullable=False, server_default=""))
    op.alter_column("items", "rate", server_default=None)
    for name in ("downgrades", "reason"):
        op.add_column("items", sa.Column(name, sa.Text(), nullable=True))
