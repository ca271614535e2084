"""What buckets were found to take of the disk.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "storage_reports",
        sa.Column("bucket_id", _IDENTIFIER, nullable=False),
        sa.Column("is_of_all", sa.SmallInteger(), nullable=False),
        sa.Column("measured_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_storage_reports_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("bucket_id", "is_of_all", name=op.f("pk_storage_reports")),
    )
