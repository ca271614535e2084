"""Which operations bring bytes that stay, and so are refused below the floor of free space (disks/room.py).

What makes room, or ends what was begun, is never among them: deletes, aborts, completes (whose parts are stored
already), renames, and suspending the versioning.
"""

from __future__ import annotations

from s3gw.operations.table import OPERATIONS

NEEDS_ROOM = frozenset(
    (
        "CopyObject",
        "CreateBucket",
        "CreateMultipartUpload",
        "PutBucketTagging",
        "PutObject",
        "PutObjectTagging",
        "UploadPart",
        "UploadPartCopy",
    )
)
_NEVER = frozenset(
    (
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "DeleteBucket",
        "DeleteBucketTagging",
        "DeleteObject",
        "DeleteObjects",
        "DeleteObjectTagging",
        "PutBucketVersioning",
        "RenameObject",
    )
)
_READS = ("Get", "Head", "List")

for _name in OPERATIONS:
    if (_name in NEEDS_ROOM) + (_name in _NEVER) + _name.startswith(_READS) != 1:
        raise ImportError(f"whether {_name} needs room is not said")


def size_of_body(operation: str, content_length: str | None) -> int:
    """As the client says, for a body that is stored; a shorter one is refused anyway, and one of unknown length counts
    when it comes."""
    is_stored = OPERATIONS[operation].body == "stream"
    return int(content_length) if is_stored and content_length and content_length.isdecimal() else 0
