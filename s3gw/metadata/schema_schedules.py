"""The table of schedules. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from s3gw.metadata.columns import metadata

# When jobs of a kind are begun by a cron line.
schedules = Table(
    "schedules",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("cron", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("is_enabled", SmallInteger, nullable=False),
    Column("last_run", BigInteger),
    Column("next_run", BigInteger, nullable=False),
    Column("counted_at", BigInteger, nullable=False),  # when next_run was counted
    Column("updated_at", BigInteger, nullable=False),
)
