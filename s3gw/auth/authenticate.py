"""Who a request comes from: its signature, checked against the clock and the key, and how its body is protected.

SigV4 and SigV2, in the Authorization header or the query, or anonymous. In two steps, between which the caller looks
the access key up: `read_proof` says which one it is, `authenticate` verifies. No I/O. What the principal may do is not
decided here (access/), nor is the body read (payload.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol

from s3gw.auth import sigv2, sigv4
from s3gw.auth.credentials import AccessKeyRow, Credentials
from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.auth.timestamps import amz_date, iso_8601, parse_amz_date, parse_date
from s3gw.errors import (
    AccessDenied,
    AccountProblem,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidRequest,
    InvalidToken,
    NotImplemented,
    RequestTimeTooSkewed,
    S3Error,
    SignatureDoesNotMatch,
)
from s3gw.wire.request import Request

MAX_EXPIRES = 604_800  # seven days in seconds

_V4_QUERY = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
_SEVERAL_MECHANISMS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
    "the Authorization header should be specified"
)


class AuthSettings(Protocol):
    """`clock_skew` is in seconds."""

    @property
    def region(self) -> str: ...
    @property
    def sigv2(self) -> bool: ...
    @property
    def clock_skew(self) -> float: ...


class PayloadSpec(NamedTuple):
    """How the body is protected: `sha256` is that of a "signed" one, `signer` the chain of a "chunked-signed" one."""

    kind: Literal["unsigned", "signed", "chunked-signed", "chunked-unsigned"]
    trailer: bool = False
    sha256: str | None = None
    signer: sigv4.FrameSigner | None = None


class Authentication(NamedTuple):
    principal: Principal
    payload: PayloadSpec
    is_presigned: bool


_UNSIGNED = PayloadSpec("unsigned")
_PAYLOADS = {
    sigv4.UNSIGNED_PAYLOAD: _UNSIGNED,
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": PayloadSpec("chunked-unsigned", trailer=True),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": PayloadSpec("chunked-signed"),
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": PayloadSpec("chunked-signed", trailer=True),
}


def authenticate(
    request: Request, proof: Proof | None, row: AccessKeyRow | None, credentials: Credentials, now: float
) -> Authentication:
    """`proof` is what `read_proof` gave for the request, `row` that of its access key, `now` the same as there.

    Raises the AWS error of each way in which a signature can be wrong.
    """
    if proof is None:
        return Authentication(ANONYMOUS, _optional_payload(request.headers), False)
    access_key_id = proof.access_key_id
    if row is None or not row.key_enabled or (row.expires_at is not None and row.expires_at <= now * 1_000_000):
        raise InvalidAccessKeyId(AWSAccessKeyId=access_key_id)
    payload = proof.verify(credentials, row.sealed_secret)
    if not row.user_enabled:
        raise AccountProblem()
    principal = Principal(
        row.user_id,
        row.canonical_id,
        row.account_id,
        row.name,
        row.role,
        access_key_id,
        row.account_owner_id,
        row.rules_revision,
        row.key_rules_revision,
    )
    return Authentication(principal, payload, proof.is_presigned)


class _SigV4(NamedTuple):
    """A request that says it is signed with SigV4; everything but the signature has been checked."""

    request: Request
    claim: sigv4.Claim
    timestamp: str
    payload_hash: str
    payload: PayloadSpec
    is_presigned: bool
    signed_at: int | None

    @property
    def access_key_id(self) -> str:
        return self.claim.scope.access_key_id

    @property
    def algorithm(self) -> str:
        return sigv4.ALGORITHM

    @property
    def auth_type(self) -> str:
        return "REST-QUERY-STRING" if self.is_presigned else "REST-HEADER"

    def verify(self, credentials: Credentials, sealed_secret: bytes) -> PayloadSpec:
        (access_key_id, date, region, scope), signed_headers, signature = self.claim
        key = credentials.signing_key(access_key_id, sealed_secret, date, region)
        first: tuple[str, str] | None = None
        for canonical_request in sigv4.canonical_requests(self.request, signed_headers, self.payload_hash):
            text = sigv4.string_to_sign(self.timestamp, scope, canonical_request)
            if sigv4.is_same(sigv4.sign(key, text), signature):
                if self.payload.kind != "chunked-signed":
                    return self.payload
                return self.payload._replace(signer=sigv4.FrameSigner(key, self.timestamp, scope, signature))
            first = first or (text, canonical_request)
        assert first is not None, "there is always one reading"
        text, canonical_request = first
        raise SignatureDoesNotMatch(
            AWSAccessKeyId=access_key_id,
            StringToSign=text,
            SignatureProvided=signature,
            StringToSignBytes=_hex_bytes(text),
            CanonicalRequest=_as_text(canonical_request),
            CanonicalRequestBytes=_hex_bytes(canonical_request),
        )


class _SigV2(NamedTuple):
    request: Request
    claim: sigv2.Claim
    is_presigned: bool

    @property
    def access_key_id(self) -> str:
        return self.claim.access_key_id

    @property
    def algorithm(self) -> str:
        return sigv2.SCHEME.strip()

    @property
    def signed_at(self) -> int | None:
        """A presigned URL says only when it expires."""
        return None if self.is_presigned else parse_date(self.claim.date)

    @property
    def auth_type(self) -> str:
        return "REST-QUERY-STRING" if self.is_presigned else "REST-HEADER"

    def verify(self, credentials: Credentials, sealed_secret: bytes) -> PayloadSpec:
        request, claim = self.request, self.claim
        secret = credentials.unseal(claim.access_key_id, sealed_secret)
        headers: Mapping[str, str] = request.headers
        if self.is_presigned:
            headers = sigv2.hoisted_headers(headers, request.query)
        bucket = request.target.bucket if request.target.virtual_hosted else None
        first = ""
        for text in sigv2.strings_to_sign(
            request.method, headers, claim.date, bucket, request.raw_path, request.query_string
        ):
            if sigv4.is_same(sigv2.sign(secret, text), claim.signature):
                return _optional_payload(headers)
            first = first or text
        raise SignatureDoesNotMatch(
            AWSAccessKeyId=claim.access_key_id,
            StringToSign=_as_text(first),
            SignatureProvided=claim.signature,
            StringToSignBytes=_hex_bytes(first),
        )


class Proof(Protocol):
    """Who says to have signed, and whether the signature is right: that of a request, or of a form (form_proof.py)."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def is_presigned(self) -> bool: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def signed_at(self) -> int | None:
        """In seconds since the epoch; None where that isn't said."""

    @property
    def auth_type(self) -> str:
        """REST-HEADER, REST-QUERY-STRING or POST, as the condition key s3:authType has it."""

    def verify(self, credentials: Credentials, sealed_secret: bytes) -> PayloadSpec:
        """How the body is protected. Raises SignatureDoesNotMatch."""


