"""Uploads that resume at drop boxes, and how many files a drop box takes.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("links", sa.Column("max_uploads", sa.BigInteger()))
    op.add_column("resumable_uploads", sa.Column("link_id", sa.Text()))
    unfinished = sa.text("link_id IS NOT NULL AND ended_at IS NULL")
    op.create_index(
        "ix_resumable_uploads_unfinished_of_link",
        "resumable_uploads",
        ["link_id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
