"""The table of samples. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from s3gw.metadata.columns import metadata

# What all nodes together have answered within a period, and what was stored at its end (metadata/samples.py).
samples = Table(
    "samples",
    metadata,
    Column("span", Integer, primary_key=True, autoincrement=False),  # of the period, in seconds
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # when it begins
    Column("document", Text, nullable=False),  # JSON: what was answered, by door
    Column("objects", BigInteger),  # NULL: not looked at
    Column("logical", BigInteger),  # bytes, as quotas count them
    Column("physical", BigInteger),  # bytes that are stored for them
    Column("exclusive", BigInteger),  # of these, those that one version alone needs
)
