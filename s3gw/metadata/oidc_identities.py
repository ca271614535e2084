"""SQL of whom OpenID Connect issuers know: by issuer and subject, which stay as they are when an address changes."""

from __future__ import annotations

from sqlalchemy import insert, select

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import oidc_identities


def find_user_id(conn: Connection, issuer: str, subject: str) -> str | None:
    this = (oidc_identities.c.issuer == issuer, oidc_identities.c.subject == subject)
    found: str | None = conn.execute(select(oidc_identities.c.user_id).where(*this)).scalar_one_or_none()
    return found


def link(conn: Connection, issuer: str, subject: str, user_id: str) -> None:
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": now(conn)}
    conn.execute(insert(oidc_identities).values(values))
