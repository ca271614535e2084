"""What a target is told: AWS's event message, one record of version 2.1.

Source: Amazon S3 User Guide, "Event message structure". A key is encoded as in a form; times are ISO 8601 in UTC.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from s3gw.events.rules import Rule
from s3gw.metadata.outbox import ChangeRow
from s3gw.moments import iso_of

_VERSION = "2.1"


class NamedBucket(NamedTuple):
    """`owner_canonical_id` is S3's `Owner.ID`."""

    name: str
    region: str
    owner_canonical_id: str


def sequencer_of(change: ChangeRow) -> str:
    """Of two events of a key the greater one is the later, compared as text."""
    return f"{change.transaction:016X}{change.id:016X}"


def record_of(change: ChangeRow, event: str, bucket: NamedBucket, rule_id: str) -> dict[str, Any]:
    return {
        "eventVersion": _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso_of(change.at),
        "eventName": event,
        "userIdentity": {"principalId": change.actor_id or ("Anonymous" if change.address else "s3gw")},
        "requestParameters": {"sourceIPAddress": change.address},
        "responseElements": {"x-amz-request-id": change.request_id, "x-amz-id-2": change.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": bucket.owner_canonical_id},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": _object_of(change, event),
        },
    }


def _object_of(change: ChangeRow, event: str) -> dict[str, Any]:
    told: dict[str, Any] = {"key": quote_plus(change.key, safe="/")}
    if not event.startswith("ObjectRemoved:"):
        told |= {"size": change.size, "eTag": change.etag}
    elif event == "ObjectRemoved:DeleteMarkerCreated":
        told["eTag"] = change.etag
    if change.version_id and change.version_id != "null":
        told["versionId"] = change.version_id
    return told | {"sequencer": sequencer_of(change)}


def message_of(change: ChangeRow, event: str, bucket: NamedBucket, rule: Rule) -> str:
    return json.dumps({"Records": [record_of(change, event, bucket, rule.id)]}, ensure_ascii=False)


def test_message(bucket: str, at: int, request_id: str) -> str:
    """Sent when a bucket is configured ("How to set up event notifications")."""
    message = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": iso_of(at), "Bucket": bucket}
    return json.dumps(message | {"RequestId": request_id, "HostId": request_id})
