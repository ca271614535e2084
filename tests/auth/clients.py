"""Requests as clients make and sign them: by hand, and by botocore's own signers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from s3gw.auth.authenticate import Authentication, authenticate, read_proof
from s3gw.auth.credentials import Credentials
from s3gw.wire.request import Request

# The pair of AWS's published examples.
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials(bytes(32))
# 2013-05-24T00:00:00Z, when they were signed.
EXAMPLE_TIME = 1369353600.0

Headers = dict[str, str]


@dataclass(frozen=True)
class Row:
    user_id: str = "d0c5f5a4-0000-4000-8000-000000000001"
    canonical_id: str = "ab" * 32
    account_id: str = "123456789012"
    account_owner_id: str = "user"
    rules_revision: str = ""
    key_rules_revision: str = ""
    name: str = "alice"
    role: str = "user"
    user_enabled: bool = True
    key_enabled: bool = True
    expires_at: int | None = None
    sealed_secret: bytes = CREDENTIALS.seal(ACCESS_KEY_ID, SECRET)


@dataclass(frozen=True)
class AuthSettings:
    region: str = "us-east-1"
    sigv2: bool = True
    clock_skew: float = 900


def request(
    method: str,
    url: str,
    headers: Headers | None = None,
    *,
    domains: tuple[str, ...] = (),
    trusted_proxies: tuple[str, ...] = (),
) -> Request:
    """As the server would have parsed it; Host comes from the URL unless it is given."""
    _, _, rest = url.partition("//")
    host, slash, path_and_query = rest.partition("/")
    path, _, query = (slash + path_and_query).partition("?")
    named = {"Host": host, **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path or "/",
        "raw_path": (path or "/").encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 50000),
    }
    return Request.from_scope(scope, domains, trusted_proxies)


def authenticated(
    request: Request, *, row: Row | None = None, settings: AuthSettings | None = None, now: float | None = EXAMPLE_TIME
) -> Authentication:
    """The outcome for a store that knows just the example's access key."""

    now = time.time() if now is None else now
    proof = read_proof(request, settings or AuthSettings(), now)
    found = (row or Row()) if proof is not None and proof.access_key_id == ACCESS_KEY_ID else None
    return authenticate(request, proof, found, CREDENTIALS, now)


SIGNERS: dict[str, Any] = {
    "SigV4 header": lambda pair: S3SigV4Auth(pair, "s3", "us-east-1"),
    "SigV4 query": lambda pair: S3SigV4QueryAuth(pair, "s3", "us-east-1", expires=3600),
    "SigV2 header": HmacV1Auth,
    "SigV2 query": lambda pair: HmacV1QueryAuth(pair, expires=3600),
}


def signed_by_botocore(
    signer: str,
    method: str,
    url: str,
    headers: Headers | None = None,
    *,
    data: bytes = b"",
    pair: tuple[str, str] = (ACCESS_KEY_ID, SECRET),
) -> tuple[str, Headers]:
    """The URL and headers that botocore would send, signed now."""
    unsigned = AWSRequest(method, url, headers=dict(headers or {}), data=data)
    unsigned.auth_path = urlsplit(url).path
    unsigned.context.update({"client_config": SimpleNamespace(s3={}), "signing": {}})
    SIGNERS[signer](BotocoreCredentials(*pair)).add_auth(unsigned)
    prepared = unsigned.prepare()
    named = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in prepared.headers.items()
        if name.lower() not in ("content-length", "transfer-encoding")
    }
    return prepared.url, named
