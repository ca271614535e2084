"""Buckets that were deleted and can be restored.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (
        ("deleted_at", sa.BigInteger()),
        ("deleted_name", sa.Text()),
        ("restorable_until", sa.BigInteger()),
    ):
        op.add_column("buckets", sa.Column(name, kind))
    restorable = sa.text("restorable_until IS NOT NULL")
    op.create_index(
        "ix_buckets_restorable",
        "buckets",
        ["restorable_until"],
        sqlite_where=restorable,
        postgresql_where=restorable,
    )
