"""Every error code of the JSON API with what it means: for the API's document, and for docs/API.md's table."""

from __future__ import annotations

from typing import NamedTuple

from s3gw import problems
from s3gw.problems import Problem


class Told(NamedTuple):
    """`meaning` says when it is answered, `advice` what helps, `detail` how one of its texts reads."""

    meaning: str
    advice: str
    detail: str


class ErrorCode(NamedTuple):
    status: int
    code: str
    told: Told


TOLD: dict[str, Told] = {
    "AUTHENTICATION_FAILED": Told(
        "Nobody is known by this token or password, or the session has ended.",
        "Log in again, or ask for the next pair of tokens.",
        "an access token is needed",
    ),
    "PERMISSION_DENIED": Told(
        "The caller may see this, but not do that with it.",
        "Ask its owner or an admin for more rights.",
        "only an admin may do this",
    ),
    "REGISTRATION_CLOSED": Told(
        "Not everybody may register here.",
        "Ask an admin for an invitation, and register with it.",
        "registration needs an invitation",
    ),
    "EMAIL_NOT_VERIFIED": Told(
        "The password is right, and the e-mail address isn't confirmed yet.",
        "Follow the link that was sent to it.",
        "the e-mail address isn't confirmed yet: follow the link that was sent to it",
    ),
    "NOT_FOUND": Told(
        "There is no such thing, or the caller may not see it: the two are answered alike.",
        "Look at the id, and at who is asking.",
        "there is nothing with this id",
    ),
    "METHOD_NOT_ALLOWED": Told(
        "The path has other methods, which `Allow` names.", "Use one of those.", "Method Not Allowed"
    ),
    "CONFLICT": Told(
        "What is there already doesn't allow it: a name that is taken, the last admin, a create that still runs.",
        "Read `detail`; of a create that runs, ask again in a moment.",
        "the name is taken",
    ),
    "BUCKET_NOT_EMPTY": Told(
        "A bucket is deleted only when nothing is in it: no version of a file, and no delete marker.",
        "Delete what is in it first, or with it: `force=true`.",
        "The bucket you tried to delete is not empty.",
    ),
    "PUBLIC_ACCESS_BLOCKED": Told(
        "A policy or an ACL would be public, and the bucket or its account blocks that.",
        "Limit it to users or networks, or switch the public access block off first.",
        "that would be public, which the bucket or its account blocks",
    ),
    "FILE_ALREADY_EXISTS": Told(
        "There is a file of that name, and the request doesn't say to overwrite it.",
        "Take another name, or upload with `overwrite=true` or `If-Match`.",
        "there is a file of this name",
    ),
    "OFFSET_MISMATCH": Told(
        "A resumable upload has come to another byte than the one from which it was gone on with.",
        "Ask for its offset by HEAD, and go on from there.",
        "the upload has come to byte 1048576",
    ),
    "CHECKSUM_MISMATCH": Told(
        "What came isn't what `Upload-Checksum` says; nothing of it was kept.",
        "Send it again.",
        "what came has another checksum",
    ),
    "UNSUPPORTED_CHECKSUM": Told(
        "The algorithm of `Upload-Checksum` isn't known; `Tus-Checksum-Algorithm` names those that are.",
        "Take one of them.",
        "a checksum is one of sha1, md5, sha256",
    ),
    "PRECONDITION_FAILED": Told(
        "It was changed since it was read: its ETag isn't that of `If-Match`.",
        "Read it again, and repeat the change on what it is now.",
        "it was changed meanwhile",
    ),
    "TOO_LARGE": Told(
        "The body has more than 1 MiB; of an upload, more than it was said to have, or than a file may have.",
        "Send less.",
        "Content Too Large",
    ),
    "SCAN_PENDING": Told(
        "The bucket gives only files that are known to be free of viruses, which this one isn't yet, or can't be.",
        "Try again in a moment; `scan_status` of the file says how it stands. An admin can release it.",
        "It isn't known to be free of viruses yet.",
    ),
    "INFECTED": Told(
        "A virus was found in the file. Nobody reads it until an admin releases it.",
        "Delete it, or restore what it was before.",
        "A virus was found in it.",
    ),
    "QUOTA_EXCEEDED": Told(
        "It would take more than the bucket, the prefix or the user may have: `detail` says which, and what is left.",
        "Delete something, or ask for more.",
        "The quota of the bucket doesn't allow it. It leaves 1024 bytes.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Told(
        "The body is of a kind that isn't taken there, or the file of a type that the bucket doesn't take, or of which"
        " no preview is made.",
        "Send JSON, or a file of one of the bucket's `allowed_types`; show something else in place of a preview.",
        "the bucket takes no files of the type text/plain",
    ),
    "PREVIEW_REFUSED": Told(
        "No preview can be made of what is in the file: `detail` says why. It is remembered, and not tried again.",
        "Show something else in its place.",
        "It can't be decoded: it isn't whole, or isn't what it begins as.",
    ),
    "VALIDATION_ERROR": Told(
        "The request isn't of the form that the route takes; `errors` names the fields.",
        "Correct those fields. Fields that aren't known are refused too.",
        "the request isn't valid",
    ),
    "IDEMPOTENCY_MISMATCH": Told(
        "The `Idempotency-Key` was used for another request.",
        "Take a new key for each create.",
        "the key was used for another request",
    ),
    "RATE_LIMITED": Told(
        "Too many requests, or too many wrong passwords.",
        "Wait for as many seconds as `Retry-After` says.",
        "more than 600 per 1 minute: try again in 42 s",
    ),
    "INTERNAL_ERROR": Told(
        "A mistake of the server's, which its log tells by the request id.",
        "Tell whoever runs the server the `request_id`.",
        "the request could not be done; the log says why",
    ),
    "NOT_IMPLEMENTED": Told("The server doesn't serve this.", "Do without it.", "Not Implemented"),
    "STORAGE_UNAVAILABLE": Told(
        "The database or a disk can't be had just now. Of a write, nobody knows whether it was done.",
        "Ask again; repeat a create under the same `Idempotency-Key`.",
        "the storage can't be had just now",
    ),
    "STORAGE_FULL": Told(
        "The disk is full: nothing new is taken until there is room. Reads and deletes go on.",
        "Delete something, or give the server a larger disk.",
        "there is no room for it",
    ),
    "TOTP_REQUIRED": Told(
        "The password is right, and a code of the second factor is needed too.",
        "Log in again with `totp`.",
        "a code of the authenticator app is needed",
    ),
    "ISSUER_UNAVAILABLE": Told(
        "The OpenID Connect issuer can't be asked just now.",
        "Try again later, or log in with a password.",
        "the issuer can't be reached",
    ),
}


def _statuses() -> dict[str, int]:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Problem)]
    others = {code: status for status, code in problems.OTHER_CODES.items()}
    return {kind.error_code: kind.status for kind in kinds if kind is not Problem} | others


# A code without a row fails here; one of TOLD that nothing raises is told nobody.
ERROR_CODES: tuple[ErrorCode, ...] = tuple(
    sorted(ErrorCode(status, code, TOLD[code]) for code, status in _statuses().items())
)
