"""Runs the revisions on the connection that s3gw/metadata/migrate.py hands over, each in its own transaction."""

from __future__ import annotations

from alembic import context

from s3gw.metadata.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
    on_version_apply=context.config.attributes.get("on_version_apply"),
    transactional_ddl=True,  # SQLite's DDL is, though Alembic assumes otherwise
)
with context.begin_transaction():
    context.run_migrations()
