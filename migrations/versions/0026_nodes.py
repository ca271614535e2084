"""What each process tells of itself with its heartbeat: its program, its load, and how its clock differs.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
oldest_reader = None


def upgrade() -> None:
    with op.batch_alter_table("processes") as processes:
        processes.add_column(sa.Column("version", sa.Text()))
        processes.add_column(sa.Column("schema_revision", sa.Text()))
        processes.add_column(sa.Column("requests_open", sa.BigInteger()))
        processes.add_column(sa.Column("requests_ended", sa.BigInteger()))
        processes.add_column(sa.Column("measured_over", sa.BigInteger()))
        processes.add_column(sa.Column("clock_ahead", sa.BigInteger()))
