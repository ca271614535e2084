"""What the fields of a form say of the PutObject that they describe: its key, its headers, its tags.

Names count in any case, and a field that stands twice has both values with a comma between (Developer Guide, "HTML
forms"). Nothing is authorized here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from s3gw.auth.form_proof import missing_field
from s3gw.errors import InvalidArgument, MaxPostPreDataLengthExceeded
from s3gw.operations.tagging import checked_tags
from s3gw.wire.codec import codec
from s3gw.wire.form import MOST_BEFORE_FILE, Form
from s3gw.wire.request import Request

_decode_tags = codec("PutObjectTagging").decode.body
_FILENAME = "${filename}"
# Fields that are headers of a PutObject. Of x-amz-… all are, but for those about the form itself or how it is sent.
_HEADERS = frozenset(
    (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
    )
)
_RENAMED = {"acl": "x-amz-acl", "x-amz-checksum-algorithm": "x-amz-sdk-checksum-algorithm"}
_NO_HEADERS = frozenset(
    (
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-trailer",
    )
)
# What the request itself may say of the write.
_OF_THE_REQUEST = frozenset(("if-match", "if-none-match", "x-amz-expected-bucket-owner"))
_METADATA = "x-amz-meta-"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, 5.6.2)
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class FormFields:
    """`named` by their names in lower case, `spelled` as they were sent; `${filename}` is replaced in both."""

    def __init__(self, form: Form) -> None:
        spelling: dict[str, str] = {}
        self.spelled: dict[str, str] = {}
        for sent, value in form.fields:
            name = spelling.setdefault(sent.lower(), sent)
            full = _with_filename(value, form.filename)
            self.spelled[name] = f"{self.spelled[name]},{full}" if name in self.spelled else full
        # A long name that stands in many places could become a thousand times what was sent.
        if sum(map(len, self.spelled.values())) > MOST_BEFORE_FILE:
            raise MaxPostPreDataLengthExceeded(MaxPostPreDataLengthBytes=MOST_BEFORE_FILE)
        self.named: Mapping[str, str] = {name.lower(): value for name, value in self.spelled.items()}

    @property
    def key(self) -> str:
        key = self.named.get("key")
        if key is None:
            raise missing_field("key")
        if not key or "\0" in key:  # NUL is in no URI either
            raise InvalidArgument(
                "User key must have a length greater than 0." if not key else None,
                ArgumentName="key",
                ArgumentValue=key,
            )
        return key

    def as_put(self, request: Request) -> Request:
        """The PutObject that would say the same. Which headers can't be sent, `check_headers` says."""
        headers = {name: value for name, value in request.headers.items() if name in _OF_THE_REQUEST}
        target = request.target._replace(key=self.key)
        headers |= self._headers()
        return request._replace(method="PUT", headers=headers, query=[], arguments={}, target=target)

    def _headers(self) -> dict[str, str]:
        return {
            _RENAMED.get(name, name): value
            for name, value in self.named.items()
            if name in _HEADERS or name in _RENAMED or (name.startswith("x-amz-") and name not in _NO_HEADERS)
        }

    def check_headers(self) -> None:
        """User metadata may be any text, since it is sent encoded; other values go out as they are."""
        for name, value in self._headers().items():
            is_text = name.startswith(_METADATA) or not _NOT_IN_A_HEADER.search(value)
            if not _NAME.fullmatch(name) or not is_text:
                raise InvalidArgument(
                    "A field that stands for a header must be one.", ArgumentName=name, ArgumentValue=value
                )

    def tags(self) -> str | None:
        """The document of the field `tagging` as the header x-amz-tagging. Raises MalformedXML and InvalidTag."""
        if "tagging" not in self.named:
            return None
        assert _decode_tags is not None, "its input has a document"
        tags = checked_tags(_decode_tags(self.named["tagging"].encode())["Tagging"]["TagSet"])
        return urlencode([(tag["Key"], tag["Value"]) for tag in tags])


def _with_filename(value: str, filename: str | None) -> str:
    """ "Only the text following the last slash (/) or backslash (\\) is used." Without a name S3 leaves it as it is."""
    if filename is None or _FILENAME not in value:
        return value
    return value.replace(_FILENAME, re.split(r"[/\\]", filename)[-1])
