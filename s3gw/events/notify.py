"""The reader of the outbox that finds who is to be told what: a delivery for each rule of a bucket that wants an event.

Rules and targets count as they are when a change is read, at most a second after it was made.
"""

from __future__ import annotations

from s3gw.events.names import name_of
from s3gw.events.records import NamedBucket, message_of
from s3gw.events.rules import parse_rules
from s3gw.metadata import event_deliveries, event_targets, notifications, outbox
from s3gw.metadata.database import Connection
from s3gw.metadata.event_deliveries import NewDelivery
from s3gw.metadata.outbox import Span

READER = "notifications"


def read(conn: Connection, span: Span) -> None:
    configured = notifications.configured_within(conn, span)
    if not configured:
        return
    rules = {bucket_id: parse_rules(bucket.document) for bucket_id, bucket in configured.items()}
    targets = {
        bucket_id: event_targets.usable(conn, configured[bucket_id].owner_id, {rule.target for rule in of_bucket})
        for bucket_id, of_bucket in rules.items()
    }
    new: list[NewDelivery] = []
    for change in outbox.rows_of(conn, span):
        event = name_of(change)
        if event is None or change.bucket_id not in configured:
            continue
        bucket = configured[change.bucket_id]
        named = NamedBucket(bucket.name, bucket.region, bucket.owner_canonical_id)
        for rule in rules[change.bucket_id]:
            target_id = targets[change.bucket_id].get(rule.target)
            if rule.wants(event, change.key) and target_id is not None:
                message = message_of(change, event, named, rule)
                new.append(NewDelivery(target_id, change.bucket_id, change.key, event, message))
    if new:
        event_deliveries.enqueue(conn, new)
