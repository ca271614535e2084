"""What a request addresses: the service, a bucket or an object, from Host and the *raw* path.

Path style (`/bucket/key`) and virtual-hosted style (`bucket.domain` for each configured domain). Keys are UTF-8 as the
client sent them: `//`, `..`, a leading slash and `+` are kept. Whether a bucket exists is not known here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from s3gw.errors import InvalidBucketName, InvalidURI
from s3gw.names import MAX_KEY_BYTES, can_be_bucket, check_key_length

UriKind = Literal["service", "bucket", "object"]

_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


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
