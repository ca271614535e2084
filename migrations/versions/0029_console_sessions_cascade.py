"""Sessions of the console go with the session that they are of: programs before 0027 delete only that one.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
oldest_reader = None


def upgrade() -> None:
    name = op.f("fk_console_sessions_session_id_sessions")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("console_sessions", recreate="always" if is_sqlite else "never") as console_sessions:
        console_sessions.drop_constraint(name, type_="foreignkey")
        console_sessions.create_foreign_key(name, "sessions", ["session_id"], ["id"], ondelete="CASCADE")
