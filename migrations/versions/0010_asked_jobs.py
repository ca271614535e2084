"""Jobs that users ask for: who did, and what they are told of it.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("uuid", "asked_by", "result", "refusal"):
        op.add_column("jobs", sa.Column(name, sa.Text()))
    op.add_column("jobs", sa.Column("is_cancelled", sa.SmallInteger(), nullable=False, server_default="0"))
    was_asked = sa.text("asked_by IS NOT NULL")
    op.create_index("ix_jobs_asked_by", "jobs", ["asked_by", "id"], sqlite_where=was_asked, postgresql_where=was_asked)
    op.create_index("ux_jobs_uuid", "jobs", ["uuid"], unique=True)
