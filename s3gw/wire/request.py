"""One HTTP request as everybody behind the gateway sees it: immutable, decoded once, without its body.

Forwarded headers count only when the connection comes from a trusted proxy; otherwise they are ordinary headers of the
client. This is on the path of every request: no regular expressions, no lazily computed attributes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from s3gw.errors import BadRequest, InvalidArgument
from s3gw.wire.target import Target, parse_target, percent_decode, virtual_host_bucket

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Request(NamedTuple):
    """`raw_path` and `query_string` are as sent (for signatures), `query` and `arguments` decoded."""

    method: str
    scheme: str
    host: str
    host_candidates: tuple[str, ...]  # the Host values that the client may have signed, the likeliest first
    raw_path: bytes
    query_string: bytes
    headers: dict[str, str]  # lower-case name → value read as latin-1; duplicates joined with ","
    query: list[tuple[str, str]]  # every pair, in order
    arguments: dict[str, str]  # the first value of each name
    client: str  # the address of the client; of the peer unless that is a trusted proxy
    secure: bool
    tls_version: str | None  # 1.2 or 1.3; None where a trusted proxy ended TLS, which doesn't tell
    target: Target

    @classmethod
    def from_scope(
        cls, scope: Mapping[str, Any], domains: tuple[str, ...] = (), trusted_proxies: tuple[str, ...] = ()
    ) -> Request:
        """From an ASGI scope. `domains` come from `normal_domains`, `trusted_proxies` are CIDRs.

        Raises BadRequest, InvalidURI, InvalidBucketName or KeyTooLongError.
        """
        headers = join_headers(scope["headers"])
        peer = scope.get("client")
        client: str = peer[0] if peer else ""
        scheme: str = scope["scheme"]
        host = headers.get("host", "")
        candidates: tuple[str, ...] = (host,)
        tls_version = _tls_version(scope) if scheme == "https" else None
        if trusted_proxies and is_trusted(client, trusted_proxies):
            tls_version = None
            client = forwarded_client(headers, client, trusted_proxies)
            scheme = forwarded_scheme(headers) or scheme
            host, candidates = _forwarded_hosts(headers, host, domains)
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        query_string: bytes = scope["query_string"]
        query = parse_query(query_string) if query_string else []
        return cls(
            scope["method"],
            scheme,
            host,
            candidates,
            raw_path,
            query_string,
            headers,
            query,
            dict(reversed(query)) if query else {},
            client,
            scheme == "https",
            tls_version,
            parse_target(host, raw_path, domains),
        )


def _tls_version(scope: Mapping[str, Any]) -> str | None:
    """As ASGI's TLS extension tells it: 0x0303 is 1.2."""
    number: int | None = scope.get("extensions", {}).get("tls", {}).get("tls_version")
    return None if number is None else f"1.{(number & 0xFF) - 1}"


_PRESIGNING = ("algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token")
_NOT_HOISTED = frozenset(f"x-amz-{name}" for name in _PRESIGNING)


_OF_BODY = ("x-amz-checksum-", "x-amz-sdk-")
_OF_V2 = frozenset(("content-md5", "content-type"))
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def with_hoisted_headers(request: Request) -> Request:
    """A presigned request with those headers that its query carries: whoever presigns may have moved them there.

    Of SigV4 all x-amz-*, but not those about the body, which nobody knows when a URL is signed: the JavaScript SDK
    moves the checksum of none. Of SigV2 all that its signature covers. To be done before anything is decided by a
    header. Raises InvalidArgument for what couldn't be a header.
    """
    arguments = request.arguments
    if "X-Amz-Signature" in arguments or "X-Amz-Algorithm" in arguments or "X-Amz-Credential" in arguments:
        is_hoisted = _is_hoisted_by_v4
    elif "Signature" in arguments or "AWSAccessKeyId" in arguments:
        is_hoisted = is_hoisted_by_v2
    else:
        return request
    hoisted = {name.lower(): _checked(name, value) for name, value in request.query if is_hoisted(name.lower())}
    return request._replace(headers={**hoisted, **request.headers}) if hoisted else request


def _is_hoisted_by_v4(name: str) -> bool:
    return name.startswith("x-amz-") and name not in _NOT_HOISTED and not name.startswith(_OF_BODY)


def is_hoisted_by_v2(name: str) -> bool:
    """Whether the signature of a presigned SigV2 request covers this argument as a header; `name` in lower case."""
    return name.startswith("x-amz-") or name in _OF_V2


def _checked(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name) or _NOT_IN_A_VALUE.search(value):
        raise InvalidArgument(
            "A query argument that stands for a header must be one.", ArgumentName=name, ArgumentValue=value
        )
    return value.strip(" \t")  # as around the value of a header that is sent


def join_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names as ASGI gives them: already in lower case. Raises BadRequest."""
    pairs = list(pairs)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(headers) == len(pairs):
        return headers
    headers = {}
    for raw_name, raw_value in pairs:
        # "A server MUST respond with a 400 status code to any request message that contains more than one Host header
        # field line" (RFC 9112, 3.2): a proxy may have looked at the other one.
        if raw_name == b"host" and "host" in headers:
            raise BadRequest("There is more than one Host header.")
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def parse_query(query_string: bytes) -> list[tuple[str, str]]:
    """Decoded pairs; `?acl` is ("acl", ""). A '+' is a space here, unlike in a path. Raises InvalidURI."""
    if b"+" in query_string:
        query_string = query_string.replace(b"+", b"%20")
    pairs = []
    for field in query_string.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            pairs.append((percent_decode(name), percent_decode(value)))
    return pairs


@lru_cache(maxsize=16)
def _networks(cidrs: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(cidr, strict=False) for cidr in cidrs)


@lru_cache(maxsize=4096)
def is_trusted(address: str, cidrs: tuple[str, ...]) -> bool:
    """Whether the address lies in one of the networks. What isn't an address (a Unix socket, `unknown`) doesn't."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in _networks(cidrs))


def forwarded_client(headers: Mapping[str, str], peer: str, cidrs: tuple[str, ...]) -> str:
    """The last address that no trusted proxy has: whatever stands left of it may have been made up by the client."""
    client = peer
    for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
        address = _bare_address(hop.strip())
        if not address:
            break
        client = address
        if not is_trusted(address, cidrs):
            break
    return client


def forwarded_scheme(headers: Mapping[str, str]) -> str:
    """What the client asked a trusted proxy by; empty where that doesn't tell."""
    return _first(headers.get("x-forwarded-proto", "")).lower()


def _bare_address(hop: str) -> str:
    """Some proxies write `[::1]:443` or `192.0.2.1:443`. Empty for what is no address."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return ""


def _forwarded_hosts(headers: Mapping[str, str], host: str, domains: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The host that the client addressed, and all that it may have signed: a proxy may drop or add the port, or send
    a name of its own. Only names of the same bucket, because the host that was signed must be the one that is acted on.
    """
    forwarded = _first(headers.get("x-forwarded-host", ""))
    port = _first(headers.get("x-forwarded-port", ""))
    outer = forwarded or host
    names = [outer, host]
    if port.isdigit() and not outer.rpartition(":")[2].isdigit():
        names.insert(1, f"{outer}:{port}")
    bucket = virtual_host_bucket(outer, domains)
    return outer, tuple(dict.fromkeys(name for name in names if virtual_host_bucket(name, domains) == bucket))


def _first(value: str) -> str:
    return value.partition(",")[0].strip()
