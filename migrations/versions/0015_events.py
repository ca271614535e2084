"""Whom events are told to, and what is still to be told.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "event_targets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "kind", "address")),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in ("is_shared", "is_enabled")),
        sa.Column("failing_since", sa.BigInteger()),
        sa.Column("last_error", sa.Text()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("created_at", "updated_at")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_event_targets_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_targets")),
    )
    op.create_index(op.f("ux_event_targets_owner_id_name"), "event_targets", ["owner_id", "name"], unique=True)
    op.create_table(
        "event_deliveries",
        sa.Column("id", _IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("target_id", sa.Text(), nullable=False),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("key", _BYTEWISE, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("event", "message", "state")),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"],
            ["event_targets.id"],
            name=op.f("fk_event_deliveries_target_id_event_targets"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_deliveries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_deliveries_key"), "event_deliveries", ["target_id", "bucket_id", "key", "id"])
    op.create_index(op.f("ix_event_deliveries_created_at"), "event_deliveries", ["created_at"])
    for name, columns in {"due": ["target_id", "due_at"], "dead": ["target_id", "id"]}.items():
        where = sa.text(f"state = '{'first' if name == 'due' else 'dead'}'")
        op.create_index(
            op.f(f"ix_event_deliveries_{name}"),
            "event_deliveries",
            columns,
            sqlite_where=where,
            postgresql_where=where,
        )
