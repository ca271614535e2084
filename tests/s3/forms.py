"""Forms as browsers send them, and as boto3, SigV2 clients and nobody sign them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from s3gw.auth import sigv4
from tests.raw_requests import Answer, send
from tests.servers import ROOT_KEY, RunningServer

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
Fields = Mapping[str, str]


def body_of(
    fields: Fields, content: bytes | None = b"content", filename: str | None = "a.txt", behind: Fields | None = None
) -> bytes:
    """Without a file where `content` is None."""
    pieces = [_part(name, value.encode()) for name, value in fields.items()]
    if content is not None:
        named = "" if filename is None else f'; filename="{filename}"'
        pieces.append(_part("file", content, f"{named}\r\nContent-Type: text/html"))
    pieces += [_part(name, value.encode()) for name, value in (behind or {}).items()]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def _part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def encoded_policy(conditions: Sequence[Any], seconds: float = 600) -> str:
    expiration = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return base64.b64encode(json.dumps({"expiration": expiration, "conditions": list(conditions)}).encode()).decode()


def signed_form(
    bucket: str, fields: Fields, *conditions: Any, key: tuple[str, str] = ROOT_KEY, seconds: float = 600
) -> dict[str, str]:
    """SigV4. Each field has to be what it is; `conditions` are more of them."""
    now = datetime.now(UTC)
    named = {
        **fields,
        "x-amz-algorithm": sigv4.ALGORITHM,
        "x-amz-credential": f"{key[0]}/{now:%Y%m%d}/us-east-1/s3/aws4_request",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    exact = [{name: value} for name, value in named.items() if "${filename}" not in value]
    policy = encoded_policy([{"bucket": bucket}, *exact, *conditions], seconds)
    signature = hmac.digest(sigv4.signing_key(key[1], f"{now:%Y%m%d}", "us-east-1"), policy.encode(), "sha256").hex()
    return {**named, "policy": policy, "x-amz-signature": signature}


def form_of_v2(bucket: str, fields: Fields, *conditions: Any, key: tuple[str, str] = ROOT_KEY) -> dict[str, str]:
    exact = [{name: value} for name, value in fields.items()]
    policy = encoded_policy([{"bucket": bucket}, *exact, *conditions])
    signature = base64.b64encode(hmac.digest(key[1].encode(), policy.encode(), "sha1")).decode()
    return {**fields, "AWSAccessKeyId": key[0], "policy": policy, "signature": signature}


def post(server: RunningServer, bucket: str, fields: Fields, content: bytes | None = b"content", **more: Any) -> Answer:
    """`more`: filename, behind (see `body_of`), headers."""
    headers = FORM | more.pop("headers", {})
    return send(server, "POST", f"/{bucket}", body_of(fields, content, **more), key=None, **headers)
