"""Virus scanning: what was found in each content, which objects have it, and what a bucket does meanwhile.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("buckets", sa.Column("scan_policy", sa.Text()))
    op.create_table(
        "scans",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("same_bytes", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("threat", sa.Text()),
        sa.Column("version", sa.Text()),
        sa.Column("scanned_at", sa.BigInteger()),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("is_told", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_scans")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_scans_same_bytes"), "scans", ["same_bytes"])
    op.create_index(op.f("ix_scans_state_digest"), "scans", ["state", "digest"])
    pending, untold = sa.text("state = 'pending'"), sa.text("is_told = 0 AND state <> 'pending'")
    op.create_index("ix_scans_due", "scans", ["due_at"], sqlite_where=pending, postgresql_where=pending)
    op.create_index("ix_scans_untold", "scans", ["digest"], sqlite_where=untold, postgresql_where=untold)
    op.create_table(
        "scanned_objects",
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Text()),
        sa.PrimaryKeyConstraint("bucket_id", "key", "version_id", name=op.f("pk_scanned_objects")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_scanned_objects_digest"), "scanned_objects", ["digest", "bucket_id", "key", "version_id"])
