"""The AWS errors: one class per code, with its status and message.

Raised where the fact is known, rendered once a door (s3/answer.py). `details` become elements of the error document
between Message and RequestId, as AWS names them (BucketName, ArgumentName, CanonicalRequest, …). Codes and statuses:
Amazon S3 API Reference, "Error responses". Messages are those of S3's servers, which aren't always the documented ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class Refusal(Exception):
    """What is refused, on whatever door: S3's errors here, and those about people in problems.py."""

    status: ClassVar[int]


class S3Error(Refusal):
    """An answer that refuses. `headers` go out with it (Content-Range of a 416, Retry-After of a 503)."""

    code: ClassVar[str] = ""
    status: ClassVar[int] = 500
    retry_after: ClassVar[str] = "2"  # seconds that who is answered 503 should wait: little comes back at once
    default_message: ClassVar[str] = ""

    def __init__(
        self, message: str | None = None, *, headers: Mapping[str, str] | None = None, **details: str | int | None
    ) -> None:
        self.message = self.default_message if message is None else message
        self.headers = ({"Retry-After": self.retry_after} if self.status == 503 else {}) | dict(headers or {})
        self.details = {name: str(value) for name, value in details.items() if value is not None}
        super().__init__(self.message)

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code", cls.__name__)


class AccessControlListNotSupported(S3Error):
    status = 400
    default_message = "The bucket does not allow ACLs"


class AccessDenied(S3Error):
    status = 403
    default_message = "Access Denied"


class AccessForbidden(S3Error):
    status = 403
    default_message = "CORSResponse: CORS is not enabled for this bucket."


class AccountProblem(S3Error):
    status = 403
    default_message = "There is a problem with your account that prevents the operation from completing successfully."


class AuthorizationHeaderMalformed(S3Error):
    status = 400
    default_message = "The authorization header you provided is invalid."


class AuthorizationQueryParametersError(S3Error):
    status = 400
    default_message = "The authorization query parameters that you provided are not valid."


class BadDigest(S3Error):
    status = 400
    default_message = "The Content-MD5 you specified did not match what we received."


class BadRequest(S3Error):
    status = 400
    default_message = "Bad Request"


class BucketAlreadyExists(S3Error):
    status = 409
    default_message = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the "
        "system. Please select a different name and try again."
    )


class BucketAlreadyOwnedByYou(S3Error):
    status = 409
    default_message = "Your previous request to create the named bucket succeeded and you already own it."


class BucketNotEmpty(S3Error):
    status = 409
    default_message = "The bucket you tried to delete is not empty"


class ConditionalRequestConflict(S3Error):
    status = 409
    default_message = "The conditional request cannot succeed due to a conflicting operation against this resource."


class EntityTooLarge(S3Error):
    status = 400
    default_message = "Your proposed upload exceeds the maximum allowed size"


class EntityTooSmall(S3Error):
    status = 400
    default_message = "Your proposed upload is smaller than the minimum allowed size"


class ExpiredToken(S3Error):
    status = 400
    default_message = "The provided token has expired."


class IllegalLocationConstraintException(S3Error):
    status = 400
    default_message = "The specified location-constraint is not valid."


class IllegalVersioningConfigurationException(S3Error):
    status = 400
    default_message = "The Versioning element must be specified"


class IdempotencyParameterMismatch(S3Error):
    status = 400
    default_message = (
        "Parameters on this idempotent request are inconsistent with parameters used in previous request(s)."
    )


class InsufficientStorage(S3Error):
    """Not AWS's, whose disks are never full: the name and status of RFC 4918 11.5. The SDKs try 500, 502, 503 and 504
    again, for minutes some of them, but not 507; and a disk isn't emptier a second later.
    """

    status = 507
    default_message = (
        "There is not enough free space to store this. Delete objects, or ask the operator for a larger disk."
    )


