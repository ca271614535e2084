"""The table of damaged chunks. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Table, Text

from s3gw.metadata.columns import metadata

# Chunks that scrubbing found bad, by the location of their file. Which of them still count is decided by `blobs`.
damaged_blobs = Table(
    "damaged_blobs",
    metadata,
    Column("location", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("fault", Text, nullable=False),  # missing | unreadable | changed
    Column("detail", Text, nullable=False),
    Column("is_kept", SmallInteger, nullable=False),  # its file is in the folder of damaged ones
    Column("found_at", BigInteger, nullable=False),
    Column("healed_at", BigInteger),
    Column("named_at", BigInteger),  # when it was looked who needs it
    Column("needed_by", BigInteger),  # how many objects, parts and files in the trash did then
    Column("names", Text),  # JSON: the first of these
)
