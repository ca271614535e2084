"""The actions of S3, and what each acts on: Service Authorization Reference, "Actions, resources, and condition keys
for Amazon S3". Names are matched whatever their case. `s3gw:RenameObject` is our own: who may write may rename, without
being able to delete.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from s3gw.access.wildcards import compile_pattern, tokens_of

_OBJECT = """
AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation DeleteObjectTagging
DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes
GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent
InitiateReplication ListMultipartUploadParts ListObjectAnnotations ObjectOwnerOverrideToBucketOwner PutObject
PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption
"""

_BUCKET = """
CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl
GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite
GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
GetMetricsConfiguration GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
PauseReplication PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS
PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite
PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration
PutMetricsConfiguration PutReplicationConfiguration UpdateBucketMetadataAnnotationTableConfiguration
UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration ListTagsForResource
TagResource UntagResource
"""

# These act on the account or on what no bucket contains.
_OTHER = """
AssociateAccessGrantsIdentityCenter CreateAccessGrant CreateAccessGrantsInstance CreateAccessGrantsLocation
CreateAccessPoint CreateAccessPointForObjectLambda CreateJob CreateMultiRegionAccessPoint CreateStorageLensGroup
DeleteAccessGrant DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy DeleteAccessGrantsLocation
DeleteAccessPoint DeleteAccessPointForObjectLambda DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda
DeleteJobTagging DeleteMultiRegionAccessPoint DeleteStorageLensConfiguration DeleteStorageLensConfigurationTagging
DeleteStorageLensGroup DescribeJob DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter
GetAccessGrant GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy
GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda GetAccessPointForObjectLambda
GetAccessPointPolicy GetAccessPointPolicyForObjectLambda GetAccessPointPolicyStatus
GetAccessPointPolicyStatusForObjectLambda GetAccountPublicAccessBlock GetDataAccess GetJobTagging
GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy GetMultiRegionAccessPointPolicyStatus
GetMultiRegionAccessPointRoutes GetStorageLensConfiguration GetStorageLensConfigurationTagging GetStorageLensDashboard
GetStorageLensGroup ListAccessGrants ListAccessGrantsInstances ListAccessGrantsLocations ListAccessPoints
ListAccessPointsForObjectLambda ListAllMyBuckets ListCallerAccessGrants ListJobs ListMultiRegionAccessPoints
ListStorageLensConfigurations ListStorageLensGroups PutAccessGrantsInstanceResourcePolicy
PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy PutAccessPointPolicyForObjectLambda
PutAccessPointPublicAccessBlock PutAccountPublicAccessBlock PutJobTagging PutMultiRegionAccessPointPolicy
PutStorageLensConfiguration PutStorageLensConfigurationTagging SubmitMultiRegionAccessPointRoutes
UpdateAccessGrantsLocation UpdateJobPriority UpdateJobStatus UpdateStorageLensGroup
"""


def named(names: str) -> frozenset[str]:
    return frozenset(f"s3:{name}" for name in names.split())


RENAME = "s3gw:RenameObject"
# A statement about the first is about the second too: who may delete may rename, and where deleting is forbidden, a
# rename can't take an object from its key either.
_IMPLIED = {"s3:DeleteObject": RENAME}
ON_OBJECTS = named(_OBJECT) | {RENAME}
ON_BUCKETS = named(_BUCKET)
ACTIONS = ON_OBJECTS | ON_BUCKETS | named(_OTHER)
_LOWERED = {name.lower(): name for name in ACTIONS}


@lru_cache(maxsize=512)
def matching(pattern: str) -> frozenset[str]:
    """The actions that a policy's `Action` names; those of other services are none."""
    lowered = pattern.lower()
    if lowered == "*":
        return ACTIONS
    if not lowered.startswith(("s3:", "s3gw:")):
        return frozenset()
    if "*" not in lowered and "?" not in lowered:
        return frozenset((_LOWERED[lowered],)) if lowered in _LOWERED else frozenset()
    compiled = compile_pattern(tokens_of(lowered))
    return frozenset(name for key, name in _LOWERED.items() if compiled.matches(key))


def all_matching(patterns: Iterable[str]) -> frozenset[str]:
    """What a statement with these is about, with what that implies."""
    named_ones = frozenset[str]().union(*map(matching, patterns))
    return named_ones.union(implied for action, implied in _IMPLIED.items() if action in named_ones)