class IncompleteBody(S3Error):
    status = 400
    default_message = "You did not provide the number of bytes specified by the Content-Length HTTP header"


class InternalError(S3Error):
    status = 500
    default_message = "We encountered an internal error. Please try again."


class InvalidAccessKeyId(S3Error):
    status = 403
    default_message = "The AWS Access Key Id you provided does not exist in our records."


class InvalidArgument(S3Error):
    status = 400
    default_message = "Invalid Argument"


class InvalidBucketAclWithBlockPublicAccessError(S3Error):
    status = 400
    default_message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"


class InvalidBucketAclWithObjectOwnership(S3Error):
    status = 400
    default_message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"


class InvalidBucketName(S3Error):
    status = 400
    default_message = "The specified bucket is not valid."


class InvalidBucketOwnerAWSAccountID(S3Error):
    status = 400
    default_message = "The value of the expected bucket owner parameter must be an AWS Account ID..."


class InvalidChunkSizeError(S3Error):
    status = 403
    default_message = "Only the last chunk is allowed to have a size less than 8192 bytes"


class InvalidDigest(S3Error):
    status = 400
    default_message = "The Content-MD5 you specified was invalid."


class InvalidEncryptionAlgorithmError(S3Error):
    status = 400
    default_message = "The Encryption request you specified is not valid. Supported value: AES256."


class InvalidLocationConstraint(S3Error):
    status = 400
    default_message = "The specified location-constraint is not valid"


class InvalidObjectState(S3Error):
    status = 403
    default_message = "The operation is not valid for the object's storage class"


class InvalidPart(S3Error):
    status = 400
    default_message = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, "
        "or the specified entity tag may not match the part's entity tag."
    )


class InvalidPartNumber(S3Error):
    status = 416
    default_message = "The requested partnumber is not satisfiable"


class InvalidPartOrder(S3Error):
    status = 400
    default_message = "The list of parts was not in ascending order. Parts must be ordered by part number."


class InvalidPolicyDocument(S3Error):
    status = 400
    default_message = "The content of the form does not meet the conditions specified in the policy document."


class InvalidRange(S3Error):
    status = 416
    default_message = "The requested range is not satisfiable"


class InvalidRedirectLocation(S3Error):
    status = 400
    default_message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."


class InvalidRequest(S3Error):
    status = 400
    default_message = "Invalid Request"


class InvalidSecurity(S3Error):
    status = 403
    default_message = "The provided security credentials are not valid."


class InvalidStorageClass(S3Error):
    status = 400
    default_message = "The storage class you specified is not valid"


class InvalidTag(S3Error):
    status = 400
    default_message = "The tag provided was not a valid tag."


class InvalidToken(S3Error):
    status = 400
    default_message = "The provided token is malformed or otherwise invalid."


class InvalidURI(S3Error):
    status = 400
    default_message = "Couldn't parse the specified URI."


class KeyTooLongError(S3Error):
    status = 400
    default_message = "Your key is too long"


class LimitExceeded(S3Error):
    """IAM's, of an identity policy that is too large."""

    status = 409
    default_message = "Cannot exceed quota for PolicySize: 6144"


class MalformedACLError(S3Error):
    status = 400
    default_message = "The XML you provided was not well-formed or did not validate against our published schema"


class MalformedPOSTRequest(S3Error):
    status = 400
    default_message = "The body of your POST request is not well-formed multipart/form-data."


class MalformedPolicy(S3Error):
    status = 400
    default_message = "This policy contains invalid Json"


class MalformedPolicyDocument(S3Error):
    """IAM's, of an identity policy."""

    status = 400
    default_message = "Syntax errors in policy."


class MalformedTrailerError(S3Error):
    status = 400
    default_message = (
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )


class MalformedXML(S3Error):
    status = 400
    default_message = "The XML you provided was not well-formed or did not validate against our published schema"


class MaxMessageLengthExceeded(S3Error):
    status = 400
    default_message = "Your request was too big."


