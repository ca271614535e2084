"""Names of groups are an account's: another account may have one of the same name.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("groups", recreate="always" if is_sqlite else "never") as groups:
        groups.drop_constraint(op.f("uq_groups_name"), type_="unique")
        groups.create_unique_constraint(op.f("uq_groups_account_owner_id_name"), ["account_owner_id", "name"])
