"""What the headers of TUS say, and how what is known is told in them. Pure: no request and no store.

"tus resumable upload protocol", 1.0.0. Raises Invalid, and UnsupportedChecksum.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

from s3gw.operations.resumable import Digest
from s3gw.problems import Fault, Invalid, UnsupportedChecksum

VERSION = "1.0.0"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
)
BODY_TYPE = "application/offset+octet-stream"
# By the names that clients have for them.
ALGORITHMS: Mapping[str, str] = {
    "sha1": "SHA1",
    "md5": "MD5",
    "sha256": "SHA256",
    "sha512": "SHA512",
    "crc32": "CRC32",
    "crc32c": "CRC32C",
    "crc64nvme": "CRC64NVME",
}
MOST_PARTIAL = 1000  # uploads that are joined at once
_LONGEST_PATH = 1024
_NUMBER = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[!-+\--~]+")  # ASCII without space and comma
_METADATA_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,1024}")
_TAG_NAME = re.compile("[^\ud800-\udfff]*")  # no half of a surrogate pair; the rest is for who reads tags
_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "": True}


class Described(NamedTuple):
    """What Upload-Metadata says of the file. `path` None: nothing."""

    path: str | None = None
    mime_type: str | None = None
    overwrite: bool = False
    tags: Mapping[str, str] = {}
    metadata: Mapping[str, str] = {}

    def require_path(self, default: str | None) -> str:
        path = self.path or default
        if not path:
            raise _fault("upload-metadata", "a path is needed: as path, filename or name")
        return path


class Concat(NamedTuple):
    """`kind`: partial, or final, of those ids."""

    kind: str
    ids: tuple[str, ...] = ()


def number_of(headers: Mapping[str, str], name: str) -> int | None:
    """Of bytes; None where there is no such header."""
    text = headers.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise _fault(name, "should be a number of bytes")
    return int(text)


def size_of(headers: Mapping[str, str]) -> int | None:
    """Of the whole; None: it is told later."""
    size, deferred = number_of(headers, "upload-length"), headers.get("upload-defer-length")
    if deferred not in (None, "1"):
        raise _fault("upload-defer-length", "should be 1")
    if (size is None) == (deferred is None):
        raise _fault("upload-length", "it or Upload-Defer-Length is needed, and not both")
    return size


def digest_of(headers: Mapping[str, str]) -> Digest | None:
    text = headers.get("upload-checksum")
    if text is None:
        return None
    name, _, value = text.strip().partition(" ")
    if name.lower() not in ALGORITHMS:
        raise UnsupportedChecksum(f"a checksum is one of {', '.join(ALGORITHMS)}")
    try:
        return Digest(ALGORITHMS[name.lower()], base64.b64decode(value.strip(), validate=True))
    except (binascii.Error, ValueError):
        raise _fault("upload-checksum", "should be an algorithm and base64") from None


def concat_of(headers: Mapping[str, str]) -> Concat | None:
    """The ids are what the URLs end with."""
    text = headers.get("upload-concat")
    if text is None:
        return None
    kind, found, urls = text.strip().partition(";")
    if kind == "partial" and not found:
        return Concat("partial")
    ids = tuple(url.partition("?")[0].rstrip("/").rpartition("/")[2] for url in urls.split())
    if kind != "final" or not ids:
        raise _fault("upload-concat", "should be partial, or final; and the URLs of partial uploads")
    if len(ids) > MOST_PARTIAL or len(set(ids)) < len(ids):
        raise _fault("upload-concat", f"should name at most {MOST_PARTIAL} uploads, and each once")
    return Concat("final", ids)


def described_in(text: str) -> Described:
    """`name base64,name base64`: what isn't known is what clients keep there for themselves."""
    said: dict[str, str] = {}
    for pair in text.split(",") if text.strip() else ():
        name, _, value = pair.strip().partition(" ")
        if not _NAME.fullmatch(name) or name in said:
            raise _fault("upload-metadata", "should be names, each once, with base64 behind them")
        said[name] = _text(value)
    path = said.get("path") or said.get("filename") or said.get("name")
    if path is not None and ("\0" in path or len(path) > _LONGEST_PATH):
        raise _fault("upload-metadata", f"a path should have 1 to {_LONGEST_PATH} characters, and no NUL")
    if said.get("overwrite", "true").lower() not in _TRUTHS:
        raise _fault("upload-metadata", "overwrite should be true or false")
    kind = said.get("filetype") or said.get("type") or None
    if kind is not None and not (kind.isascii() and kind.isprintable() and len(kind) <= 255):
        raise _fault("upload-metadata", "filetype should be a MIME type")
    return Described(
        path,
        kind,
        "overwrite" in said and _TRUTHS[said["overwrite"].lower()],
        _texts(said, "tags", _TAG_NAME),
        _texts(said, "metadata", _METADATA_NAME),
    )


def _text(value: str) -> str:
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _fault("upload-metadata", "a value should be UTF-8 in base64") from None


def _texts(said: Mapping[str, str], name: str, names: re.Pattern[str]) -> dict[str, str]:
    try:
        found: Any = json.loads(said.get(name) or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(value, str) and value.isprintable() and names.fullmatch(key) for key, value in found.items()
    ):
        raise _fault(
            "upload-metadata", f"{name} should be a JSON object of strings, of whose names headers can be made"
        )
    return found


def http_date(microseconds: int) -> str:
    """As Upload-Expires has it."""
    return format_datetime(datetime.fromtimestamp(microseconds // 1_000_000, UTC), usegmt=True)


def _fault(field: str, message: str) -> Invalid:
    return Invalid("the upload isn't described rightly", faults=(Fault(field, message),))
