"""The tables of virus scanning: what was found in each content, and which objects have it. What schema.py says of
columns holds here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from s3gw.metadata.columns import BytewiseText, metadata, partial_index

# What the scanner said of a content, by the digest of its row in `contents`. Kept when no object has it any more, so
# that the same bytes aren't scanned again when they come back.
scans = Table(
    "scans",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("same_bytes", LargeBinary, nullable=False, index=True),  # one for all contents that consist of the same
    Column("size", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # pending | clean | infected | unscannable | released
    Column("threat", Text),  # the scanner's name of what it found, or why it couldn't look
    Column("version", Text),  # of the scanner and its signatures
    Column("scanned_at", BigInteger),
    Column("noted_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),  # while it is pending
    Column("attempts", Integer, nullable=False),
    Column("error", Text),  # of the last attempt
    Column("is_told", SmallInteger, nullable=False),  # its objects' events say so
    Index("ix_scans_state_digest", "state", "digest"),
    sqlite_with_rowid=False,
)
partial_index("ix_scans_due", scans.c.due_at, where="state = 'pending'")
partial_index("ix_scans_untold", scans.c.digest, where="is_told = 0 AND state <> 'pending'")

# Which content each version has in buckets where scanning is on, as far as the outbox's reader has come.
scanned_objects = Table(
    "scanned_objects",
    metadata,
    Column("bucket_id", BigInteger, primary_key=True),
    Column("key", BytewiseText, primary_key=True),
    Column("version_id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("told", Text),  # the state that its last event told
    Index("ix_scanned_objects_digest", "digest", "bucket_id", "key", "version_id"),
    Index("ix_scanned_objects_told", "digest", "told"),
    sqlite_with_rowid=False,
)
