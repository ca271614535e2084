"""The tables of people: users, how they log in, keys, groups, policies. What schema.py says of columns holds here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from s3gw.metadata.columns import BytewiseText, Identifier, metadata, partial_index

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("canonical_id", Text, nullable=False, unique=True),  # 64 hex digits: S3's Owner.ID
    Column("account_id", Text, nullable=False, unique=True),  # 12 digits: x-amz-expected-bucket-owner
    Column("name", Text, nullable=False, unique=True),
    Column("email", Text, unique=True),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),  # user | auditor | admin
    Column("password_hash", Text),  # Argon2id
    Column("is_enabled", SmallInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The user whose account this one is in; NULL: the root of an account of its own.
    Column("account_owner_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), index=True),
    Column("public_access_block", SmallInteger, nullable=False, server_default="0"),  # of the account: a set of bits
    Column("rules_revision", Text, nullable=False, server_default=text("''")),
    Column("updated_at", BigInteger, nullable=False, server_default="0"),
    Column("email_verified_at", BigInteger),
    Column("storage_quota", BigInteger),  # bytes of its buckets; NULL: none
    Column("deleted_at", BigInteger),  # it can be restored for some time, and keeps its name and e-mail address
    Column("deleted_by", Text),  # users.id
    Column("data_after", Text),  # of what it owns: keep | delete | transfer:<users.id>; purged:… when that has begun
    Column("sealed_totp", LargeBinary),  # AES-GCM under the master key
    Column("totp_confirmed_at", BigInteger),
    Column("totp_last_step", BigInteger),  # of the newest code that was used: older ones are good no more
    Column("object_quota", BigInteger),  # objects of its buckets; NULL: none
)

# Whom an OpenID Connect issuer knows by `subject`.
oidc_identities = Table(
    "oidc_identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)

# What somebody logged in to. Of its refresh tokens one is good; an older one that is used ends the session.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),  # of a refresh token
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("ended_at", BigInteger),
    Column("ended_because", Text),  # logout | revoked | reuse | password | deleted
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

# The keys that access tokens are signed with: the newest signs, the others verify until their tokens have expired.
token_keys = Table(
    "token_keys",
    metadata,
    Column("id", Text, primary_key=True),  # JWT's `kid`
    Column("sealed", LargeBinary, nullable=False),  # AES-GCM under the master key
    Column("created_at", BigInteger, nullable=False),
)

# Links that work once: of e-mail verification, of a password's reset, of an invitation.
one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the token
    Column("purpose", Text, nullable=False),  # verify | reset | invite | oidc
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), index=True),  # NULL: whoever is invited
    Column("email", Text),
    Column("created_by", Text),  # users.id
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("used_at", BigInteger),
)

# Failed attempts, which limits count: one row each, so that all workers and nodes count the same ones.
failed_attempts = Table(
    "failed_attempts",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),  # a digest of whom it counts for
    Column("at", BigInteger, nullable=False, index=True),
    Index("ix_failed_attempts_subject_at", "subject", "at"),
    sqlite_autoincrement=True,
)

# From where users have logged in lately: others who guess there don't lock them out.
known_addresses = Table(
    "known_addresses",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("last_login_at", BigInteger, nullable=False, index=True),
)

# Creates that were asked for under an Idempotency-Key, and what was answered, without secrets.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", BytewiseText, primary_key=True),
    Column("request", LargeBinary, nullable=False),  # its digest, and of an upload that of its body behind
    Column("status", Integer),  # NULL: it is being done
    Column("answer", Text),  # JSON
    Column("created_at", BigInteger, nullable=False, index=True),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key_id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("sealed_secret", LargeBinary, nullable=False),  # AES-GCM under the master key
    Column("description", Text, nullable=False),
    Column("is_enabled", SmallInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("rules_revision", Text, nullable=False, server_default=text("''")),
    Column("last_used_at", BigInteger),  # within a minute
    Column("session_id", Text),  # of a hidden one, which signed a URL and ends with the session; NULL: a user's own
)
partial_index("ix_access_keys_session_id", access_keys.c.session_id, where="session_id IS NOT NULL")

# Links by which whoever has one reads a file or a folder, or puts files into a folder, as the user who made it.
links = Table(
    "links",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("token_digest", LargeBinary, nullable=False, unique=True),  # SHA-256
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("bucket_id", Identifier, ForeignKey("buckets.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # file | folder | drop
    Column("file_id", LargeBinary),  # of a file
    Column("prefix", BytewiseText, nullable=False),  # of a folder or a drop box; '' of a file
    Column("password_hash", Text),  # Argon2id
    Column("salt", LargeBinary, nullable=False),  # of what tells visitors apart
    Column("max_downloads", BigInteger),
    Column("max_bytes", BigInteger),  # that may be put into a drop box
    Column("downloads", BigInteger, nullable=False),
    Column("uploads", BigInteger, nullable=False),
    Column("uploaded_bytes", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, index=True),
    Column("revoked_at", BigInteger, index=True),
    Column("max_uploads", BigInteger),  # files that may be put into a drop box
)

# Who has downloaded by a link lately, so that it isn't counted again.
link_visits = Table(
    "link_visits",
    metadata,
    Column("link_id", Text, ForeignKey("links.id", ondelete="RESTRICT"), primary_key=True),
    Column("visitor", LargeBinary, primary_key=True),  # a salted digest of address and user agent
    Column("counted_at", BigInteger, nullable=False, index=True),
)

# Groups of an account's users, and the policies of users, groups and access keys.
groups = Table(
    "groups",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("account_owner_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account_owner_id", "name"),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", Text, ForeignKey("groups.id", ondelete="RESTRICT"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True, index=True),
)

identity_policies = Table(
    "identity_policies",
    metadata,
    Column("holder_kind", Text, primary_key=True),  # user | group | key
    Column("holder_id", Text, primary_key=True),  # users.id, groups.id or an access key ID
    Column("name", Text, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# Refused logins of a minute that have no lines of their own: they become one when the minute is over.
refused_logins = Table(
    "refused_logins",
    metadata,
    Column("action", Text, primary_key=True),  # login | session.refresh
    Column("name", Text, primary_key=True),  # '' where they are those of an address
    Column("address", Text, primary_key=True),  # '' where they are those of a name
    Column("minute", BigInteger, primary_key=True),  # since the epoch
    Column("times", Integer, nullable=False),
)
