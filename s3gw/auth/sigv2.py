"""AWS Signature Version 2 as pure functions: the string to sign and its signature.

boto3 still presigns with it by default in us-east-1. Rules: "Signing and Authenticating REST Requests", in the appendix
of the S3 User Guide. It covers no Host, and of the query only the subresources listed here.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from s3gw.errors import AccessDenied, InvalidArgument
from s3gw.wire.request import is_hoisted_by_v2
from s3gw.wire.route import table

SCHEME = "AWS "

_NAMES = (
    "accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics notification "
    "object-lock partNumber policy publicAccessBlock replication requestPayment restore retention legal-hold select "
    "select-type storageClass tagging torrent uploadId uploads versionId versioning versions website encryption "
    "ownershipControls policyStatus response-cache-control response-content-disposition response-content-encoding "
    "response-content-language response-content-type response-expires"
)
_SUBRESOURCES = frozenset(_NAMES.split())

_BLANKS = " \t"  # around a value; those within it are part of what is signed, and of what is acted on


class Claim(NamedTuple):
    """`date` is the Date line of the string to sign: the Date header, "" beside x-amz-date, or the query's Expires."""

    access_key_id: str
    signature: str
    date: str


def parse_authorization(value: str, headers: Mapping[str, str]) -> Claim:
    """Of `AWS <access key id>:<signature>`."""
    access_key_id, colon, signature = value.removeprefix(SCHEME).strip().rpartition(":")
    if not colon or not access_key_id or not signature:
        raise InvalidArgument(
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ArgumentName="Authorization",
            ArgumentValue=value,
        )
    return Claim(access_key_id, signature, "" if "x-amz-date" in headers else headers.get("date", ""))


def parse_query(arguments: Mapping[str, str]) -> Claim:
    claim = Claim(arguments.get("AWSAccessKeyId", ""), arguments.get("Signature", ""), arguments.get("Expires", ""))
    if not all(claim):
        raise AccessDenied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    return claim


def hoisted_headers(headers: Mapping[str, str], query: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The headers of a presigned request: who presigns moves those that count into the query."""
    moved = {name.lower(): _on_the_wire(value) for name, value in query if is_hoisted_by_v2(name.lower())}
    return {**moved, **headers}


def strings_to_sign(
    method: str, headers: Mapping[str, str], date: str, bucket: str | None, raw_path: bytes, query_string: bytes
) -> Iterator[str]:
    """With the path as it was sent, and with the path encoded as AWS's own clients would.

    `bucket` is that of a virtual-hosted request, whose path doesn't name it.
    """
    amz_headers = "".join(
        [f"{name}:{headers[name].strip(_BLANKS)}\n" for name in sorted(headers) if name.startswith("x-amz-")]
    )
    head = "\n".join((method, headers.get("content-md5", ""), headers.get("content-type", ""), date, amz_headers))
    tail = _subresources(query_string)
    prefix = f"/{bucket}" if bucket else ""
    sent = raw_path.decode("latin-1") or "/"
    yield f"{head}{prefix}{sent}{tail}"
    encoded = quote_from_bytes(unquote_to_bytes(raw_path), safe="/-._~")
    if encoded != sent:
        yield f"{head}{prefix}{encoded}{tail}"
    # botocore ends the path of a bucket with a slash that it doesn't send. Behind a virtual host that would be a key.
    if not bucket and "/" not in sent[1:] and sent != "/":
        yield f"{head}{sent}/{tail}"


def _subresources(query_string: bytes) -> str:
    """Decoded, and sorted by name; `?acl` and `?acl=` stay different."""
    found, signed = [], _signed_subresources()
    for field in query_string.split(b"&"):
        raw_name, equals, raw_value = field.replace(b"+", b" ").partition(b"=")
        name = unquote_to_bytes(raw_name).decode("latin-1")
        if name in signed:
            value = unquote_to_bytes(raw_value).decode("latin-1")
            found.append((name, f"{name}={value}" if equals else name))
    found.sort(key=itemgetter(0))
    return "?" + "&".join([text for _, text in found]) if found else ""


@lru_cache(maxsize=1)
def _signed_subresources() -> frozenset[str]:
    """With those that came after SigV2: a URL signed for an object must not be good for, say, `?renameObject`."""
    return _SUBRESOURCES | table().subresources


def _on_the_wire(value: str) -> str:
    """Headers are latin-1 readings of bytes; query values were decoded as UTF-8 and are brought to the same form."""
    return value if value.isascii() else value.encode().decode("latin-1")


def sign(secret: str, text: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), "sha1")).decode()
