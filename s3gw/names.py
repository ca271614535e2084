"""What buckets and keys may be called: Amazon S3 User Guide, "General purpose bucket naming rules"."""

from __future__ import annotations

import re

from s3gw.errors import KeyTooLongError

MAX_KEY_BYTES = 1024

# Whether a bucket that exists may be called so: those made before 2018 in us-east-1 may have up to 255 of these
# characters. New names go through valid_bucket_name().
can_be_bucket = re.compile(r"[A-Za-z0-9._-]{3,255}").fullmatch

_NEW_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_OF_BROWSERS = frozenset(("favicon.ico",))  # what they ask any server for, by the path of a bucket
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_key_length(key: str, most: int = MAX_KEY_BYTES) -> None:
    """`most` is in bytes of UTF-8. Keys also arrive in XML, form fields and x-amz-copy-source."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > most:
        raise KeyTooLongError(Size=size, MaxSizeAllowed=most)


def valid_bucket_name(name: str) -> bool:
    """Whether a *new* bucket may be called so: AWS's rules, and no name that browsers use as a path of their own."""
    return (
        _NEW_BUCKET.fullmatch(name) is not None
        and ".." not in name
        and ".-" not in name
        and "-." not in name
        and _IP_ADDRESS.fullmatch(name) is None
        and name not in _OF_BROWSERS
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )
