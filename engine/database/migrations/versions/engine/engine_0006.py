"""PIN pads are remembered by how far they have counted, so that no key of theirs serves twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "engine_0006"
down_revision = "engine_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """PIN pads are remembered by how far they have counted, so that no key of theirs serves twice."""
    op.create_table(
        "pin_pads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column(
            "seen", sa.BigInteger(), nullable=False, comment="bit n: the count that is n below `counter` has come"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pin_pads_pkey")),
    )
