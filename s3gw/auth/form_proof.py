"""Who signed a form: the fields with which it says so, and the signature over its policy.

Rules: "Authenticating Requests in Browser-Based Uploads Using POST", S3 API Reference; what is signed is the policy as
it was sent, in base64. What the policy allows is post_policy.py's.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from s3gw.auth import sigv2, sigv4
from s3gw.auth.authenticate import MAX_EXPIRES, AuthSettings, PayloadSpec, refuse_token, require_sigv2
from s3gw.auth.credentials import Credentials
from s3gw.auth.timestamps import parse_amz_date
from s3gw.errors import AccessDenied, InvalidAccessKeyId, InvalidArgument, S3Error, SignatureDoesNotMatch

_UNSIGNED = PayloadSpec("unsigned")
# In the order in which AWS misses them, and by the names it calls them.
_OF_V4 = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature")
_OF_V2 = ("AWSAccessKeyId", "Signature")


class FormProof(NamedTuple):
    """As auth/authenticate.py wants it; everything but the signature has been checked.

    `scope` and `signed_at` are None for SigV2, which says no time.
    """

    access_key_id: str
    policy: str
    signature: str
    scope: sigv4.Scope | None
    signed_at: int | None = None
    is_presigned: bool = False
    auth_type: str = "POST"

    @property
    def algorithm(self) -> str:
        return sigv2.SCHEME.strip() if self.scope is None else sigv4.ALGORITHM

    def verify(self, credentials: Credentials, sealed_secret: bytes) -> PayloadSpec:
        policy = self.policy.encode()
        if self.scope is not None:
            key = credentials.signing_key(self.access_key_id, sealed_secret, self.scope.date, self.scope.region)
            expected = hmac.digest(key, policy, "sha256").hex()
        else:
            secret = credentials.unseal(self.access_key_id, sealed_secret)
            expected = base64.b64encode(hmac.digest(secret.encode(), policy, "sha1")).decode()
        if not sigv4.is_same(expected, self.signature):
            raise SignatureDoesNotMatch(
                AWSAccessKeyId=self.access_key_id,
                StringToSign=self.policy,
                SignatureProvided=self.signature,
                StringToSignBytes=policy.hex(" "),
            )
        return _UNSIGNED


def read_form_proof(fields: Mapping[str, str], settings: AuthSettings, now: float) -> FormProof | None:
    """None for an anonymous form. `fields` by their names in lower case; `now` in seconds since the epoch."""
    has_v4 = any(name.lower() in fields for name in _OF_V4)
    has_v2 = any(name.lower() in fields for name in _OF_V2)
    if has_v4 and has_v2:
        raise InvalidArgument("Only one auth mechanism allowed", ArgumentName="Signature")
    refuse_token(fields.get("x-amz-security-token"))
    if has_v4:
        return _v4(fields, settings, now)
    if has_v2:
        require_sigv2(settings)
        _require(fields, _OF_V2)
        return FormProof(_key_id(fields["awsaccesskeyid"]), fields["policy"], fields["signature"], None)
    return None


def _key_id(text: str) -> str:
    if "\0" in text:  # which SQL text can't hold
        raise InvalidAccessKeyId(AWSAccessKeyId=text)
    return text


def _require(fields: Mapping[str, str], names: tuple[str, ...]) -> None:
    for name in (*names, "Policy"):
        if name.lower() not in fields:
            raise missing_field(name)


def missing_field(name: str) -> InvalidArgument:
    return InvalidArgument(
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields.",
        ArgumentName=name,
        ArgumentValue="",
    )


def _v4(fields: Mapping[str, str], settings: AuthSettings, now: float) -> FormProof:
    _require(fields, _OF_V4)
    algorithm, credential, date, signature = (fields[name.lower()] for name in _OF_V4)
    if algorithm != sigv4.ALGORITHM:
        raise _wrong("X-Amz-Algorithm", algorithm, f'X-Amz-Algorithm only supports "{sigv4.ALGORITHM}"')

    def refuse(message: str, **details: Any) -> S3Error:
        return _wrong("X-Amz-Credential", credential, message, **details)

    scope = sigv4.parse_credential(credential, settings.region, refuse)
    seconds = parse_amz_date(date)
    if seconds is None:
        raise _wrong("X-Amz-Date", date, "X-Amz-Date must be formated via ISO8601 Long format")
    if scope.date != date[:8]:
        raise refuse(f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: "{date[:8]}".')
    if now > seconds + MAX_EXPIRES:  # "the signatures are also valid for up to seven days" (S3 User Guide)
        raise AccessDenied("Invalid according to Policy: Policy expired.")
    return FormProof(_key_id(scope.access_key_id), fields["policy"], signature, scope, seconds)


def _wrong(name: str, value: str, message: str, **details: Any) -> InvalidArgument:
    return InvalidArgument(message, ArgumentName=name, ArgumentValue=value, **details)
