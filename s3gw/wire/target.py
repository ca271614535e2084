"""What a request addresses: the service, a bucket or an object, from Host and the *raw* path.

Path style (`/bucket/key`) and virtual-hosted style (`bucket.domain` for each configured domain). Keys are UTF-8 as the
client sent them: `//`, `..`, a leading slash and `+` are kept. Whether a bucket exists is not known here.
Rules of bucket names: Amazon S3 User Guide, "General purpose bucket naming rules".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from s3gw.errors import InvalidBucketName, InvalidURI, KeyTooLongError

UriKind = Literal["service", "bucket", "object"]

MAX_KEY_BYTES = 1024

_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Buckets made before 2018 in us-east-1 may have up to 255 of these; new names go through valid_bucket_name().
_ACCESSIBLE_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_NEW_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_OF_BROWSERS = frozenset(("favicon.ico",))  # what they ask any server for, by the path of a bucket
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


class Target(NamedTuple):
    """`key` is None for a bucket, `bucket` is None for the service."""

    bucket: str | None
    key: str | None
    virtual_hosted: bool

    @property
    def kind(self) -> UriKind:
        if self.key is not None:
            return "object"
        return "service" if self.bucket is None else "bucket"


SERVICE = Target(None, None, False)


def parse_target(host: str, raw_path: bytes, domains: tuple[str, ...]) -> Target:
    """Raises InvalidURI, InvalidBucketName or KeyTooLongError. `domains` come from `normal_domains`."""
    bucket = virtual_host_bucket(host, domains) if domains else None
    if bucket is not None:
        key = raw_path[1:]
        return Target(_accessible(bucket), decode_key(key) if key else None, True)
    if raw_path == b"/" or raw_path == b"*" or not raw_path:
        return SERVICE
    segment, _, key = raw_path[1:].partition(b"/")
    return Target(_accessible(percent_decode(segment)), decode_key(key) if key else None, False)


def decode_key(raw: bytes) -> str:
    """A key from its percent-encoded form."""
    key = percent_decode(raw)
    # A character is at most 4 bytes of UTF-8, so short keys need no second encoding to be measured.
    if len(key) * 4 > MAX_KEY_BYTES:
        check_key_length(key)
    return key


def check_key_length(key: str, most: int = MAX_KEY_BYTES) -> None:
    """`most` is in bytes of UTF-8. Keys also arrive in XML, form fields and x-amz-copy-source."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > most:
        raise KeyTooLongError(Size=size, MaxSizeAllowed=most)


def percent_decode(raw: bytes) -> str:
    """Strict: broken escapes, invalid UTF-8 and NUL (which SQL text can't hold) are refused. '+' stays a plus."""
    data = raw
    if b"%" in raw:
        if _BROKEN_PERCENT.search(raw):
            raise _unparsable(raw)
        data = unquote_to_bytes(raw)
    if b"\0" in data:
        raise _unparsable(raw)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _unparsable(raw) from None


def _unparsable(raw: bytes) -> InvalidURI:
    return InvalidURI("Couldn't parse the specified URI.", URI=raw.decode("ascii", "backslashreplace"))


def can_be_bucket(name: str) -> bool:
    """Whether a bucket that exists may be called so."""
    return _ACCESSIBLE_BUCKET.fullmatch(name) is not None


def _accessible(bucket: str) -> str:
    if not can_be_bucket(bucket):
        raise InvalidBucketName(BucketName=bucket)
    return bucket


def normal_domains(domains: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Lower-case, without ports, the longest first, so that `s3.example.com` is met before `example.com`."""
    names = {strip_port(domain.strip().lower()).strip(".") for domain in domains}
    return tuple(sorted(names - {""}, key=lambda name: (-len(name), name)))


def strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) else host


@lru_cache(maxsize=1024)
def virtual_host_bucket(host: str, domains: tuple[str, ...]) -> str | None:
    """The bucket in front of one of the domains; None for the domain itself and for foreign hosts (path style)."""
    name = strip_port(host.lower()).rstrip(".")
    if name in domains:
        return None
    for domain in domains:
        if name.endswith("." + domain):
            return name[: -len(domain) - 1]
    return None


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
