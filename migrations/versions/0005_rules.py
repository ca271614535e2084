"""Who may do what: users in accounts of others, groups, policies, ACLs.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite can add these in place; a table of a million objects isn't to be written anew for a column of NULLs.
    for table in ("objects", "uploads"):
        op.add_column(table, sa.Column("acl", sa.Text()))
    for table in ("access_keys", "buckets"):
        op.add_column(table, _revision())
    # A foreign key of an existing table needs a new one on SQLite.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("users", recreate="always" if is_sqlite else "never") as users:
        users.add_column(sa.Column("account_owner_id", sa.Text()))
        users.add_column(sa.Column("public_access_block", sa.SmallInteger(), nullable=False, server_default="0"))
        users.add_column(_revision())
        users.create_foreign_key(
            op.f("fk_users_account_owner_id_users"), "users", ["account_owner_id"], ["id"], ondelete="RESTRICT"
        )
    op.create_index(op.f("ix_users_account_owner_id"), "users", ["account_owner_id"])
    _create_groups()
    op.create_table(
        "identity_policies",
        sa.Column("holder_kind", sa.Text(), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder_kind", "holder_id", "name", name=op.f("pk_identity_policies")),
    )
    # Until now the controls of ownership and of public access were written and not asked for.
    op.execute("UPDATE buckets SET rules_revision = 'migrated'")


def _revision() -> sa.Column[str]:
    return sa.Column("rules_revision", sa.Text(), nullable=False, server_default=sa.text("''"))


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_owner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.ForeignKeyConstraint(
            ["account_owner_id"], ["users.id"], name=op.f("fk_groups_account_owner_id_users"), ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id_groups"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_group_members_user_id_users"), ondelete="RESTRICT"
        ),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"])
