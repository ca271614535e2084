"""The tables of previews: what was made of contents, and of which. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from s3gw.metadata.columns import metadata

# By what contents of the same bytes have in common (contents.Content.same_bytes), and the recipe.
previews = Table(
    "previews",
    metadata,
    Column("source", LargeBinary, primary_key=True),
    Column("recipe", Text, primary_key=True),
    Column("state", Text, nullable=False),  # pending | made | refused
    Column("content_id", BigInteger),  # of what was made, which this row counts on
    Column("type", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("reason", Text),  # of a refusal
    Column("limits", Text, nullable=False),  # under which it was asked for: under others a refusal is tried again
    Column("attempts", Integer, nullable=False),  # at making it that were begun
    Column("asked_at", BigInteger, nullable=False),
    Column("made_at", BigInteger),
    sqlite_with_rowid=False,
)

# The contents of which previews were asked for: when none is left, the previews go.
preview_sources = Table(
    "preview_sources",
    metadata,
    Column("content_id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", LargeBinary, nullable=False, index=True),
    sqlite_with_rowid=False,
)
