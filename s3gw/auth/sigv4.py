"""AWS Signature Version 4 as pure functions: what a request claims, and what it would have to be signed with.

Rules: "Authenticating Requests (AWS Signature Version 4)", S3 API Reference. This runs for every request, so what
repeats (the Authorization header up to the signature) is cached, and text that is canonical isn't encoded again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

from s3gw.errors import AccessDenied, AuthorizationHeaderMalformed, S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINAL = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_CANONICAL_PATH = _UNRESERVED + b"/"
_CACHED_LENGTH = 1024  # longer headers are parsed anew each time, so that strangers can't fill the memory


class SignedRequest(Protocol):
    """What of a request is signed."""

    @property
    def method(self) -> str: ...
    @property
    def raw_path(self) -> bytes: ...
    @property
    def query_string(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def host_candidates(self) -> tuple[str, ...]: ...


class Scope(NamedTuple):
    """A credential: who signs, and for which day, region and service. `text` is its part of the string to sign."""

    access_key_id: str
    date: str
    region: str
    text: str


class SignedHeaders(NamedTuple):
    text: str
    names: tuple[str, ...]
    set: frozenset[str]


class Claim(NamedTuple):
    """What the Authorization header or the presigned query says."""

    scope: Scope
    signed_headers: SignedHeaders
    signature: str


# How a wrong credential is refused: with a text and details.
Refuse = Callable[..., S3Error]


def _malformed_header(message: str, **details: Any) -> S3Error:
    return AuthorizationHeaderMalformed(f"The authorization header is malformed; {message}", **details)


def parse_authorization(value: str, region: str) -> Claim:
    """Of `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. Raises AuthorizationHeaderMalformed."""
    head, found, signature = value.rpartition("Signature=")
    if not found or "," in signature or len(head) > _CACHED_LENGTH:
        fields = _fields(value)
        if "Signature" not in fields:
            raise _malformed_header("missing Signature.")
        return Claim(*_parse_head_fields(fields, region), fields["Signature"])
    return Claim(*_parse_head(head, region), signature.strip())


@lru_cache(maxsize=1024)
def _parse_head(head: str, region: str) -> tuple[Scope, SignedHeaders]:
    return _parse_head_fields(_fields(head), region)


def _parse_head_fields(fields: Mapping[str, str], region: str) -> tuple[Scope, SignedHeaders]:
    for name in ("Credential", "SignedHeaders"):
        if not fields.get(name):
            raise _malformed_header(f"missing {name}.")
    scope = parse_credential(fields["Credential"], region, _malformed_header)
    return scope, parse_signed_headers(fields["SignedHeaders"], _malformed_header)


def _fields(text: str) -> dict[str, str]:
    fields = {}
    for component in text.removeprefix(ALGORITHM).split(","):
        name, equals, value = component.strip().partition("=")
        if not equals:
            if name:
                raise _malformed_header(f'the authorization component "{name}" is malformed.')
            continue
        fields[name] = value
    return fields


def parse_credential(credential: str, region: str, refuse: Refuse) -> Scope:
    """`<access key id>/<date>/<region>/s3/aws4_request`; an access key id may contain slashes."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise refuse('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
    access_key_id, date, signed_region, service, terminal = parts
    if len(date) != 8 or not (date.isascii() and date.isdigit()):
        raise refuse(f'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".')
    if signed_region != region:
        raise refuse(f"the region '{signed_region}' is wrong; expecting '{region}'", Region=region)
    if service != SERVICE:
        raise refuse(f'incorrect service "{service}". This endpoint belongs to "{SERVICE}".')
    if terminal != TERMINAL:
        raise refuse(f'incorrect terminal "{terminal}". This endpoint uses "{TERMINAL}".')
    return Scope(access_key_id, date, signed_region, f"{date}/{signed_region}/{service}/{terminal}")


def parse_signed_headers(text: str, refuse: Refuse) -> SignedHeaders:
    if not text.isascii():
        raise refuse("the SignedHeaders are not well formed.")
    names = tuple(text.lower().split(";"))
    return SignedHeaders(text, names, frozenset(names))


def require_signed(headers: Mapping[str, str], signed: frozenset[str]) -> None:
    """ "The CanonicalHeaders list must include Host and any x-amz-* headers in the request", and so Content-MD5."""
    if "host" not in signed:
        raise _not_signed(["host"])
    unsigned = [name for name in headers if name not in signed and (name.startswith("x-amz-") or name == "content-md5")]
    if unsigned:
        raise _not_signed(unsigned)


def _not_signed(names: list[str]) -> AccessDenied:
    return AccessDenied(
        "There were headers present in the request which were not signed", HeadersNotSigned=", ".join(sorted(names))
    )


def canonical_uri(raw_path: bytes) -> str:
    """The path, decoded and encoded once: S3 alone doesn't encode it twice, nor does it resolve dots."""
    if not raw_path.translate(None, _CANONICAL_PATH):
        return raw_path.decode("ascii") or "/"
    return quote_from_bytes(unquote_to_bytes(raw_path), safe="/-._~")


def canonical_query(query_string: bytes) -> str:
    """Encoded alike and sorted by name; X-Amz-Signature, which can't sign itself, is left out."""
    if not query_string:
        return ""
    return _sorted_query(query_string, _encode_query)


def _sorted_query(query_string: bytes, encode: Callable[[bytes], str]) -> str:
    pairs = []
    for field in query_string.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            pairs.append((encode(name), encode(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature"])


def _as_it_is(text: bytes) -> str:
    return text.decode("latin-1")


def _encode_query(text: bytes) -> str:
    if not text.translate(None, _UNRESERVED):
        return text.decode("ascii")
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="-._~")


def _canonical_headers(headers: Mapping[str, str], names: tuple[str, ...], host: str) -> str:
    values = [host if name == "host" else headers.get(name, "") for name in names]
    blanks = "\n".join(values)
    if "  " in blanks or "\t" in blanks or "\n " in blanks or " \n" in blanks or blanks.strip() != blanks:
        values = [" ".join(filter(None, value.replace("\t", " ").split(" "))) for value in values]
    return "".join([f"{name}:{value}\n" for name, value in zip(names, values, strict=True)])


def canonical_requests(request: SignedRequest, signed_headers: SignedHeaders, payload: str) -> Iterator[str]:
    """The canonical request, and then other readings that a client may have signed: its host behind a proxy, and its
    path and query exactly as sent. Each names the same resource, so none of them widens what a signature allows.
    """
    uri, query = canonical_uri(request.raw_path), canonical_query(request.query_string)
    for host in request.host_candidates:
        headers = _canonical_headers(request.headers, signed_headers.names, host)
        yield f"{request.method}\n{uri}\n{query}\n{headers}\n{signed_headers.text}\n{payload}"
    raw_uri = request.raw_path.decode("latin-1")
    raw_query = _sorted_query(request.query_string, _as_it_is)
    if (raw_uri, raw_query) != (uri, query):
        for host in request.host_candidates:
            headers = _canonical_headers(request.headers, signed_headers.names, host)
            yield f"{request.method}\n{raw_uri}\n{raw_query}\n{headers}\n{signed_headers.text}\n{payload}"


def string_to_sign(timestamp: str, scope: str, canonical_request: str) -> str:
    digest = hashlib.sha256(canonical_request.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


def signing_key(secret: str, date: str, region: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (date, region, SERVICE, TERMINAL):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def is_same(expected: str, provided: str) -> bool:
    """In constant time; as bytes, because signatures come from strangers and needn't be ASCII."""
    return hmac.compare_digest(expected.encode("latin-1"), provided.encode("utf-8", "surrogateescape"))


class FrameSigner:
    """The chain of an aws-chunked body: each signature signs the one before it, the first that of the headers."""

    __slots__ = ("_key", "_prefix", "previous")

    def __init__(self, key: bytes, timestamp: str, scope: str, seed_signature: str) -> None:
        self._key = key
        self._prefix = f"{timestamp}\n{scope}\n"
        self.previous = seed_signature

    def string_for_frame(self, sha256: str) -> str:
        return f"{ALGORITHM}-PAYLOAD\n{self._prefix}{self.previous}\n{EMPTY_SHA256}\n{sha256}"

    def string_for_trailers(self, trailers: Mapping[str, str]) -> str:
        text = "".join([f"{name}:{trailers[name]}\n" for name in sorted(trailers)])
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        return f"{ALGORITHM}-TRAILER\n{self._prefix}{self.previous}\n{digest}"

    def accept(self, text: str, signature: str) -> bool:
        """Whether `signature` is that of `text`; the next link of the chain signs it."""
        self.previous = sign(self._key, text)
        return is_same(self.previous, signature)
