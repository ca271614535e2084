"""What is refused about people (users, sessions, keys, grants), whatever the door; errors.py has S3's.

One class a kind. The JSON API answers `status` and `error_code`, the command line the message alone. What S3's errors
are among them is said here too, so that an operation refuses alike on both doors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from s3gw.errors import AccessDenied, Refusal, S3Error, SlowDown


class Fault(NamedTuple):
    """What is wrong with one field: where (as in {"password": …}) and what."""

    field: str
    message: str


class Problem(Refusal):
    """An answer that refuses; the message is for the person who asked."""

    error_code: ClassVar[str]

    def __init__(self, detail: str, *, faults: Sequence[Fault] = (), retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after = retry_after  # seconds


class NotAuthenticated(Problem):
    status, error_code = 401, "AUTHENTICATION_FAILED"


class TotpRequired(NotAuthenticated):
    """The password was right; whoever asked shows a code too."""

    error_code = "TOTP_REQUIRED"


class PermissionDenied(Problem):
    """Of who may see what it is about; who may not is told NotFound."""

    status, error_code = 403, "PERMISSION_DENIED"


class RegistrationClosed(Problem):
    status, error_code = 403, "REGISTRATION_CLOSED"


class EmailNotVerified(Problem):
    status, error_code = 403, "EMAIL_NOT_VERIFIED"


class ScanPending(PermissionDenied):
    """What is in it isn't known to be clean."""

    error_code = "SCAN_PENDING"


class Infected(PermissionDenied):
    """A virus was found in it."""

    error_code = "INFECTED"


class Withheld(AccessDenied):
    """Of who may read it, but nobody does now, for what the virus scanner says of it; S3 has no code of its own."""

    code = AccessDenied.code
    problem: ClassVar[type[Problem]]


class WithheldPending(Withheld):
    code, problem = AccessDenied.code, ScanPending
    default_message = "It isn't known to be free of viruses yet."


class WithheldInfected(Withheld):
    code, problem = AccessDenied.code, Infected
    default_message = "A virus was found in it."


class BlockedAsPublic(AccessDenied):
    """What would be public, where that is blocked; S3 has no code of its own."""

    code = AccessDenied.code


class NotFound(Problem):
    status, error_code = 404, "NOT_FOUND"


class Conflict(Problem):
    status, error_code = 409, "CONFLICT"


class BucketNotEmpty(Conflict):
    """Something is in it: a version, or a delete marker."""

    error_code = "BUCKET_NOT_EMPTY"


class PublicAccessBlocked(Conflict):
    """Of what would be public, where the bucket or its account blocks that."""

    error_code = "PUBLIC_ACCESS_BLOCKED"


class FileAlreadyExists(Conflict):
    """Of an upload or rename that wasn't said to overwrite."""

    error_code = "FILE_ALREADY_EXISTS"


class OffsetMismatch(Conflict):
    """Of an upload that is gone on with: it has come to another byte."""

    error_code = "OFFSET_MISMATCH"


class ChecksumMismatch(Problem):
    """What came of an upload isn't what was sent (a status of TUS's)."""

    status, error_code = 460, "CHECKSUM_MISMATCH"


class UnsupportedChecksum(Problem):
    status, error_code = 400, "UNSUPPORTED_CHECKSUM"


class PreconditionFailed(Problem):
    status, error_code = 412, "PRECONDITION_FAILED"


class Invalid(Problem):
    status, error_code = 422, "VALIDATION_ERROR"


class IdempotencyMismatch(Problem):
    """The key was used for another request."""

    status, error_code = 422, "IDEMPOTENCY_MISMATCH"


class RateLimited(Problem):
    status, error_code = 429, "RATE_LIMITED"


class LoginUnavailable(Problem):
    """The OpenID Connect issuer can't be asked."""

    status, error_code = 503, "ISSUER_UNAVAILABLE"


class TooLarge(Problem):
    status, error_code = 413, "TOO_LARGE"


class UnsupportedMediaType(Problem):
    status, error_code = 415, "UNSUPPORTED_MEDIA_TYPE"


class PreviewRefused(Problem):
    """There is no preview of what is in the file, however often it is asked for."""

    status, error_code = 422, "PREVIEW_REFUSED"


class NoPreview(S3Error):
    """S3 has no previews, and so no code."""

    code, status = "PreviewRefused", 422


class NoPreviewOfType(S3Error):
    """Nothing is ever made of such files by this recipe."""

    code, status = "UnsupportedMediaType", 415


class PreviewPending(SlowDown):
    """It is being made: SDKs ask again. `after`: seconds."""

    code = SlowDown.code
    default_message = "The preview is being made. Please try again."

    def __init__(self, after: int) -> None:
        super().__init__(headers={"Retry-After": str(after)})
        self.after = after


class QuotaExceeded(Problem):
    status, error_code = 413, "QUOTA_EXCEEDED"


class StorageUnavailable(Problem):
    """A database or a disk that can't be had just now; of a write, nobody knows whether it was done."""

    status, error_code = 503, "STORAGE_UNAVAILABLE"


class StorageFull(Problem):
    status, error_code = 507, "STORAGE_FULL"


_OF_CODES: dict[str, type[Problem]] = {
    "BucketNotEmpty": BucketNotEmpty,
    "EntityTooLarge": TooLarge,  # 400 at S3's door
    "ExpiredToken": NotAuthenticated,
    "InvalidAccessKeyId": NotAuthenticated,  # the user was deleted while it asked
    "PreviewRefused": PreviewRefused,
    "QuotaExceeded": QuotaExceeded,
    "SignatureDoesNotMatch": NotAuthenticated,
    "UnsupportedMediaType": UnsupportedMediaType,
}
_OF_STATUS: dict[int, type[Problem]] = {
    400: Invalid,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    411: Invalid,
    412: PreconditionFailed,
    416: Invalid,
    503: StorageUnavailable,
    507: StorageFull,
}


def problem_of(error: S3Error) -> Problem | None:
    """What an error of S3's is to others; None for what isn't about what was asked for (405, 500, 501)."""
    kind = error.problem if isinstance(error, Withheld) else _OF_CODES.get(error.code) or _OF_STATUS.get(error.status)
    if kind is None:
        return None
    after = error.headers.get("Retry-After")
    return kind(error.message, retry_after=None if after is None else float(after))


# What is refused by its form or by a mistake of ours, and is no problem of somebody's.
OTHER_CODES: Mapping[int, str] = {
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
}


def told_of(error: S3Error) -> tuple[int, str]:
    """Status and code with which the JSON API answers it."""
    problem = problem_of(error)
    if problem is not None:
        return problem.status, problem.error_code
    status = error.status if error.status in OTHER_CODES else 500
    return status, OTHER_CODES[status]
