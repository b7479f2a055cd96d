"""What all institutions share: their registry and the clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "public_0001"
down_revision = None
branch_labels = ("public",)
depends_on = None


def upgrade() -> None:
    """What all institutions share: their registry and the clock."""
    op.create_table(
        "institutions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("schema_name", sa.Text(), nullable=False),
        sa.Column("login_role", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "database_url",
            sa.Text(),
            nullable=True,
            comment="where the schema lives; null: beside this table. Names host and database, no password",
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role in ('issuer', 'acquirer', 'network', 'settlement_bank')", name=op.f("institutions_role_check")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("institutions_pkey")),
        sa.UniqueConstraint("login_role", name=op.f("institutions_login_role_key")),
        sa.UniqueConstraint("member_id", name=op.f("institutions_member_id_key")),
        sa.UniqueConstraint("schema_name", name=op.f("institutions_schema_name_key")),
    )
    op.create_table(
        "world_clock",
        sa.Column("present", sa.Boolean(), nullable=False, comment="always true: the table has one row"),
        sa.Column(
            "offset_us", sa.BigInteger(), nullable=False, comment="microseconds from the machine's clock to the world's"
        ),
        sa.CheckConstraint("present", name=op.f("world_clock_present_check")),
        sa.PrimaryKeyConstraint("present", name=op.f("world_clock_pkey")),
    )
