"""The tables of saved reports, and of what jobs have made until now of what they write as a whole at their end.
What schema.py says of columns holds here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, Table, Text

from s3gw.metadata.columns import metadata, partial_index

# Reports that are saved, to be run again and by a cron line.
reports = Table(
    "reports",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("owner_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON: what it counts, its formats, and where it is written
    Column("context", Text, nullable=False),  # JSON: from where it was set, which policies may ask of its jobs
    Column("cron", Text),
    Column("time_zone", Text, nullable=False),
    Column("is_enabled", SmallInteger, nullable=False),
    Column("last_run", BigInteger),  # by the cron line
    Column("next_run", BigInteger),  # NULL where no cron line counts
    Column("counted_at", BigInteger, nullable=False),  # when next_run was counted
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("ux_reports_owner_id_name", "owner_id", "name", unique=True),
)
partial_index("ix_reports_next_run", reports.c.next_run, where="next_run IS NOT NULL")

# What a job has made until now: an attempt goes on from it, and in the end it becomes an object.
job_pieces = Table(
    "job_pieces",
    metadata,
    Column("job_id", Text, primary_key=True),  # jobs.uuid
    Column("number", Integer, primary_key=True),
    Column("document", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)
