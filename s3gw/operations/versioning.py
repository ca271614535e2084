"""PutBucketVersioning and GetBucketVersioning. What the states do to writes: metadata/objects.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.errors import IllegalVersioningConfigurationException, NotImplemented
from s3gw.metadata import configurations
from s3gw.operations.call import Call, Output

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetBucketVersioningRequestTypeDef, PutBucketVersioningRequestTypeDef


async def put_bucket_versioning(call: Call, input: PutBucketVersioningRequestTypeDef) -> Output:
    configuration = input["VersioningConfiguration"]
    status = configuration.get("Status")
    if status is None:
        raise IllegalVersioningConfigurationException()
    if configuration.get("MFADelete", "Disabled") != "Disabled":
        raise NotImplemented("MFA delete is not supported.")
    await call.change([call.bucket_lock], configurations.set_versioning, status)
    return {}


async def get_bucket_versioning(call: Call, input: GetBucketVersioningRequestTypeDef) -> Output:
    # A bucket that never had versioning answers with an empty document.
    return {"Status": call.the_bucket.versioning} if call.the_bucket.versioning else {}
