"""PutBucketVersioning and GetBucketVersioning. What the states do to writes: metadata/objects.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.context import Context, Output
from s3gw.errors import IllegalVersioningConfigurationException, NotImplemented
from s3gw.metadata import buckets

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetBucketVersioningRequestTypeDef, PutBucketVersioningRequestTypeDef


async def put_bucket_versioning(ctx: Context, input: PutBucketVersioningRequestTypeDef) -> Output:
    configuration = input["VersioningConfiguration"]
    status = configuration.get("Status")
    if status is None:
        raise IllegalVersioningConfigurationException()
    if configuration.get("MFADelete", "Disabled") != "Disabled":
        raise NotImplemented("MFA delete is not supported.")
    bucket = ctx.the_bucket
    await ctx.services.database.write(buckets.set_versioning, bucket.id, status, keys=(f"bucket/{bucket.name}",))
    return {}


async def get_bucket_versioning(ctx: Context, input: GetBucketVersioningRequestTypeDef) -> Output:
    # A bucket that never had versioning answers with an empty document.
    return {"Status": ctx.the_bucket.versioning} if ctx.the_bucket.versioning else {}
