"""What a target is told: AWS's event message, one record of version 2.1.

Source: Amazon S3 User Guide, "Event message structure". A key is encoded as in a form; times are ISO 8601 in UTC.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from s3gw.events.names import QUOTA
from s3gw.events.rules import Rule
from s3gw.metadata.outbox import ChangeRow
from s3gw.moments import iso_of

_VERSION = "2.1"
_NO_ADDRESS = "s3.amazonaws.com"  # what AWS says of what it does itself; libraries take this or an address


class NamedBucket(NamedTuple):
    """`owner_canonical_id` is S3's `Owner.ID`."""

    name: str
    region: str
    owner_canonical_id: str


def sequencer_of(change: ChangeRow) -> str:
    """Of two events of a key the greater one is the later, compared as text."""
    return f"{change.transaction:016X}{change.id:016X}"


def record_of(change: ChangeRow, event: str, bucket: NamedBucket, rule_id: str) -> dict[str, Any]:
    if event == QUOTA:
        return _record_of_quota(change, bucket, rule_id)
    return {
        "eventVersion": _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso_of(change.at),
        "eventName": event,
        "userIdentity": {"principalId": change.actor_id or ("Anonymous" if change.address else "s3gw")},
        "requestParameters": {"sourceIPAddress": change.address or _NO_ADDRESS},
        "responseElements": {"x-amz-request-id": change.request_id, "x-amz-id-2": change.request_id},
        "s3": _about(bucket, rule_id) | {"object": _object_of(change, event)},
    }


def _about(bucket: NamedBucket, rule_id: str) -> dict[str, Any]:
    return {
        "s3SchemaVersion": "1.0",
        "configurationId": rule_id,
        "bucket": {
            "name": bucket.name,
            "ownerIdentity": {"principalId": bucket.owner_canonical_id},
            "arn": f"arn:aws:s3:::{bucket.name}",
        },
    }


def quota_of(change: ChangeRow) -> dict[str, Any]:
    """What is told of a quota: `kind`, `name`, `prefix`, `threshold`, and of bytes and objects what is used and what
    there may be.
    """
    told: dict[str, Any] = json.loads(change.document or "{}")
    return {name: value for name, value in told.items() if name != "owner_id"}


def _record_of_quota(change: ChangeRow, bucket: NamedBucket, rule_id: str) -> dict[str, Any]:
    """Beside what AWS's records have of the bucket: AWS has no such event."""
    return {
        "eventVersion": _VERSION,
        "eventSource": "s3gw",
        "awsRegion": bucket.region,
        "eventTime": iso_of(change.at),
        "eventName": QUOTA,
        "s3": _about(bucket, rule_id),
        "quota": quota_of(change) | {"sequencer": sequencer_of(change)},
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
