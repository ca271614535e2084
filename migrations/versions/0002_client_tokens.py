"""Tokens that make requests idempotent.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "client_tokens",
        sa.Column("bucket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_client_tokens_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("bucket_id", "token", name=op.f("pk_client_tokens")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_client_tokens_created_at"), "client_tokens", ["created_at"], unique=False)
