"""Resumable uploads, and access keys that are hidden.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("uploads", sa.Column("is_resumable", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_table(
        "resumable_uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("upload_id", _BYTEWISE, nullable=False),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("overwrites", sa.SmallInteger(), nullable=False),
        sa.Column("described", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("file_id", sa.LargeBinary()),
        sa.Column("final_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_uploads")),
        sa.UniqueConstraint("upload_id", name=op.f("uq_resumable_uploads_upload_id")),
    )
    op.create_index(op.f("ix_resumable_uploads_ended_at"), "resumable_uploads", ["ended_at"])
    op.add_column("access_keys", sa.Column("session_id", sa.Text()))
    of_sessions = sa.text("session_id IS NOT NULL")
    op.create_index(
        "ix_access_keys_session_id",
        "access_keys",
        ["session_id"],
        sqlite_where=of_sessions,
        postgresql_where=of_sessions,
    )
