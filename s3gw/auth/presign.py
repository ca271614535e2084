"""URLs that are signed already: what SigV4 makes of a request that somebody else will send. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from s3gw.auth import sigv4
from s3gw.auth.timestamps import amz_date


class Signer(NamedTuple):
    """`at`: seconds since the epoch; `lifetime` in seconds."""

    access_key_id: str
    secret: str
    region: str
    at: int
    lifetime: int


class _Request(NamedTuple):
    method: str
    raw_path: bytes
    query_string: bytes
    headers: Mapping[str, str]
    host_candidates: tuple[str, ...]


def presigned(
    signer: Signer, method: str, base: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """`base` is where the server is: http://host:port. `headers` have to be sent as they are (names in lower case)."""
    timestamp = amz_date(signer.at)
    date = timestamp[:8]
    scope = f"{date}/{signer.region}/{sigv4.SERVICE}/{sigv4.TERMINAL}"
    names = tuple(sorted((*headers, "host")))
    signed = sigv4.SignedHeaders(";".join(names), names, frozenset(names))
    arguments = {
        **query,
        "X-Amz-Algorithm": sigv4.ALGORITHM,
        "X-Amz-Credential": f"{signer.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(signer.lifetime),
        "X-Amz-SignedHeaders": signed.text,
    }
    path, text = f"/{bucket}/{quote(key, safe='/-._~')}", urlencode(arguments, quote_via=quote, safe="-._~")
    host = urlsplit(base).netloc
    request = _Request(method, path.encode(), text.encode(), dict(headers), (host,))
    canonical = next(sigv4.canonical_requests(request, signed, sigv4.UNSIGNED_PAYLOAD))
    signing_key = sigv4.signing_key(signer.secret, date, signer.region)
    signature = sigv4.sign(signing_key, sigv4.string_to_sign(timestamp, scope, canonical))
    return f"{base}{path}?{text}&X-Amz-Signature={signature}"
