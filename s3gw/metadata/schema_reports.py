"""The tables of what was reckoned before. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, Table, Text

from s3gw.metadata.columns import Identifier, metadata

# What a bucket was found to take of the disk (accounts/measured_storage.py).
storage_reports = Table(
    "storage_reports",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("is_of_all", SmallInteger, primary_key=True),  # reckoned with all buckets, not with those of its owner
    Column("measured_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),  # JSON
)
