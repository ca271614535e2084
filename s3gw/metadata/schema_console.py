"""The table of the console's sessions. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from s3gw.metadata.columns import metadata

# Which session a cookie of the console's is of. Such a session has no refresh token.
console_sessions = Table(
    "console_sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of what the cookie says
    # CASCADE: in a rolling upgrade nodes of a release that doesn't know this table delete sessions, too.
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("ends_at", BigInteger, nullable=False),  # however much it is used; sessions.expires_at is never later
)
