"""Share links, and who has downloaded by them lately.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("bucket_id", _IDENTIFIER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file_id", sa.LargeBinary()),
        sa.Column("prefix", _BYTEWISE, nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("max_downloads", sa.BigInteger()),
        sa.Column("max_bytes", sa.BigInteger()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("downloads", "uploads", "uploaded_bytes")),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["bucket_id"], ["buckets.id"], name=op.f("fk_links_bucket_id_buckets"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_links_user_id_users"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_links_token_digest")),
    )
    for name in ("user_id", "bucket_id", "expires_at", "revoked_at"):
        op.create_index(op.f(f"ix_links_{name}"), "links", [name])
    op.create_table(
        "link_visits",
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("visitor", sa.LargeBinary(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_link_visits_link_id_links"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("link_id", "visitor", name=op.f("pk_link_visits")),
    )
    op.create_index(op.f("ix_link_visits_counted_at"), "link_visits", ["counted_at"])
