"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Rules for whoever writes this:
* It runs on SQLite and on PostgreSQL. Change tables with `op.batch_alter_table` (SQLite can't alter most things).
* schema.py changes with it: a test compares the two on both databases.
* NEWEST in s3gw/metadata/migrate.py names it, or no start would run it: a test holds that too.
* Don't import s3gw: a revision must do the same in years. Spell out names, with op.f() around those of the convention.
* It runs while nothing serves, in one transaction. Rows of `objects` are counted in millions: no loops over them.
* A new NOT NULL column needs a server_default for the rows that exist.
* There is no downgrade: who goes back restores a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
