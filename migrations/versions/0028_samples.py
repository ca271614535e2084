"""Samples of what was answered and of what is stored, for the dashboard.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
oldest_reader = None


def upgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("span", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=True),
        sa.Column("logical", sa.BigInteger(), nullable=True),
        sa.Column("physical", sa.BigInteger(), nullable=True),
        sa.Column("exclusive", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("span", "at", name=op.f("pk_samples")),
    )
