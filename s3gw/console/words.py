"""What the API's error codes are to people."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from s3gw.console.api_call import ApiRefusal
from s3gw.console.details import DETAILS
from s3gw.console.language import marked as _
from s3gw.console.pages import in_words, language_for

_OTHER = _("That didn't work.")
WORDS = {
    "AUTHENTICATION_FAILED": _("Name or password is wrong."),
    "BUCKET_NOT_EMPTY": _("The bucket isn't empty."),
    "CONFLICT": _("That is taken already, or has changed meanwhile."),
    "EMAIL_NOT_VERIFIED": _("The e-mail address isn't confirmed yet: follow the link that was sent to it."),
    "FILE_ALREADY_EXISTS": _("There is a file of that name already."),
    "INFECTED": _("A virus was found in this file, so it can't be read."),
    "METHOD_NOT_ALLOWED": _("That can't be done here."),
    "NOT_FOUND": _("There is nothing here, or you may not see it."),
    "PERMISSION_DENIED": _("You may not do this."),
    "ISSUER_UNAVAILABLE": _("The other login can't be reached just now. Try again."),
    "PRECONDITION_FAILED": _("That was changed meanwhile by somebody else. Look at it again, and then change it."),
    "PUBLIC_ACCESS_BLOCKED": _("That would be public, which the settings of the bucket or of its account refuse."),
    "QUOTA_EXCEEDED": _("The quota is used up."),
    "RATE_LIMITED": _("Too many attempts. Wait a moment, and try again."),
    "REGISTRATION_CLOSED": _("Nobody can register here without an invitation that is still good."),
    "SCAN_PENDING": _("This file is still looked through for viruses."),
    "STORAGE_FULL": _("There is no room on the server's disk."),
    "STORAGE_UNAVAILABLE": _("The server's storage can't be reached just now. Try again."),
    "TOO_LARGE": _("That is too large."),
    "VALIDATION_ERROR": _("Something that was entered isn't right."),
}


# What is wrong with one field, as the API tells it.
_WRONG_PASSWORD, _WRONG_CODE = _("The password is wrong."), _("The code is wrong, or was used before.")
_SHORT = _("A password has at least 8 characters.")
_GUESSED = _("That password is one of those that are guessed first.")
_NAME = _("A user's name has 3 to 50 of A-Z, a-z, 0-9, dots, hyphens and underscores.")
_OF_FIELDS = {
    ("name", "isn't one that a bucket may have"): _(
        "A bucket's name has 3 to 63 of a-z, 0-9, dots and hyphens, with a letter or digit first and last."
    ),
    ("username", "has 3 to 50 of the characters A-Z a-z 0-9 _ . -"): _NAME,
    ("username", "String should match pattern '^[A-Za-z0-9_.-]{3,50}$'"): _NAME,
    ("password", "must have at least 8 characters"): _SHORT,
    ("new_password", "must have at least 8 characters"): _SHORT,
    ("password", "is one of those that are guessed first"): _GUESSED,
    ("new_password", "is one of those that are guessed first"): _GUESSED,
    ("password", "is wrong"): _WRONG_PASSWORD,
    ("current_password", "is wrong"): _WRONG_PASSWORD,
    ("totp", "the code is wrong"): _WRONG_CODE,
    ("totp", "the code is wrong, or was used before"): _WRONG_CODE,
    ("token", "was used, has expired, or is none"): _("This link is good no more: it was used, or is too old."),
}


_SAYS_NO_MORE = ("you may not do this", "Access Denied")


def words_of(request: Request, error_code: str) -> str:
    return in_words(request, WORDS.get(error_code, _OTHER))


class Fault(NamedTuple):
    """What a page tells of a refusal: in the visitor's language, and what of the API's own words is known in English
    only.
    """

    words: str
    detail: str
    error_code: str


def fault_of(request: Request, error: ApiRefusal) -> Fault:
    told = [(one["field"], one["message"]) for one in error.told.get("errors", ())]
    if told and all(one in _OF_FIELDS for one in told):
        return Fault(" ".join(in_words(request, _OF_FIELDS[one]) for one in told), "", error.error_code)
    words, details = words_of(request, error.error_code), told or [("", str(error.told.get("detail", "")))]
    if all(detail in DETAILS for _field, detail in details) and language_for(request) != "en":
        said = "; ".join(
            f"{field}: {in_words(request, detail)}" if field else in_words(request, detail) for field, detail in details
        )
        return Fault(f"{words} {said}", "", error.error_code)
    detail = "; ".join(f"{field}: {detail}" if field else detail for field, detail in details)
    return Fault(words, "" if detail in _SAYS_NO_MORE else detail, error.error_code)
