"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}

Rules for whoever writes this:
* It runs on SQLite and on PostgreSQL. Change tables with `op.batch_alter_table` (SQLite can't alter most things).
* schema.py changes with it: a test compares the two on both databases.
* NEWEST in s3gw/metadata/revision.py names it, or no start would run it: a test holds that too.
* Don't import s3gw: a revision must do the same in years. Spell out names, with op.f() around those of the convention.
* It runs in one transaction, on PostgreSQL beside nodes of the release before, which go on with what they know. So it
  either expands or contracts. Expand: new tables, new columns that are nullable or have a default, new indexes;
  `oldest_reader = None`. Contract: what removes or narrows something; `oldest_reader` names the oldest revision whose
  program doesn't use it any more. It is made when no older node lives, and its own program serves without it until then.
  No column changes its type: statements that are prepared would fail.
* Rows of `objects` are counted in millions: no loops over them, and on PostgreSQL their writers wait while an index is
  made, unless it is made CONCURRENTLY in `op.get_context().autocommit_block()`.
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
oldest_reader = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