def read_proof(request: Request, settings: AuthSettings, now: float) -> Proof | None:
    """None for an anonymous request. `now` is in seconds since the epoch."""
    headers, arguments = request.headers, request.arguments
    authorization = headers.get("authorization")
    in_query: Callable[[Request, AuthSettings, float], Proof] | None = None
    if arguments:
        has_v4 = "X-Amz-Algorithm" in arguments or "X-Amz-Signature" in arguments or "X-Amz-Credential" in arguments
        has_v2 = "AWSAccessKeyId" in arguments or "Signature" in arguments
        if has_v4 + has_v2 + bool(authorization) > 1:
            raise InvalidArgument(_SEVERAL_MECHANISMS, ArgumentName="Authorization", ArgumentValue=authorization or "")
        in_query = _presigned_v4 if has_v4 else _presigned_v2 if has_v2 else None
    if authorization:
        return _signed_header(request, authorization, settings, now)
    return None if in_query is None else in_query(request, settings, now)


def _signed_header(request: Request, authorization: str, settings: AuthSettings, now: float) -> Proof:
    if authorization.startswith(sigv4.ALGORITHM):
        return _header_v4(request, authorization, settings, now)
    if authorization.startswith(sigv2.SCHEME):
        require_sigv2(settings)
        return _header_v2(request, authorization, settings, now)
    if authorization.startswith("AWS4-"):
        raise _not_implemented("Authorization")  # AWS4-ECDSA-P256-SHA256, of multi-region access points
    raise InvalidArgument("Unsupported Authorization Type", ArgumentName="Authorization", ArgumentValue=authorization)


