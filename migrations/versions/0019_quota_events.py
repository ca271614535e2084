"""Events that aren't about an object, and which level of a quota was told by one.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("changes", sa.Column("document", sa.Text()))
    op.add_column("quota_warnings", sa.Column("event_level", sa.SmallInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE quota_warnings SET event_level = level")  # what was told by mail isn't news
