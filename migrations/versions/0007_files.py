"""Files: ids of objects for the JSON API, how much is in a bucket, and the outbox.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_COUNTS = ("bytes", "part_bytes", "objects", "versions", "markers", "trash_bytes", "trashed")


def upgrade() -> None:
    _give_objects_ids()
    _create_usage()
    _create_quotas()
    _create_changes()
    _create_search()
    _create_trash()


def _give_objects_ids() -> None:
    """UUIDv8 (RFC 9562 section 5.8), made of bucket and key, so that a key's versions get the same without a search."""
    op.add_column("objects", sa.Column("file_id", sa.LargeBinary()))
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.connection.driver_connection.create_function("s3gw_file_id", 2, _file_id, deterministic=True)
        op.execute("UPDATE objects SET file_id = s3gw_file_id(bucket_id, key)")
    else:
        op.execute(
            "UPDATE objects SET file_id = set_byte(set_byte(digest, 6, get_byte(digest, 6) & 15 | 128),"
            " 8, get_byte(digest, 8) & 63 | 128) FROM (SELECT bucket_id AS b, key AS k, sequence AS s,"
            " decode(md5(bucket_id || '/' || key), 'hex') AS digest FROM objects) AS digests"
            " WHERE bucket_id = b AND key = k AND sequence = s"
        )
    op.create_index(op.f("ix_objects_file_id"), "objects", ["file_id"])


def _file_id(bucket_id: int, key: str) -> bytes:
    digest = bytearray(hashlib.md5(f"{bucket_id}/{key}".encode(), usedforsecurity=False).digest())
    digest[6], digest[8] = digest[6] & 15 | 128, digest[8] & 63 | 128
    return bytes(digest)


def _create_usage() -> None:
    bucket = sa.ForeignKeyConstraint(
        ["bucket_id"], ["buckets.id"], name=op.f("fk_usage_bucket_id_buckets"), ondelete="RESTRICT"
    )
    op.create_table(
        "usage",
        sa.Column("bucket_id", _IDENTIFIER, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("bucket_id", name=op.f("pk_usage")),
        bucket,
    )
    op.execute(
        "INSERT INTO usage SELECT id, coalesce(o.bytes, 0), coalesce(p.bytes, 0), coalesce(o.objects, 0),"
        " coalesce(o.versions, 0), coalesce(o.markers, 0), 0, 0 FROM buckets"
        " LEFT JOIN (SELECT bucket_id, sum(size) AS bytes,"
        " sum(is_current) AS objects, sum(1 - is_delete_marker) AS versions, sum(is_delete_marker) AS markers"
        " FROM objects GROUP BY bucket_id) AS o ON o.bucket_id = buckets.id LEFT JOIN (SELECT bucket_id,"
        " sum(size) AS bytes FROM parts JOIN uploads ON uploads.upload_id = parts.upload_id GROUP BY bucket_id) AS p"
        " ON p.bucket_id = buckets.id"
    )


def _create_quotas() -> None:
    op.add_column("users", sa.Column("object_quota", sa.BigInteger()))
    for name in ("max_bytes", "max_objects"):
        op.add_column("buckets", sa.Column(name, sa.BigInteger()))
    op.add_column("buckets", sa.Column("has_prefix_quotas", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("buckets", sa.Column("trash_seconds", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("buckets", sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE buckets SET updated_at = created_at")
    bucket = sa.ForeignKeyConstraint(
        ["bucket_id"], ["buckets.id"], name=op.f("fk_prefix_quotas_bucket_id_buckets"), ondelete="RESTRICT"
    )
    op.create_table(
        "prefix_quotas",
        sa.Column("bucket_id", _IDENTIFIER, nullable=False),
        sa.Column("prefix", _BYTEWISE, nullable=False),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("max_objects", sa.BigInteger()),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("used_objects", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket_id", "prefix", name=op.f("pk_prefix_quotas")),
        bucket,
    )


def _create_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", _IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("file_id", sa.LargeBinary()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        *(sa.Column(f"more_{name}", sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "change_readers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_change_readers")),
    )
    if op.get_bind().dialect.name == "postgresql":  # on SQLite changes count themselves, in the order of their ids
        op.create_index(op.f("ix_changes_transaction_id"), "changes", ["transaction", "id"])
        op.execute("INSERT INTO change_readers VALUES ('usage', 0, 0)")


def _create_search() -> None:
    op.create_table(
        "search_files",
        sa.Column("id", _IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("file_id", sa.LargeBinary(), nullable=False),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_files")),
        sa.UniqueConstraint("file_id", name=op.f("uq_search_files_file_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_search_files_bucket_id_id"), "search_files", ["bucket_id", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX search_index ON search_files USING gin (array_to_tsvector(string_to_array(words, ' ')))"
        )
    else:
        op.execute(
            "CREATE VIRTUAL TABLE search_index USING fts5(words, content='search_files', content_rowid='id',"
            " columnsize=0, detail='none', tokenize='unicode61 remove_diacritics 0')"
        )


def _create_trash() -> None:
    bucket = sa.ForeignKeyConstraint(
        ["bucket_id"], ["buckets.id"], name=op.f("fk_trash_bucket_id_buckets"), ondelete="RESTRICT"
    )
    op.create_table(
        "trash",
        sa.Column("id", _IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("bucket_id", _IDENTIFIER, nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("is_overwritten", sa.SmallInteger(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("content_id", sa.BigInteger()),
        sa.Column("parts_count", sa.Integer()),
        *(
            sa.Column(name, sa.Text())
            for name in ("checksum_algorithm", "checksum_type", "checksum", "headers", "user_metadata", "tags", "acl")
        ),
        sa.Column("file_id", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trash")),
        bucket,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_trash_bucket_id_id"), "trash", ["bucket_id", "id"])
    for name in ("expires_at", "file_id"):
        op.create_index(op.f(f"ix_trash_{name}"), "trash", [name])
