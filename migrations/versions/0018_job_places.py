"""Jobs are found by their kind, and those that run by themselves; how fast they go on, and their log; schedules.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("begun_at", sa.BigInteger()),
        sa.Column("rate", sa.Double()),
        sa.Column("lines", sa.Text()),
    ):
        op.add_column("jobs", column)
    op.drop_index("ix_jobs_due", "jobs")
    for name, columns, where in (
        ("ix_jobs_due", ["kind", "run_at", "id"], "state IN ('queued', 'running')"),
        ("ix_jobs_running", ["kind"], "state = 'running'"),
        ("ix_jobs_ended", ["updated_at"], "state IN ('done', 'cancelled') AND asked_by IS NULL"),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "schedules",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("last_run", sa.BigInteger()),
        sa.Column("next_run", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_schedules"),
    )
