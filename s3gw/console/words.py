"""What the API's error codes are to people."""

from __future__ import annotations

from starlette.requests import Request

from s3gw.console.language import marked as _
from s3gw.console.pages import in_words

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
    "PRECONDITION_FAILED": _("It was changed meanwhile. Open the page again, and then change it."),
    "QUOTA_EXCEEDED": _("The quota is used up."),
    "RATE_LIMITED": _("Too many attempts. Wait a moment, and try again."),
    "SCAN_PENDING": _("This file is still looked through for viruses."),
    "STORAGE_FULL": _("There is no room on the server's disk."),
    "STORAGE_UNAVAILABLE": _("The server's storage can't be reached just now. Try again."),
    "TOO_LARGE": _("That is too large."),
    "VALIDATION_ERROR": _("Something that was entered isn't right."),
}


def words_of(request: Request, error_code: str) -> str:
    return in_words(request, WORDS.get(error_code, _OTHER))
