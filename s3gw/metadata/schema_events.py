"""The tables of events: whom they are told to, and what is still to be told. What schema.py says of columns holds
here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Table, Text

from s3gw.metadata.columns import BytewiseText, Identifier, metadata, partial_index

# Whom events can be told to. A bucket's configuration names one by its owner's account and its name.
event_targets = Table(
    "event_targets",
    metadata,
    Column("id", Text, primary_key=True),  # UUID
    Column("owner_id", Text, ForeignKey("users.id", ondelete="RESTRICT"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # webhook | redis | amqp
    Column("address", Text, nullable=False),  # its URL without what may be a secret
    Column("sealed", LargeBinary, nullable=False),  # JSON of the URL and of a webhook's secret, under the master key
    Column("is_shared", SmallInteger, nullable=False),  # buckets of all users may name it
    Column("is_enabled", SmallInteger, nullable=False),  # else what is to be told waits
    Column("failing_since", BigInteger),
    Column("last_error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("ux_event_targets_owner_id_name", "owner_id", "name", unique=True),
)

# What a target is still to be told, and what it couldn't be told (`dead`). Of a key only the oldest is `first`; the
# next becomes it when that is told, so that events of a key are told in order.
event_deliveries = Table(
    "event_deliveries",
    metadata,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("target_id", Text, ForeignKey("event_targets.id", ondelete="RESTRICT"), nullable=False),
    Column("bucket_id", BigInteger, nullable=False),
    Column("key", BytewiseText, nullable=False),
    Column("event", Text, nullable=False),
    Column("message", Text, nullable=False),  # JSON, as it is told
    Column("state", Text, nullable=False),  # first | behind | dead
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)
partial_index(
    "ix_event_deliveries_due", event_deliveries.c.target_id, event_deliveries.c.due_at, where="state = 'first'"
)
partial_index(
    "ix_event_deliveries_waiting",
    event_deliveries.c.target_id,
    event_deliveries.c.bucket_id,
    event_deliveries.c.key,
    event_deliveries.c.id,
    where="state <> 'dead'",
)
partial_index("ix_event_deliveries_dead", event_deliveries.c.target_id, event_deliveries.c.id, where="state = 'dead'")
