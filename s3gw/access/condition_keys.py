"""The condition keys of S3 and of AWS as a whole, in their canonical spelling, and which of them can be known here.

Sources: Service Authorization Reference for Amazon S3; IAM User Guide, "AWS global condition context keys". A key whose
name ends with a slash is followed by a name that the policy's author chose, a tag's.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.actions import named

_ACL = named("CreateBucket PutBucketAcl PutObject PutObjectAcl PutObjectVersionAcl BypassGovernanceRetention")
_PUT = named("PutObject BypassGovernanceRetention")
_ENCRYPTED = _PUT | named("ReplicateObject UpdateObjectEncryption")
_LISTS = named("ListBucket ListBucketVersions")
_TAGGED = _PUT | named("PutObjectTagging PutObjectVersionTagging")
_EXISTING = named(
    "DeleteObjectTagging DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectTagging"
    " GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionTagging PutObjectAcl"
    " PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging"
)
_VERSIONED = named(
    "DeleteObjectVersion DeleteObjectVersionTagging GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes"
    " GetObjectVersionTagging GetObjectVersionTorrent PutObjectVersionAcl PutObjectVersionTagging"
)
_RETAINED = named("PutObject PutObjectRetention")

# Known here -> the actions whose requests have it; None: all have. Some are absent from every request of today.
_OF_S3: dict[str, frozenset[str] | None] = {
    "s3:prefix": _LISTS,
    "s3:delimiter": _LISTS,
    "s3:max-keys": _LISTS,
    "s3:x-amz-acl": _ACL,
    "s3:x-amz-grant-full-control": _ACL,
    "s3:x-amz-grant-read": _ACL,
    "s3:x-amz-grant-read-acp": _ACL,
    "s3:x-amz-grant-write": _ACL,
    "s3:x-amz-grant-write-acp": _ACL,
    "s3:VersionId": _VERSIONED,
    "s3:ExistingObjectTag/": _EXISTING,
    "s3:RequestObjectTag/": _TAGGED,
    "s3:RequestObjectTagKeys": _TAGGED,
    "s3:x-amz-storage-class": _PUT | named("PutObjectAcl PutObjectVersionAcl"),
    "s3:x-amz-copy-source": _PUT,
    "s3:x-amz-metadata-directive": _PUT,
    "s3:x-amz-website-redirect-location": _PUT,
    "s3:x-amz-object-ownership": named("CreateBucket"),
    "s3:locationconstraint": named("CreateBucket CreateAccessPoint"),
    "s3:if-match": named("PutObject DeleteObject"),
    "s3:if-none-match": named("PutObject"),
    "s3:ObjectCreationOperation": named("PutObject"),
    "s3:x-amz-server-side-encryption": _ENCRYPTED,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": _ENCRYPTED,
    "s3:x-amz-server-side-encryption-customer-algorithm": _PUT | named("ReplicateObject"),
    "s3:object-lock-mode": _RETAINED,
    "s3:object-lock-retain-until-date": _RETAINED,
    "s3:object-lock-remaining-retention-days": _RETAINED,
    "s3:object-lock-legal-hold": named("PutObject PutObjectLegalHold"),
    "s3:x-amz-content-sha256": None,
    "s3:signatureversion": None,
    "s3:signatureAge": None,
    "s3:authType": None,
    "s3:TlsVersion": None,
    "s3:ResourceAccount": None,
}

_OF_AWS = """
aws:CurrentTime aws:EpochTime aws:SourceIp aws:SecureTransport aws:UserAgent aws:Referer aws:PrincipalArn
aws:PrincipalAccount aws:PrincipalType aws:userid aws:username aws:PrincipalTag/ aws:ResourceAccount aws:TokenIssueTime
aws:MultiFactorAuthPresent aws:MultiFactorAuthAge aws:RequestedRegion aws:ViaAWSService aws:PrincipalIsAWSService
aws:RequestTag/ aws:TagKeys
"""

# They exist on AWS, and what they tell of isn't here: an Allow with one never applies, a Deny with one as if it held.
_UNKNOWABLE = """
s3:AccessGrantScope s3:AccessGrantsInstanceArn s3:AccessGrantsLocationScope s3:AccessPointNetworkOrigin
s3:AccessPointTag/ s3:BucketTag/ s3:DataAccessPointAccount s3:DataAccessPointArn s3:ExistingJobOperation
s3:ExistingJobPriority s3:InventoryAccessibleOptionalFields s3:JobSuspendedCause
s3:RequestJobOperation s3:RequestJobPriority s3:destinationRegion s3:isReplicationPauseRequest
s3:x-amz-bucket-namespace
aws:AssumedRoot aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CalledViaAWSMCP aws:ChatbotSourceArn
aws:Ec2InstanceSourceVpc aws:Ec2InstanceSourcePrivateIPv4 aws:FederatedProvider aws:IsMcpServiceAction
aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalServiceName aws:PrincipalServiceNamesList aws:ResourceOrgID
aws:ResourceOrgPaths aws:ResourceTag/ aws:SignInSessionArn aws:SourceAccount aws:SourceArn aws:SourceIdentity
aws:SourceOrgID aws:SourceOrgPaths aws:SourceOwner aws:SourceVpc aws:SourceVpcArn aws:SourceVpce aws:VpceAccount
aws:VpceOrgID aws:VpceOrgPaths aws:VpcSourceIp
"""


class ConditionKey(NamedTuple):
    """Unknowable: it exists on AWS only. Absent: nothing has it, not even there; then nobody is asked for it."""

    name: str
    actions: frozenset[str] | None = None
    is_unknowable: bool = False
    is_absent: bool = False

    @property
    def is_costly(self) -> bool:
        """It tells of an object, which has to be read first."""
        return self.name.startswith("s3:ExistingObjectTag/")


KEYS = {
    key.name.lower(): key
    for key in (
        *(ConditionKey(name, actions) for name, actions in _OF_S3.items()),
        *(ConditionKey(name) for name in _OF_AWS.split()),
        *(ConditionKey(name, is_unknowable=True) for name in _UNKNOWABLE.split()),
    )
}


def find_key(name: str) -> ConditionKey | None:
    """None for a name that AWS doesn't know, unless S3 accepts it all the same.

    S3 refuses unknown `s3:` keys, and keys of other services, but no unknown `aws:` key.
    """
    stem, slash, suffix = name.partition("/")
    key = KEYS.get((stem + slash).lower())
    if key is not None and bool(suffix) == bool(slash):
        return key._replace(name=key.name + suffix)
    if name.lower().startswith("aws:") and len(name) > len("aws:"):
        return ConditionKey(name, is_absent=True)
    return None