def _header_v4(request: Request, authorization: str, settings: AuthSettings, now: float) -> _SigV4:
    headers = request.headers
    claim = sigv4.parse_authorization(authorization, settings.region)
    timestamp = headers.get("x-amz-date")
    if timestamp is None:
        date = parse_date(headers.get("date", ""))
        timestamp = "" if date is None else amz_date(date)
    seconds = parse_amz_date(timestamp)
    if seconds is None:
        raise _no_valid_date()
    if claim.scope.date != timestamp[:8]:
        raise AuthorizationHeaderMalformed(
            f'The authorization header is malformed; Invalid credential date "{claim.scope.date}". This date is not the'
            f' same as X-Amz-Date: "{timestamp[:8]}".'
        )
    _check_skew(timestamp, seconds, settings, now)
    payload_hash = headers.get("x-amz-content-sha256")
    if payload_hash is None:
        raise InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    refuse_token(headers.get("x-amz-security-token"))
    sigv4.require_signed(headers, claim.signed_headers.set)
    return _SigV4(request, claim, timestamp, payload_hash, _required_payload(payload_hash), False, seconds)


def _presigned_v4(request: Request, settings: AuthSettings, now: float) -> _SigV4:
    arguments, headers = request.arguments, request.headers
    algorithm, credential, signature, timestamp, signed_headers, expires = map(arguments.get, _V4_QUERY)
    if not (algorithm and credential and signature and timestamp and signed_headers) or expires is None:
        raise AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if algorithm != sigv4.ALGORITHM:
        raise AuthorizationQueryParametersError(f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}"')
    scope = sigv4.parse_credential(credential, settings.region, _malformed_query)
    seconds = parse_amz_date(timestamp)
    if seconds is None:
        raise AuthorizationQueryParametersError(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        )
    if scope.date != timestamp[:8]:
        raise AuthorizationQueryParametersError(
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    _check_expiry(seconds, expires, settings, now)
    refuse_token(arguments.get("X-Amz-Security-Token") or headers.get("x-amz-security-token"))
    signed = sigv4.parse_signed_headers(signed_headers, _malformed_query)
    # UNSIGNED-PAYLOAD needn't be signed: without the header a URL means the same.
    is_known = headers.get("x-amz-content-sha256", sigv4.UNSIGNED_PAYLOAD) != sigv4.UNSIGNED_PAYLOAD
    sigv4.require_signed(headers, signed.set if is_known else signed.set | {"x-amz-content-sha256"})
    payload_hash = (
        headers.get("x-amz-content-sha256")
        or next((value for name, value in request.query if name.lower() == "x-amz-content-sha256"), "")
        or sigv4.UNSIGNED_PAYLOAD
    )
    payload = _required_payload(payload_hash)
    if payload.kind == "chunked-signed":
        raise _invalid_payload(payload_hash)  # there is no seed signature in a query
    return _SigV4(request, sigv4.Claim(scope, signed, signature), timestamp, payload_hash, payload, True, seconds)


def _malformed_query(message: str, **details: Any) -> S3Error:
    return AuthorizationQueryParametersError(f"Error parsing the X-Amz-Credential parameter; {message}", **details)


def _check_expiry(signed_at: int, expires: str, settings: AuthSettings, now: float) -> None:
    digits = expires.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise AuthorizationQueryParametersError("X-Amz-Expires should be a number")
    seconds = int(expires)
    if seconds > MAX_EXPIRES:
        raise AuthorizationQueryParametersError(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{MAX_EXPIRES} seconds"
        )
    if seconds < 1 or now > signed_at + seconds:
        details: dict[str, Any] = {"X-Amz-Expires": expires, "Expires": iso_8601(signed_at + seconds)}
        raise AccessDenied("Request has expired", ServerTime=iso_8601(now), **details)
    if signed_at > now + settings.clock_skew:
        details = {"X-Amz-Date": iso_8601(signed_at)}
        raise AccessDenied("Request is not yet valid", ServerTime=iso_8601(now), **details)


def _header_v2(request: Request, authorization: str, settings: AuthSettings, now: float) -> _SigV2:
    headers = request.headers
    claim = sigv2.parse_authorization(authorization, headers)
    date = headers.get("x-amz-date", headers.get("date", ""))
    seconds = parse_date(date)
    if seconds is None or seconds < 0:
        raise _no_valid_date()
    _check_skew(date, seconds, settings, now)
    refuse_token(headers.get("x-amz-security-token"))
    return _SigV2(request, claim, False)


def _presigned_v2(request: Request, settings: AuthSettings, now: float) -> _SigV2:
    require_sigv2(settings)
    claim = sigv2.parse_query(request.arguments)
    if not (claim.date.isascii() and claim.date.isdigit()) or len(claim.date) > 10:
        raise AccessDenied(f"Invalid date (should be seconds since epoch): {claim.date}")
    if now > int(claim.date):
        raise AccessDenied("Request has expired", Expires=iso_8601(int(claim.date)), ServerTime=iso_8601(now))
    refuse_token(request.arguments.get("x-amz-security-token") or request.headers.get("x-amz-security-token"))
    return _SigV2(request, claim, True)


def require_sigv2(settings: AuthSettings) -> None:
    if not settings.sigv2:
        raise InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )


