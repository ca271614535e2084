"""What AWS has and isn't served here. Reads answer as AWS does where it was never configured; all else is 501.

So a client that looks at everything about a bucket (Terraform, Cyberduck, `aws s3api get-bucket-…`) goes on, and
nothing is accepted that isn't acted on: no write of a configuration is here but as refused. Deletes answer what AWS
answers where there is nothing to delete. Sources: Amazon S3 API Reference, "Special Errors" of each operation; texts
as S3's servers say them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from s3gw.errors import InvalidRequest, NotImplemented, S3Error
from s3gw.metadata import objects
from s3gw.operations.call import Call, Handler, Output
from s3gw.operations.not_configured import (
    MetadataConfigurationNotFound,
    NoSuchAnnotation,
    NoSuchConfiguration,
    NoSuchLifecycleConfiguration,
    NoSuchWebsiteConfiguration,
    ObjectLockConfigurationNotFoundError,
    ReplicationConfigurationNotFoundError,
    ServerSideEncryptionConfigurationNotFoundError,
)
from s3gw.operations.tagging import checked_version

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectAnnotationRequestTypeDef, ListObjectAnnotationsRequestTypeDef

_MOST_ANNOTATIONS = 1000  # of an object, and of a page


class Unused(NamedTuple):
    """The action that the operation needs, on what, and its handler."""

    action: str
    handler: Handler
    on: Literal["bucket", "object"] = "bucket"


class Refused(NamedTuple):
    action: str
    on: Literal["service", "bucket", "object"] = "bucket"


def _says(**output: Any) -> Handler:
    async def answer(call: Call, input: object) -> Output:
        return dict(output)

    return answer


def _lacks(error: type[S3Error], *, names_bucket: bool = True) -> Handler:
    async def refuse(call: Call, input: object) -> Output:
        raise error(BucketName=call.the_bucket.name) if names_bucket else error()

    return refuse


async def _has_no_lock(call: Call, input: object) -> Output:
    """Of the bucket, whatever the object: without Object Lock nothing in it is held or retained."""
    raise InvalidRequest("Bucket is missing Object Lock Configuration")


async def _list_object_annotations(call: Call, input: ListObjectAnnotationsRequestTypeDef) -> Output:
    await _read_object(call)
    output: Output = {"Bucket": input["Bucket"], "Key": input["Key"], "Annotations": [], "AnnotationCount": 0}
    output["AnnotationPrefix"] = input.get("AnnotationPrefix")
    output["MaxAnnotationResults"] = min(input.get("MaxAnnotationResults", _MOST_ANNOTATIONS), _MOST_ANNOTATIONS)
    return output


async def _get_object_annotation(call: Call, input: GetObjectAnnotationRequestTypeDef) -> Output:
    await _read_object(call)
    raise NoSuchAnnotation()


async def _read_object(call: Call) -> None:
    key, version_id = call.input["Key"], call.input.get("VersionId")
    found = await call.services.database.read(objects.find, call.the_bucket.id, key, version_id)
    call.check("object", found)
    checked_version(found, version_id, key)


_NO_LIST = _says(IsTruncated=False)
# Recorded on AWS: it doesn't name the bucket, and a delete of what isn't there is refused with it too.
_NO_CONFIGURATION = _lacks(NoSuchConfiguration, names_bucket=False)
_NO_METADATA = _lacks(MetadataConfigurationNotFound, names_bucket=False)
_DELETED = _says()

UNUSED: Mapping[str, Unused] = {
    "GetBucketAbac": Unused("s3:GetBucketAbac", _says(AbacStatus={"Status": "Disabled"})),
    "GetBucketAccelerateConfiguration": Unused("s3:GetAccelerateConfiguration", _says()),
    "GetBucketAnalyticsConfiguration": Unused("s3:GetAnalyticsConfiguration", _NO_CONFIGURATION),
    "ListBucketAnalyticsConfigurations": Unused("s3:GetAnalyticsConfiguration", _NO_LIST),
    "DeleteBucketAnalyticsConfiguration": Unused("s3:PutAnalyticsConfiguration", _NO_CONFIGURATION),
    # Since 2023 every bucket of AWS's is encrypted and says AES256. Nothing is encrypted here, and saying so would make
    # auditors believe that it was; this is what AWS answered before.
    "GetBucketEncryption": Unused(
        "s3:GetEncryptionConfiguration", _lacks(ServerSideEncryptionConfigurationNotFoundError)
    ),
    "DeleteBucketEncryption": Unused("s3:PutEncryptionConfiguration", _DELETED),
    "GetBucketIntelligentTieringConfiguration": Unused("s3:GetIntelligentTieringConfiguration", _NO_CONFIGURATION),
    "ListBucketIntelligentTieringConfigurations": Unused("s3:GetIntelligentTieringConfiguration", _NO_LIST),
    "DeleteBucketIntelligentTieringConfiguration": Unused("s3:PutIntelligentTieringConfiguration", _NO_CONFIGURATION),
    "GetBucketInventoryConfiguration": Unused("s3:GetInventoryConfiguration", _NO_CONFIGURATION),
    "ListBucketInventoryConfigurations": Unused("s3:GetInventoryConfiguration", _NO_LIST),
    "DeleteBucketInventoryConfiguration": Unused("s3:PutInventoryConfiguration", _NO_CONFIGURATION),
    "GetBucketLifecycleConfiguration": Unused("s3:GetLifecycleConfiguration", _lacks(NoSuchLifecycleConfiguration)),
    "DeleteBucketLifecycle": Unused("s3:PutLifecycleConfiguration", _DELETED),
    "GetBucketLogging": Unused("s3:GetBucketLogging", _says()),
    "GetBucketMetadataConfiguration": Unused("s3:GetBucketMetadataTableConfiguration", _NO_METADATA),
    "DeleteBucketMetadataConfiguration": Unused("s3:DeleteBucketMetadataTableConfiguration", _NO_METADATA),
    "GetBucketMetadataTableConfiguration": Unused("s3:GetBucketMetadataTableConfiguration", _NO_METADATA),
    "DeleteBucketMetadataTableConfiguration": Unused("s3:DeleteBucketMetadataTableConfiguration", _NO_METADATA),
    "GetBucketMetricsConfiguration": Unused("s3:GetMetricsConfiguration", _NO_CONFIGURATION),
    "ListBucketMetricsConfigurations": Unused("s3:GetMetricsConfiguration", _NO_LIST),
    "DeleteBucketMetricsConfiguration": Unused("s3:PutMetricsConfiguration", _NO_CONFIGURATION),
    "GetBucketReplication": Unused("s3:GetReplicationConfiguration", _lacks(ReplicationConfigurationNotFoundError)),
    "DeleteBucketReplication": Unused("s3:PutReplicationConfiguration", _DELETED),
    "GetBucketWebsite": Unused("s3:GetBucketWebsite", _lacks(NoSuchWebsiteConfiguration)),
    "DeleteBucketWebsite": Unused("s3:DeleteBucketWebsite", _DELETED),
    "GetObjectLockConfiguration": Unused(
        "s3:GetBucketObjectLockConfiguration", _lacks(ObjectLockConfigurationNotFoundError)
    ),
    "GetObjectLegalHold": Unused("s3:GetObjectLegalHold", _has_no_lock, "object"),
    "GetObjectRetention": Unused("s3:GetObjectRetention", _has_no_lock, "object"),
    "GetObjectAnnotation": Unused("s3:GetObjectAnnotation", _get_object_annotation, "object"),
    "ListObjectAnnotations": Unused("s3:ListObjectAnnotations", _list_object_annotations, "object"),
}

REFUSED: Mapping[str, Refused] = {
    "CreateBucketMetadataConfiguration": Refused("s3:CreateBucketMetadataTableConfiguration"),
    "CreateBucketMetadataTableConfiguration": Refused("s3:CreateBucketMetadataTableConfiguration"),
    "PutBucketAbac": Refused("s3:PutBucketAbac"),
    "PutBucketAccelerateConfiguration": Refused("s3:PutAccelerateConfiguration"),
    "PutBucketAnalyticsConfiguration": Refused("s3:PutAnalyticsConfiguration"),
    "PutBucketEncryption": Refused("s3:PutEncryptionConfiguration"),
    "PutBucketIntelligentTieringConfiguration": Refused("s3:PutIntelligentTieringConfiguration"),
    "PutBucketInventoryConfiguration": Refused("s3:PutInventoryConfiguration"),
    "PutBucketLifecycleConfiguration": Refused("s3:PutLifecycleConfiguration"),
    "PutBucketLogging": Refused("s3:PutBucketLogging"),
    "PutBucketMetricsConfiguration": Refused("s3:PutMetricsConfiguration"),
    "PutBucketReplication": Refused("s3:PutReplicationConfiguration"),
    "PutBucketWebsite": Refused("s3:PutBucketWebsite"),
    "UpdateBucketMetadataAnnotationTableConfiguration": Refused("s3:UpdateBucketMetadataAnnotationTableConfiguration"),
    "UpdateBucketMetadataInventoryTableConfiguration": Refused("s3:UpdateBucketMetadataInventoryTableConfiguration"),
    "UpdateBucketMetadataJournalTableConfiguration": Refused("s3:UpdateBucketMetadataJournalTableConfiguration"),
    "PutObjectLockConfiguration": Refused("s3:PutBucketObjectLockConfiguration"),
    "PutObjectLegalHold": Refused("s3:PutObjectLegalHold", "object"),
    "PutObjectRetention": Refused("s3:PutObjectRetention", "object"),
    "PutObjectAnnotation": Refused("s3:PutObjectAnnotation", "object"),
    "DeleteObjectAnnotation": Refused("s3:DeleteObjectAnnotation", "object"),
    "UpdateObjectEncryption": Refused("s3:UpdateObjectEncryption", "object"),
    "RestoreObject": Refused("s3:RestoreObject", "object"),
    "SelectObjectContent": Refused("s3:GetObject", "object"),
    "GetObjectTorrent": Refused("s3:GetObjectTorrent", "object"),  # AWS has ended it in 2022
    # The actions of these are other services' (s3express, s3-object-lambda), which no policy for S3 can name. That they
    # aren't served is told to those who may list.
    "CreateSession": Refused("s3:ListBucket"),
    "ListDirectoryBuckets": Refused("s3:ListAllMyBuckets", "service"),
    "WriteGetObjectResponse": Refused("s3:ListAllMyBuckets", "service"),
}


def refusing(operation: str) -> Handler:
    """501 by the operation's name."""

    async def refuse(call: Call, input: object) -> Output:
        raise NotImplemented(f"{operation} is not implemented.", Operation=operation)

    return refuse
