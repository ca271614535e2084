"""Deliveries of a key without the dead ones: of a key there may be thousands of either.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_event_deliveries_key", "event_deliveries")
    waits = sa.text("state <> 'dead'")
    columns = ["target_id", "bucket_id", "key", "id"]
    op.create_index(
        "ix_event_deliveries_waiting", "event_deliveries", columns, sqlite_where=waits, postgresql_where=waits
    )
