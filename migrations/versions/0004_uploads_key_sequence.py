"""What was on top of an upload's key when it began.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite would add it behind the constraints; a new table has it among the columns, as in schema.py.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("uploads", recreate="always" if is_sqlite else "never") as uploads:
        uploads.add_column(sa.Column("key_sequence", sa.BigInteger()))