def _check_skew(date: str, seconds: int, settings: AuthSettings, now: float) -> None:
    if abs(now - seconds) > settings.clock_skew:
        raise RequestTimeTooSkewed(
            RequestTime=date, ServerTime=iso_8601(now), MaxAllowedSkewMilliseconds=int(settings.clock_skew * 1000)
        )


def _no_valid_date() -> AccessDenied:
    return AccessDenied("AWS authentication requires a valid Date or x-amz-date header")


def refuse_token(token: str | None) -> None:
    """Temporary credentials aren't issued here, so no token is one of ours."""
    if token is not None:
        details: dict[str, Any] = {"Token-0": token}
        raise InvalidToken(**details)


def _required_payload(value: str) -> PayloadSpec:
    known = _PAYLOADS.get(value)
    if known is not None:
        return known
    if not _is_sha256(value):
        raise _invalid_payload(value)
    return PayloadSpec("signed", sha256=value.lower())


def _optional_payload(headers: Mapping[str, str]) -> PayloadSpec:
    """Beside SigV2 and in anonymous requests the header isn't needed, but counts when it says something."""
    value = headers.get("x-amz-content-sha256", sigv4.UNSIGNED_PAYLOAD)
    payload = _required_payload(value)
    if payload.kind == "chunked-signed":
        raise _invalid_payload(value)
    return payload


def _is_sha256(value: str) -> bool:
    return len(value) == 64 and not value.strip("0123456789abcdefABCDEF")


def _invalid_payload(value: str) -> S3Error:
    if value.startswith("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"):
        return _not_implemented("x-amz-content-sha256")
    return InvalidArgument(
        f"x-amz-content-sha256 must be {', '.join(_PAYLOADS)} or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=value,
    )


def _not_implemented(header: str) -> S3Error:
    return NotImplemented("A header you provided implies functionality that is not implemented", Header=header)


def _as_text(wire: str) -> str:
    return wire.encode("latin-1").decode("utf-8", "replace")


def _hex_bytes(wire: str) -> str:
    return wire.encode("latin-1").hex(" ")
