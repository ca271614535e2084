"""All operations of AWS's model: one row each. What isn't served is unused.py's to list and to answer.

A row says who handles the operation, what the caller needs to be allowed, how its body is read, and whether it brings
bytes that stay. A row without needs fails at import, and so does the door where the model has an operation without a
row. (A form is performed as PutObject, and a preflight is answered by the door.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from s3gw.access.actions import RENAME
from s3gw.operations import (
    acls,
    bucket_access,
    bucket_cors,
    bucket_notification,
    bucket_policy,
    buckets,
    complete_multipart_upload,
    copy_object,
    delete_objects,
    get_object,
    get_object_attributes,
    list_objects,
    multipart,
    put_object,
    tagging,
    upload_part_copy,
    versioning,
)
from s3gw.operations.call import Handler
from s3gw.operations.unused import REFUSED, UNUSED, refusing

State = Literal["works", "unused", "refused"]


class Need(NamedTuple):
    """An IAM action on a resource that an operation needs.

    `versioned` replaces the action when a version is named. With `members`, the need exists only when the input has one
    of them. `new` is the object that is written, whatever is there under its key; `new bucket` the one that is made.
    `renamed` is what a rename moves, `replaced` what it takes the place of, if there is something. Needs on `keys` are
    asked for by the handler, for each key of the body (`Call.may`). `if_tagged`: only where tags are copied from the
    source. `if_matched`: only where the call is told whether the object has the entity tag that it names.
    """

    action: str
    on: Literal["service", "new bucket", "bucket", "object", "new", "source", "renamed", "replaced", "keys"]
    versioned: str | None = None
    members: frozenset[str] = frozenset()
    if_tagged: bool = False
    if_matched: bool = False


@dataclass(slots=True)
class Row:
    """`state`: `unused` answers as if it had never been configured, `refused` is 501.

    `creates_object`: when it is done, there is an object (the condition key s3:ObjectCreationOperation).

    `body`: `stream` is read by the handler as it arrives, `xml` belongs to the input.

    `room`: whether it brings bytes that stay, and so is refused below the floor of free space (disks/room.py): some, or
    its body. What makes room, or ends what was begun, is never among them: deletes, aborts, completes (whose parts are
    stored already), renames, and suspending the versioning.
    """

    handler: Handler
    needs: tuple[Need, ...]
    body: Literal["none", "xml", "stream"] = "none"
    room: Literal["none", "some", "body"] = "none"
    state: State = "works"
    creates_object: bool = False

    is_in_bucket: bool = field(init=False)
    has_source: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_in_bucket = all(need.on not in ("service", "new bucket") for need in self.needs)
        self.has_source = any(need.on == "source" for need in self.needs)


def _on_bucket(action: str) -> tuple[Need, ...]:
    return (Need(action, "bucket"),)


def _on_object(action: str, versioned: str | None = None) -> tuple[Need, ...]:
    return (Need(action, "object", versioned),)


# "Conditional deletes with a specific ETag value require both s3:DeleteObject and s3:GetObject permissions" ("Enforce
# conditional deletes", User Guide), and so do writes with If-Match.
_MATCH = Need("s3:GetObject", "object", "s3:GetObjectVersion", if_matched=True)
_ACL_MEMBERS = frozenset(("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"))
_PUT = (
    Need("s3:PutObject", "object"),
    Need("s3:PutObjectTagging", "new", members=frozenset(("Tagging",))),
    Need("s3:PutObjectAcl", "new", members=_ACL_MEMBERS),
    _MATCH,
)
_READ_SOURCE = (
    Need("s3:GetObject", "source", "s3:GetObjectVersion"),
    Need("s3:GetObjectTagging", "source", "s3:GetObjectVersionTagging", if_tagged=True),
    Need("s3:PutObjectTagging", "new", if_tagged=True),
)

OPERATIONS: dict[str, Row] = {
    "ListBuckets": Row(buckets.list_buckets, (Need("s3:ListAllMyBuckets", "service"),)),
    "CreateBucket": Row(
        buckets.create_bucket,
        (
            Need("s3:CreateBucket", "new bucket"),
            Need("s3:PutBucketAcl", "new bucket", members=_ACL_MEMBERS),
            Need("s3:PutBucketOwnershipControls", "new bucket", members=frozenset(("ObjectOwnership",))),
        ),
        "xml",
        "some",
    ),
    "HeadBucket": Row(buckets.head_bucket, _on_bucket("s3:ListBucket")),
    "DeleteBucket": Row(buckets.delete_bucket, _on_bucket("s3:DeleteBucket")),
    "GetBucketLocation": Row(buckets.get_bucket_location, _on_bucket("s3:GetBucketLocation")),
    "GetBucketVersioning": Row(versioning.get_bucket_versioning, _on_bucket("s3:GetBucketVersioning")),
    "PutBucketVersioning": Row(versioning.put_bucket_versioning, _on_bucket("s3:PutBucketVersioning"), "xml"),
    "GetBucketTagging": Row(tagging.get_bucket_tagging, _on_bucket("s3:GetBucketTagging")),
    "PutBucketTagging": Row(tagging.put_bucket_tagging, _on_bucket("s3:PutBucketTagging"), "xml", "some"),
    "DeleteBucketTagging": Row(tagging.delete_bucket_tagging, _on_bucket("s3:PutBucketTagging")),
    "GetBucketCors": Row(bucket_cors.get_bucket_cors, _on_bucket("s3:GetBucketCORS")),
    "PutBucketCors": Row(bucket_cors.put_bucket_cors, _on_bucket("s3:PutBucketCORS"), "xml", "some"),
    "DeleteBucketCors": Row(bucket_cors.delete_bucket_cors, _on_bucket("s3:PutBucketCORS")),
    "GetBucketNotificationConfiguration": Row(
        bucket_notification.get_bucket_notification_configuration, _on_bucket("s3:GetBucketNotification")
    ),
    "PutBucketNotificationConfiguration": Row(
        bucket_notification.put_bucket_notification_configuration,
        _on_bucket("s3:PutBucketNotification"),
        "xml",
        "some",
    ),
    "GetBucketPolicy": Row(bucket_policy.get_bucket_policy, _on_bucket("s3:GetBucketPolicy")),
    "PutBucketPolicy": Row(bucket_policy.put_bucket_policy, _on_bucket("s3:PutBucketPolicy"), "xml", "some"),
    "DeleteBucketPolicy": Row(bucket_policy.delete_bucket_policy, _on_bucket("s3:DeleteBucketPolicy")),
    "GetBucketPolicyStatus": Row(bucket_policy.get_bucket_policy_status, _on_bucket("s3:GetBucketPolicyStatus")),
    "GetPublicAccessBlock": Row(bucket_access.get_public_access_block, _on_bucket("s3:GetBucketPublicAccessBlock")),
    "PutPublicAccessBlock": Row(
        bucket_access.put_public_access_block, _on_bucket("s3:PutBucketPublicAccessBlock"), "xml"
    ),
    "DeletePublicAccessBlock": Row(
        bucket_access.delete_public_access_block, _on_bucket("s3:PutBucketPublicAccessBlock")
    ),
    "GetBucketOwnershipControls": Row(
        bucket_access.get_bucket_ownership_controls, _on_bucket("s3:GetBucketOwnershipControls")
    ),
    "PutBucketOwnershipControls": Row(
        bucket_access.put_bucket_ownership_controls, _on_bucket("s3:PutBucketOwnershipControls"), "xml"
    ),
    "DeleteBucketOwnershipControls": Row(
        bucket_access.delete_bucket_ownership_controls, _on_bucket("s3:PutBucketOwnershipControls")
    ),
    "GetBucketRequestPayment": Row(bucket_access.get_bucket_request_payment, _on_bucket("s3:GetBucketRequestPayment")),
    "PutBucketRequestPayment": Row(
        bucket_access.put_bucket_request_payment, _on_bucket("s3:PutBucketRequestPayment"), "xml"
    ),
    "GetBucketAcl": Row(acls.get_bucket_acl, _on_bucket("s3:GetBucketAcl")),
    "PutBucketAcl": Row(acls.put_bucket_acl, _on_bucket("s3:PutBucketAcl"), "xml"),
    "GetObjectAcl": Row(acls.get_object_acl, _on_object("s3:GetObjectAcl", "s3:GetObjectVersionAcl")),
    "PutObjectAcl": Row(acls.put_object_acl, _on_object("s3:PutObjectAcl", "s3:PutObjectVersionAcl"), "xml"),
    "ListObjects": Row(list_objects.list_objects, _on_bucket("s3:ListBucket")),
    "ListObjectsV2": Row(list_objects.list_objects_v2, _on_bucket("s3:ListBucket")),
    "ListObjectVersions": Row(list_objects.list_object_versions, _on_bucket("s3:ListBucketVersions")),
    "PutObject": Row(put_object.put_object, _PUT, "stream", "body", creates_object=True),
    "GetObject": Row(get_object.get_object, _on_object("s3:GetObject", "s3:GetObjectVersion")),
    "HeadObject": Row(get_object.head_object, _on_object("s3:GetObject", "s3:GetObjectVersion")),
    "GetObjectAttributes": Row(
        get_object_attributes.get_object_attributes,
        (
            Need("s3:GetObject", "object", "s3:GetObjectVersion"),
            Need("s3:GetObjectAttributes", "object", "s3:GetObjectVersionAttributes"),
        ),
    ),
    "DeleteObject": Row(
        delete_objects.delete_object, (*_on_object("s3:DeleteObject", "s3:DeleteObjectVersion"), _MATCH)
    ),
    "DeleteObjects": Row(
        delete_objects.delete_objects,
        (Need("s3:DeleteObject", "keys", "s3:DeleteObjectVersion"), _MATCH._replace(on="keys")),
        "xml",
    ),
    "CopyObject": Row(copy_object.copy_object, _PUT + _READ_SOURCE, room="some", creates_object=True),
    "RenameObject": Row(
        copy_object.rename_object,
        (
            Need("s3:PutObject", "object"),
            Need("s3:GetObject", "renamed"),  # or it could be moved to where it may be read
            Need(RENAME, "renamed"),
            Need("s3:DeleteObject", "replaced"),
        ),
        creates_object=True,
    ),
    "GetObjectTagging": Row(
        tagging.get_object_tagging, _on_object("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
    ),
    "PutObjectTagging": Row(
        tagging.put_object_tagging, _on_object("s3:PutObjectTagging", "s3:PutObjectVersionTagging"), "xml", "some"
    ),
    "DeleteObjectTagging": Row(
        tagging.delete_object_tagging, _on_object("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")
    ),
    "CreateMultipartUpload": Row(multipart.create_multipart_upload, _PUT, room="some"),
    "UploadPart": Row(multipart.upload_part, _on_object("s3:PutObject"), "stream", "body"),
    "UploadPartCopy": Row(
        upload_part_copy.upload_part_copy, (Need("s3:PutObject", "object"), _READ_SOURCE[0]), room="some"
    ),
    "CompleteMultipartUpload": Row(
        complete_multipart_upload.complete_multipart_upload,
        (*_on_object("s3:PutObject"), _MATCH),
        "xml",
        creates_object=True,
    ),
    "AbortMultipartUpload": Row(multipart.abort_multipart_upload, _on_object("s3:AbortMultipartUpload")),
    "ListParts": Row(multipart.list_parts, _on_object("s3:ListMultipartUploadParts")),
    "ListMultipartUploads": Row(multipart.list_multipart_uploads, _on_bucket("s3:ListBucketMultipartUploads")),
}


def actions_of(operation: str) -> list[str]:
    """What an operation always needs, by its name in whatever case; nothing for a name that is none."""
    found = [row for name, row in OPERATIONS.items() if name.lower() == operation.lower()]
    needs = [need for row in found for need in row.needs if not (need.members or need.if_tagged or need.if_matched)]
    return list(dict.fromkeys(need.action for need in needs))


for _name, _unused in UNUSED.items():
    OPERATIONS[_name] = Row(_unused.handler, (Need(_unused.action, _unused.on),), state="unused")
for _name, _refused in REFUSED.items():
    OPERATIONS[_name] = Row(refusing(_name), (Need(_refused.action, _refused.on),), state="refused")
for _name, _row in OPERATIONS.items():
    if not _row.needs:
        raise ImportError(f"{_name} needs nothing to be allowed")
