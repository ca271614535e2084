"""Reports that are saved, what jobs have made before it is written as a whole, and the trash by keys.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text()),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("last_run", sa.BigInteger()),
        sa.Column("next_run", sa.BigInteger()),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_reports_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index("ux_reports_owner_id_name", "reports", ["owner_id", "name"], unique=True)
    is_due = sa.text("next_run IS NOT NULL")
    op.create_index("ix_reports_next_run", "reports", ["next_run"], sqlite_where=is_due, postgresql_where=is_due)
    op.create_table(
        "job_pieces",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_pieces")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_job_pieces_created_at"), "job_pieces", ["created_at"])
    op.create_index("ix_trash_bucket_id_key", "trash", ["bucket_id", "key"])
