"""Objects with a content by what was told of it: there may be a million of one content.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_scanned_objects_told", "scanned_objects", ["digest", "told"])
