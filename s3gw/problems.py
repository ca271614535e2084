"""What is refused about people (users, sessions, keys, grants), whatever the door; errors.py has S3's.

One class a kind. The JSON API answers `status` and `error_code`, the command line the message alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """What is wrong with one field: where (as in {"password": …}) and what."""

    field: str
    message: str


class Problem(Exception):
    """An answer that refuses; the message is for the person who asked."""

    status: ClassVar[int]
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


class NotFound(Problem):
    status, error_code = 404, "NOT_FOUND"


class Conflict(Problem):
    status, error_code = 409, "CONFLICT"


class PreconditionFailed(Problem):
    status, error_code = 412, "PRECONDITION_FAILED"


class Invalid(Problem):
    status, error_code = 422, "VALIDATION_ERROR"


class IdempotencyMismatch(Problem):
    status, error_code = 422, "IDEMPOTENCY_MISMATCH"


class RateLimited(Problem):
    status, error_code = 429, "RATE_LIMITED"


class LoginUnavailable(Problem):
    """The OpenID Connect issuer can't be asked."""

    status, error_code = 503, "ISSUER_UNAVAILABLE"
