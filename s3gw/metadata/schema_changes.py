"""The tables of what follows from changes of objects: counts, the outbox and its readers, the index of search, and what
was measured. What schema.py says of columns holds here.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    event,
)

from s3gw.metadata.columns import BytewiseText, Identifier, metadata

# How much is in a bucket: what is in the tables, counted in the transaction of each change (metadata/usage.py).
usage = Table(
    "usage",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("bytes", BigInteger, nullable=False),  # of all versions and parts
    Column("part_bytes", BigInteger, nullable=False),  # of these, those of parts
    Column("objects", BigInteger, nullable=False),  # current versions
    Column("versions", BigInteger, nullable=False),  # current or not, without delete markers
    Column("markers", BigInteger, nullable=False),
    Column("trash_bytes", BigInteger, nullable=False),
    Column("trashed", BigInteger, nullable=False),  # versions in the trash
)

# Quotas of what is below a prefix of a bucket, and how much of each is used.
prefix_quotas = Table(
    "prefix_quotas",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("prefix", BytewiseText, primary_key=True),
    Column("max_bytes", BigInteger),
    Column("max_objects", BigInteger),
    Column("used_bytes", BigInteger, nullable=False),
    Column("used_objects", BigInteger, nullable=False),
)

# Which share of a quota was told to be used (metadata/quota_warnings.py).
quota_warnings = Table(
    "quota_warnings",
    metadata,
    Column("kind", Text, primary_key=True),  # bucket | prefix | user
    Column("ref", BytewiseText, primary_key=True),
    Column("level", SmallInteger, nullable=False),  # percent, by mail
    Column("event_level", SmallInteger, nullable=False, server_default="0"),  # by an event
)

# The outbox: what became of objects, in order (metadata/outbox.py). `transaction` is PostgreSQL's number of it, 0 on
# SQLite. Rows of the kind `counted` are about parts, and carry numbers only; those of the kind `quota` are about no
# object: `document` has what they tell, `key` the prefix, and `bucket_id` is 0 where it is a user's.
changes = Table(
    "changes",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("transaction", BigInteger, nullable=False, server_default="0"),
    Column("at", BigInteger, nullable=False),
    Column("bucket_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # created | removed | hidden | tagged | acl | counted | quota | scanned
    Column("operation", Text, nullable=False),  # AWS's name of what did it, or a job's kind
    Column("key", BytewiseText, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("file_id", LargeBinary),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    # What is added to the bucket's usage.
    Column("more_bytes", BigInteger, nullable=False),
    Column("more_part_bytes", BigInteger, nullable=False),
    Column("more_objects", BigInteger, nullable=False),
    Column("more_versions", BigInteger, nullable=False),
    Column("more_markers", BigInteger, nullable=False),
    Column("more_trash_bytes", BigInteger, nullable=False),
    Column("more_trashed", BigInteger, nullable=False),
    Column("document", Text),  # JSON
    Index("ix_changes_transaction_id", "transaction", "id").ddl_if(dialect="postgresql"),
    sqlite_autoincrement=True,
)

# Who reads the outbox, and the last row that it has done.
change_readers = Table(
    "change_readers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("transaction", BigInteger, nullable=False),
    Column("id", BigInteger, nullable=False),
)
# Words of the current files, and the index on them (metadata/search.py).
search_files = Table(
    "search_files",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("file_id", LargeBinary, nullable=False, unique=True),
    Column("bucket_id", BigInteger, nullable=False),
    Column("key", BytewiseText, nullable=False),
    Column("words", Text, nullable=False),
    Index("ix_search_files_bucket_id_id", "bucket_id", "id"),
    sqlite_autoincrement=True,
)
for _dialect, _index in {
    "sqlite": "CREATE VIRTUAL TABLE search_index USING fts5(words, content='search_files', content_rowid='id',"
    " columnsize=0, detail='none', tokenize='unicode61 remove_diacritics 0')",
    "postgresql": "CREATE INDEX search_index ON search_files"
    " USING gin (array_to_tsvector(string_to_array(words, ' ')))",
}.items():
    event.listen(search_files, "after_create", DDL(_index).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]

# What a bucket was found to take of the disk (accounts/measured_storage.py).
storage_reports = Table(
    "storage_reports",
    metadata,
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), primary_key=True),
    Column("is_of_all", SmallInteger, primary_key=True),  # reckoned with all buckets, not with those of its owner
    Column("measured_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),  # JSON
)
