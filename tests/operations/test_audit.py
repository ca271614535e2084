"""Every S3 operation that configures something is told by the audit log; what moves objects isn't."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from s3gw.operations.table import OPERATIONS
from tests.cli.commands import Ask, beside
from tests.gateways import Person, refusal
from tests.servers import RunningServer

POLICY = {"Version": "2012-10-17", "Statement": []}
READS = ("Get", "Head", "List")
# The data path: objects, their parts and tags. Of their ACLs below.
DATA = {
    "PutObject", "CopyObject", "RenameObject", "DeleteObject", "DeleteObjects", "PutObjectTagging",
    "DeleteObjectTagging", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload",
    "AbortMultipartUpload",
}  # fmt: skip
_BLOCK = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": True,
}
# One after the other, on one bucket: the operation, its input beside the bucket, and the action that the log tells.
CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("CreateBucket", {}, "bucket.create"),
    ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}, "bucket.versioning.put"),
    ("PutBucketTagging", {"Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}, "bucket.tagging.put"),
    ("DeleteBucketTagging", {}, "bucket.tagging.delete"),
    ("PutBucketCors", {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
     "bucket.cors_configuration.put"),
    ("DeleteBucketCors", {}, "bucket.cors_configuration.delete"),
    ("PutBucketNotificationConfiguration", {"NotificationConfiguration": {}}, "bucket.notification_configuration.put"),
    ("PutBucketPolicy", {"Policy": ""}, "bucket.policy.put"),
    ("DeleteBucketPolicy", {}, "bucket.policy.delete"),
    ("PutPublicAccessBlock", {"PublicAccessBlockConfiguration": _BLOCK}, "bucket.public_access_block.put"),
    ("DeletePublicAccessBlock", {}, "bucket.public_access_block.delete"),
    ("PutBucketOwnershipControls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
     "bucket.ownership_controls.put"),
    ("DeleteBucketOwnershipControls", {}, "bucket.ownership_controls.delete"),
    ("PutBucketRequestPayment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}, "bucket.request_payment.put"),
    ("PutBucketAcl", {"ACL": "public-read"}, "bucket.acl.put"),
    ("PutObjectAcl", {"Key": "key", "ACL": "public-read"}, "object.acl.put"),
    ("DeleteBucket", {}, "bucket.delete"),
]  # fmt: skip
_numbers = itertools.count()


def method_of(client: Any, operation: str) -> Callable[..., Any]:
    (name,) = [name for name, found in client.meta.method_to_api_mapping.items() if found == operation]
    method: Callable[..., Any] = getattr(client, name)
    return method


@pytest.fixture
def ask(server: RunningServer) -> Ask:
    return beside(server)


def test_every_operation_that_changes_something_is_data_or_among_these_changes() -> None:
    changing = {name for name, row in OPERATIONS.items() if row.state == "works" and not name.startswith(READS)}
    assert changing - DATA == {name for name, _, _ in CHANGES}, "a new operation: is it data, or what does it record?"
    assert changing >= DATA


def test_every_change_tells_who_what_and_from_where(owner: Person, ask: Ask) -> None:
    bucket = f"audited-{next(_numbers)}-{owner.account_id}"
    for operation, given, action in CHANGES:
        if operation == "PutObjectAcl":
            owner.s3.put_object(Bucket=bucket, Key="key", RequestPayer="requester")
        if operation == "DeleteBucket":
            for version in owner.s3.list_object_versions(Bucket=bucket)["Versions"]:
                owner.s3.delete_object(Bucket=bucket, Key="key", VersionId=version["VersionId"])
        if operation == "PutBucketNotificationConfiguration":
            target = ask("event-target", "create", "audited", "https://example.com", "--owner", "owner")
            queue = {"QueueArn": target["arn"], "Events": ["s3:ObjectCreated:Post"]}
            given = {"NotificationConfiguration": {"QueueConfigurations": [queue]}}
        if operation == "PutBucketPolicy":
            statement = {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/x",
            }
            given = {"Policy": json.dumps({**POLICY, "Statement": [statement]})}
        answer = method_of(owner.s3, operation)(Bucket=bucket, **given)
        kind, resource = ("object", f"{bucket}/key") if "Key" in given else ("bucket", bucket)
        (line,) = ask("audit", "list", "--resource", resource, "--limit", "1")  # logins of other tests come in between
        assert (line["action"], line["resource_type"], line["resource"]) == (action, kind, resource)
        assert (line["actor"], line["door"], line["address"]) == ("owner", "s3", "127.0.0.1")
        assert line["request_id"] == answer["ResponseMetadata"]["RequestId"]
        assert (line["after"] is None) == operation.startswith("Delete")
    told = [line["action"] for line in ask("audit", "list", "--resource", bucket)]
    assert len(told) == len(CHANGES) - 1  # the other is the object's
    ask("event-target", "delete", "audited")


def test_before_and_after_are_what_was_there_and_what_is(owner: Person, owned: str, ask: Ask) -> None:
    for status in ("Enabled", "Suspended"):
        owner.s3.put_bucket_versioning(Bucket=owned, VersioningConfiguration={"Status": status})
    (line, *_) = ask("audit", "list", "--resource", owned)
    assert (line["before"], line["after"]) == ({"versioning": "Enabled"}, {"versioning": "Suspended"})
    for payer in ("Requester", "BucketOwner"):
        owner.s3.put_bucket_request_payment(Bucket=owned, RequestPaymentConfiguration={"Payer": payer})
    (line, *_) = ask("audit", "list", "--resource", owned)
    assert (line["before"], line["after"]) == ("Requester", "BucketOwner")
    created = ask("audit", "list", "--resource", owned, "--action", "bucket.create")[0]["after"]
    assert (created["owner"], created["versioning"], created["configurations"]) == ("owner", "", {})


def test_what_is_refused_or_changes_nothing_or_moves_objects_has_no_line(
    owner: Person, stranger: Person, owned: str, ask: Ask
) -> None:
    assert [line["action"] for line in ask("audit", "list", "--resource", owned)] == ["bucket.create"]
    tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
    assert refusal(stranger.s3.put_bucket_tagging, Bucket=owned, Tagging=tags)[0] == 403
    owner.s3.delete_bucket_tagging(Bucket=owned)
    owner.s3.put_object(Bucket=owned, Key="key", ACL="private")
    owner.s3.copy_object(Bucket=owned, Key="key", CopySource=f"{owned}/key", MetadataDirective="REPLACE")
    owner.s3.put_object_tagging(Bucket=owned, Key="key", Tagging=tags)
    assert refusal(owner.s3.delete_bucket, Bucket=owned)[0] == 409
    owner.s3.delete_object(Bucket=owned, Key="key")
    assert [line["action"] for line in ask("audit", "list", "--resource", owned)] == ["bucket.create"]
    assert ask("audit", "list", "--resource", f"{owned}/key") == []


def test_the_acl_that_an_object_is_written_with_is_told_where_it_isnt_the_owner_s_alone(
    owner: Person, owned: str, ask: Ask
) -> None:
    s3, everybody = owner.s3, ["http://acs.amazonaws.com/groups/global/AllUsers", "READ"]
    s3.put_object(Bucket=owned, Key="plain")
    s3.put_object(Bucket=owned, Key="put", ACL="public-read")
    s3.put_object(Bucket=owned, Key="granted", GrantRead=f'uri="{everybody[0]}"')
    s3.copy_object(Bucket=owned, Key="copy", CopySource=f"{owned}/put", ACL="public-read")
    s3.copy_object(Bucket=owned, Key="bare", CopySource=f"{owned}/put")
    upload = s3.create_multipart_upload(Bucket=owned, Key="upload", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=owned, Key="upload", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    done = s3.complete_multipart_upload(Bucket=owned, Key="upload", UploadId=upload, MultipartUpload=parts)
    told = {key: ask("audit", "list", "--resource", f"{owned}/{key}") for key in ("put", "granted", "copy", "upload")}
    for key, lines in told.items():
        actions = ["object.acl.put", "upload.acl.put"] if key == "upload" else ["object.acl.put"]
        assert [line["action"] for line in lines] == actions
        for line in lines:
            assert everybody in line["after"]["acl"] and line["before"] is None
            assert (line["actor"], line["door"], line["resource_type"]) == ("owner", "s3", "object")
    assert told["upload"][0]["request_id"] == done["ResponseMetadata"]["RequestId"]
    assert told["upload"][1]["after"]["upload_id"] == upload
    for key in ("plain", "bare"):
        assert ask("audit", "list", "--resource", f"{owned}/{key}") == []
