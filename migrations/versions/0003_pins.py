"""What lasting reads and uploads need, so that they don't hold up the reaper.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "content_pins",
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", "incarnation", name=op.f("pk_content_pins")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blob_pins",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "incarnation", name=op.f("pk_blob_pins")),
        sqlite_with_rowid=False,
    )
