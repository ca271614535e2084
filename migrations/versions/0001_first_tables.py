"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

identifier = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
bytewise_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    create_identities()
    create_buckets()
    create_objects()
    create_uploads()
    create_contents()
    create_work()
    create_records()


def create_identities() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("canonical_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("is_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("account_id", name=op.f("uq_users_account_id")),
        sa.UniqueConstraint("canonical_id", name=op.f("uq_users_canonical_id")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_enabled", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_access_keys_user_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("access_key_id", name=op.f("pk_access_keys")),
    )
    op.create_index(op.f("ix_access_keys_user_id"), "access_keys", ["user_id"], unique=False)


def create_buckets() -> None:
    op.create_table(
        "buckets",
        sa.Column("id", identifier, autoincrement=True, nullable=False),
        sa.Column("name", bytewise_text, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("versioning", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_buckets_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buckets")),
        sa.UniqueConstraint("name", name=op.f("uq_buckets_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_buckets_owner_id"), "buckets", ["owner_id"], unique=False)
    op.create_table(
        "bucket_configurations",
        sa.Column("bucket_id", identifier, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_bucket_configurations_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("bucket_id", "kind", name=op.f("pk_bucket_configurations")),
    )


def create_objects() -> None:
    op.create_table(
        "objects",
        sa.Column("bucket_id", identifier, nullable=False),
        sa.Column("key", bytewise_text, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("is_current", sa.SmallInteger(), nullable=False),
        sa.Column("is_delete_marker", sa.SmallInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("content_id", sa.BigInteger()),
        sa.Column("parts_count", sa.Integer()),
        sa.Column("checksum_algorithm", sa.Text()),
        sa.Column("checksum_type", sa.Text()),
        sa.Column("checksum", sa.Text()),
        sa.Column("headers", sa.Text()),
        sa.Column("user_metadata", sa.Text()),
        sa.Column("tags", sa.Text()),
        sa.Column("upload_id", sa.Text()),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_objects_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("bucket_id", "key", "sequence", name=op.f("pk_objects")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ux_objects_current",
        "objects",
        ["bucket_id", "key"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current = 1"),
    )
    op.create_index(
        "ux_objects_null_version",
        "objects",
        ["bucket_id", "key"],
        unique=True,
        sqlite_where=sa.text("version_id = 'null' AND is_current = 0"),
        postgresql_where=sa.text("version_id = 'null' AND is_current = 0"),
    )


def create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("upload_id", bytewise_text, nullable=False),
        sa.Column("bucket_id", identifier, nullable=False),
        sa.Column("key", bytewise_text, nullable=False),
        sa.Column("initiated_at", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("initiator_id", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("checksum_algorithm", sa.Text()),
        sa.Column("checksum_type", sa.Text()),
        sa.Column("headers", sa.Text()),
        sa.Column("user_metadata", sa.Text()),
        sa.Column("tags", sa.Text()),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_uploads_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_bucket_key", "uploads", ["bucket_id", "key", "upload_id"], unique=False)
    op.create_index(op.f("ix_uploads_initiated_at"), "uploads", ["initiated_at"], unique=False)
    op.create_table(
        "parts",
        sa.Column("upload_id", bytewise_text, nullable=False),
        sa.Column("part_number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("checksum_algorithm", sa.Text()),
        sa.Column("checksum", sa.Text()),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.upload_id"], name=op.f("fk_parts_upload_id_uploads"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("upload_id", "part_number", name=op.f("pk_parts")),
        sqlite_with_rowid=False,
    )


def create_contents() -> None:
    op.create_table(
        "contents",
        sa.Column("id", identifier, autoincrement=True, nullable=False),
        sa.Column("refs", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.SmallInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("layout", sa.LargeBinary(), nullable=False),
        sa.Column("released_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contents")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_contents_released",
        "contents",
        ["released_at"],
        unique=False,
        sqlite_where=sa.text("refs = 0"),
        postgresql_where=sa.text("refs = 0"),
    )
    op.create_table(
        "blobs",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("refs", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
        sa.UniqueConstraint("location", name=op.f("uq_blobs_location")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_blobs_released",
        "blobs",
        ["released_at"],
        unique=False,
        sqlite_where=sa.text("refs = 0"),
        postgresql_where=sa.text("refs = 0"),
    )


def create_work() -> None:
    op.create_table(
        "processes",
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("oldest_open", sa.BigInteger(), nullable=False),
        sa.Column("is_dead", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("incarnation", name=op.f("pk_processes")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", identifier, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_by", sa.Text()),
        sa.Column("lease_until", sa.BigInteger()),
        sa.Column("progress", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("singleton", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["run_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "ux_jobs_singleton",
        "jobs",
        ["singleton"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'running') AND singleton IS NOT NULL"),
        postgresql_where=sa.text("state IN ('queued', 'running') AND singleton IS NOT NULL"),
    )


def create_records() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", identifier, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
