"""People: sessions, tokens, grants, the audit log, and ids of buckets for the JSON API.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen_users()
    op.add_column("access_keys", sa.Column("last_used_at", sa.BigInteger()))
    _give_buckets_ids()
    _create_sessions()
    _create_oidc_identities()
    _create_attempts()
    _create_grants()
    _create_audit_log()


def _widen_users() -> None:
    op.add_column("users", sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("email_verified_at", "storage_quota", "deleted_at"):
        op.add_column("users", sa.Column(name, sa.BigInteger()))
    for name in ("deleted_by", "data_after"):
        op.add_column("users", sa.Column(name, sa.Text()))
    op.add_column("users", sa.Column("sealed_totp", sa.LargeBinary()))
    for name in ("totp_confirmed_at", "totp_last_step"):
        op.add_column("users", sa.Column(name, sa.BigInteger()))
    op.execute("UPDATE users SET updated_at = created_at")


def _give_buckets_ids() -> None:
    op.add_column("buckets", sa.Column("uuid", sa.Text()))
    buckets = sa.table("buckets", sa.column("id", sa.BigInteger()), sa.column("uuid", sa.Text()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(buckets.c.id)).all():
        connection.execute(sa.update(buckets).where(buckets.c.id == row.id).values(uuid=str(uuid.uuid4())))
    op.create_index("ux_buckets_uuid", "buckets", ["uuid"], unique=True)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_user_id_users")
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=name, ondelete="RESTRICT")


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_because", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        _of_user("sessions"),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_tokens")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_refresh_tokens_session_id_sessions"), ondelete="RESTRICT"
        ),
    )
    op.create_index(op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"])
    op.create_table(
        "token_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_keys")),
    )
    op.create_table(
        "one_time_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("email", sa.Text()),
        sa.Column("created_by", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_one_time_tokens")),
        _of_user("one_time_tokens"),
    )
    op.create_index(op.f("ix_one_time_tokens_user_id"), "one_time_tokens", ["user_id"])
    op.create_index(op.f("ix_one_time_tokens_expires_at"), "one_time_tokens", ["expires_at"])
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_recovery_codes")),
        _of_user("recovery_codes"),
    )


def _create_oidc_identities() -> None:
    op.create_table(
        "oidc_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_oidc_identities")),
        _of_user("oidc_identities"),
    )
    op.create_index(op.f("ix_oidc_identities_user_id"), "oidc_identities", ["user_id"])


def _create_attempts() -> None:
    op.create_table(
        "failed_attempts",
        sa.Column("id", _identifier(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_attempts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_failed_attempts_at"), "failed_attempts", ["at"])
    op.create_index("ix_failed_attempts_subject_at", "failed_attempts", ["subject", "at"])
    op.create_table(
        "known_addresses",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("last_login_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("pk_known_addresses")),
        _of_user("known_addresses"),
    )
    op.create_index(op.f("ix_known_addresses_last_login_at"), "known_addresses", ["last_login_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", _bytewise(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("answer", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "route", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def _create_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("bucket_id", _identifier(), nullable=False),
        sa.Column("resource_type", sa.Text(), nullable=False),
        sa.Column("path", _bytewise(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("group_id", sa.Text()),
        sa.Column("permission", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_grants_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        _of_user("grants"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_grants_group_id_groups"), ondelete="RESTRICT"
        ),
    )
    for column in ("bucket_id", "user_id", "group_id"):
        op.create_index(op.f(f"ix_grants_{column}"), "grants", [column])


def _create_audit_log() -> None:
    op.drop_table("audit_log")  # nothing has written to it
    op.create_table(
        "audit_log",
        sa.Column("id", _identifier(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "actor_id", "actor", "door", "address", "request_id", "action", "outcome", "resource_type", "resource",
            )
        ),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.Column("mac", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"])
    op.create_index("ux_audit_log_position", "audit_log", ["position"], unique=True)
    unsealed = sa.text("mac IS NULL")
    op.create_index("ix_audit_log_unsealed", "audit_log", ["id"], sqlite_where=unsealed, postgresql_where=unsealed)
    op.create_table(
        "audit_checkpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "refused_logins",
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("action", "name", "address", "minute", name=op.f("pk_refused_logins")),
    )


def _identifier() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _bytewise() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
