"""Previews: what was made of contents, by digest and recipe.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "previews",
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_id", sa.BigInteger()),
        sa.Column("type", sa.Text()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("reason", sa.Text()),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("source", "recipe", name=op.f("pk_previews")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "preview_sources",
        sa.Column("content_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_preview_sources")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_preview_sources_source"), "preview_sources", ["source"])
