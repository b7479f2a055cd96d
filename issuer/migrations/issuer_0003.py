"""Scripts wait for chips: what a card's chip is to be told, and in which transaction it was told last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "issuer_0003"
down_revision = "issuer_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Scripts wait for chips."""
    op.add_column("cards", sa.Column("script", sa.Text(), nullable=True))
    op.add_column("cards", sa.Column("script_atc", sa.Integer(), nullable=True))
