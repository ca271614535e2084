"""Chunks that scrubbing found bad; it runs on Sundays unless another schedule was set.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_LATE = 250_000_000_000_000_000  # the year 9892: whoever looks first counts anew when it is due


def upgrade() -> None:
    op.create_table(
        "damaged_blobs",
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("is_kept", sa.SmallInteger(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("healed_at", sa.BigInteger()),
        sa.Column("named_at", sa.BigInteger()),
        sa.Column("needed_by", sa.BigInteger()),
        sa.Column("names", sa.Text()),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_damaged_blobs")),
    )
    op.execute(
        "INSERT INTO schedules (kind, cron, time_zone, is_enabled, next_run, counted_at, updated_at)"
        f" VALUES ('scrub', '0 3 * * SUN', 'UTC', 1, {_LATE}, {_LATE}, {time.time_ns() // 1000})"
    )