class MaxPostPreDataLengthExceeded(S3Error):
    """Documented as MaxPostPreDataLengthExceededError; S3's servers say it without the end, and in this spelling."""

    status = 400
    default_message = "Your POST request fields preceeding the upload file was too large."


class MetadataTooLarge(S3Error):
    status = 400
    default_message = "Your metadata headers exceed the maximum allowed metadata size"


class MethodNotAllowed(S3Error):
    status = 405
    default_message = "The specified method is not allowed against this resource."


class MissingContentLength(S3Error):
    status = 411
    default_message = "You must provide the Content-Length HTTP header."


class MissingRequestBodyError(S3Error):
    status = 400
    default_message = "Request Body is empty"


class MissingSecurityHeader(S3Error):
    status = 400
    default_message = "Your request was missing a required header"


class NoSuchBucket(S3Error):
    status = 404
    default_message = "The specified bucket does not exist"


class NoSuchBucketPolicy(S3Error):
    status = 404
    default_message = "The bucket policy does not exist"


class NoSuchCORSConfiguration(S3Error):
    status = 404
    default_message = "The CORS configuration does not exist"


class NoSuchKey(S3Error):
    status = 404
    default_message = "The specified key does not exist."


class NoSuchPublicAccessBlockConfiguration(S3Error):
    status = 404
    default_message = "The public access block configuration was not found"


class NoSuchTagSet(S3Error):
    status = 404
    default_message = "The TagSet does not exist"


class NoSuchUpload(S3Error):
    status = 404
    default_message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
        "aborted or completed."
    )


class NoSuchVersion(S3Error):
    status = 404
    default_message = "The specified version does not exist."


class NotImplemented(S3Error):
    status = 501
    default_message = "A header you provided implies functionality that is not implemented"


class NotModified(S3Error):
    status = 304
    default_message = "Not Modified"


class OperationAborted(S3Error):
    status = 409
    default_message = (
        "A conflicting conditional operation is currently in progress against this resource. Please try again."
    )


class OwnershipControlsNotFoundError(S3Error):
    status = 404
    default_message = "The bucket ownership controls were not found"


class PermanentRedirect(S3Error):
    status = 301
    default_message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send "
        "all future requests to this endpoint."
    )


class PreconditionFailed(S3Error):
    status = 412
    default_message = "At least one of the pre-conditions you specified did not hold"


class QuotaExceeded(S3Error):  # not AWS's, which has no quotas: what other servers answer
    status = 403
    default_message = "The quota is used up."


class RequestHeaderSectionTooLarge(S3Error):
    status = 400
    default_message = "Your request header section exceeds the maximum allowed request header section size."


class RequestTimeTooSkewed(S3Error):
    status = 403
    default_message = "The difference between the request time and the current time is too large."


class RequestTimeout(S3Error):
    status = 400
    default_message = (
        "Your socket connection to the server was not read from or written to within the timeout period. Idle"
        " connections will be closed."
    )


class ServiceUnavailable(S3Error):
    status = 503
    default_message = "Service is unable to handle request."


class SignatureDoesNotMatch(S3Error):
    status = 403
    default_message = (
        "The request signature we calculated does not match the signature you provided. Check your key "
        "and signing method."
    )


class SlowDown(S3Error):
    status = 503
    default_message = "Please reduce your request rate."


class TooManyBuckets(S3Error):
    status = 400
    default_message = "You have attempted to create more buckets than allowed"


class UnexpectedContent(S3Error):
    status = 400
    default_message = "This request does not support content"


class UserKeyMustBeSpecified(S3Error):
    status = 400
    default_message = (
        "The bucket POST must contain the specified field name.  If it is specified, please check the order "
        "of the fields."
    )


class XAmzContentSHA256Mismatch(S3Error):
    status = 400
    default_message = "The provided 'x-amz-content-sha256' header does not match what was computed."
