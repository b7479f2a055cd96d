"""Pages of accounts are filled by half, so that a balance changes where it stands."""

from __future__ import annotations

from alembic import op

revision = "engine_0012"
down_revision = "engine_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Pages of accounts are filled by half, so that a balance changes where it stands."""
    op.execute("alter table accounts set (fillfactor = 50)")
