"""The names of events, and which of them a change of an object is.

Source: Amazon S3 User Guide, "Event notification types and destinations". What a configuration may name is the
enumeration `Event` of the API; some of these never happen here, where nothing is replicated and there is one class of
storage. One name is ours and not AWS's: that so much of a quota is used.
"""

from __future__ import annotations

from s3gw.metadata.outbox import ChangeRow

TEST = "TestEvent"
QUOTA = "s3gw:Quota:Threshold"
QUOTAS = "s3gw:Quota:*"
SCAN_CLEAN, SCAN_INFECTED = "ScanClean", "ScanInfected"  # operations, as the outbox has them

_CREATED = {
    "CopyObject": "Copy",
    "RenameObject": "Copy",
    "PostObject": "Post",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}


def name_of(change: ChangeRow) -> str | None:
    """Without the `s3:` in front, as records have it, but with `s3gw:` where it isn't AWS's; None: it is no event."""
    match change.kind:
        case "created":
            return f"ObjectCreated:{_CREATED.get(change.operation, 'Put')}"
        case "removed":
            return "ObjectRemoved:Delete"
        case "hidden":
            return "ObjectRemoved:DeleteMarkerCreated"
        case "tagged":
            return "ObjectTagging:Delete" if change.operation == "DeleteObjectTagging" else "ObjectTagging:Put"
        case "acl":
            return "ObjectAcl:Put"
        case "quota":
            return QUOTA
        case "scanned":
            return f"s3gw:Scan:{change.operation.removeprefix('Scan')}"
        case "counted":
            return None


def whole(name: str) -> str:
    """As configurations and streams have it."""
    return name if name.startswith("s3gw:") else f"s3:{name}"


def is_meant(asked: str, name: str) -> bool:
    """Whether a configuration that asks for `asked` (`s3:ObjectCreated:*`, `s3:ObjectCreated:Put`) gets this event."""
    asked = asked.removeprefix("s3:")
    return name.startswith(asked[:-1]) if asked.endswith(":*") else name == asked
