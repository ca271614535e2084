"""How a connection refuses what no application can answer, since there is no request: in the words of its listener."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from s3gw.errors import S3Error
from s3gw.moments import iso_of
from s3gw.problems import told_of
from s3gw.wire.xml import error_document


class Refusal(NamedTuple):
    """`headers` are whole lines, without those of every answer."""

    status: int
    code: str
    headers: bytes
    document: bytes


Written = Callable[[S3Error, str], Refusal]


def in_xml(error: S3Error, request_id: str) -> Refusal:
    """On S3's listener."""
    headers = b"Content-Type: application/xml\r\nx-amz-request-id: %s\r\nx-amz-id-2: s3gw\r\n" % request_id.encode()
    document = error_document(error.code, error.message, request_id, "s3gw", error.details)
    return Refusal(error.status, error.code, headers, document)


def in_json(error: S3Error, request_id: str) -> Refusal:
    """On the admin listener, as api/errors.py answers."""
    status, code = told_of(error)
    content = {
        "detail": error.message,
        "error_code": code,
        "timestamp": iso_of(time.time_ns() // 1000),
        "request_id": request_id,
    }
    headers = (
        b"Content-Type: application/json\r\nX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n"
        b"Cache-Control: no-store\r\n" % request_id.encode()
    )
    return Refusal(status, code, headers, json.dumps(content).encode())


def in_text(error: S3Error, request_id: str) -> Refusal:
    """On the listener of share links, to people."""
    headers = (
        b"Content-Type: text/plain; charset=utf-8\r\nX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n"
        b"Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\n" % request_id.encode()
    )
    return Refusal(error.status, error.code, headers, f"{error.message}\n".encode())
