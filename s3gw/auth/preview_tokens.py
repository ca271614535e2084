"""Tokens in the URLs of previews, for one version of a file, in one session: five minutes for one recipe, or half an
hour to look at it in a frame. They are signed as access tokens are, and are none: each is verified as what it is for.

PyJWT is imported where it is used, as in access_tokens.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from s3gw.auth.access_tokens import ALGORITHM, ISSUER, BadToken, key_id_of

LIFETIME = 300  # seconds
VIEW_LIFETIME = 1800  # for as long as a video may be looked at


class PreviewClaims(NamedTuple):
    """`bucket_id` and `file_id` as the JSON API calls them. `sequence` tells versions apart that have one id.
    `version_id`: where one was named.
    """

    user_id: str
    session_id: str
    bucket_id: str
    file_id: str
    sequence: int
    version_id: str | None
    recipe: str


class ViewClaims(NamedTuple):
    """As PreviewClaims. `framed_by` is the origin whose pages may have it in a frame."""

    user_id: str
    session_id: str
    bucket_id: str
    file_id: str
    sequence: int
    version_id: str | None
    framed_by: str


Claims = TypeVar("Claims", PreviewClaims, ViewClaims)
# Whom each is for, and for how long.
_KINDS: Mapping[type, tuple[str, int]] = {
    PreviewClaims: ("s3gw-preview", LIFETIME),
    ViewClaims: ("s3gw-view", VIEW_LIFETIME),
}


def issue(claims: PreviewClaims | ViewClaims, key_id: str, key: bytes, now: int) -> str:
    """`now` in seconds since the epoch."""
    import jwt

    audience, lifetime = _KINDS[type(claims)]
    payload = {"iss": ISSUER, "aud": audience, "exp": now + lifetime, "of": list(claims)}
    return jwt.encode(payload, key, ALGORITHM, headers={"kid": key_id})


def verify(kind: type[Claims], token: str, keys: Mapping[str, bytes]) -> Claims:
    """Raises BadToken. `keys` by their ids."""
    import jwt

    key = keys.get(key_id_of(token))
    if key is None:
        raise BadToken
    try:
        payload = jwt.decode(
            token, key, [ALGORITHM], issuer=ISSUER, audience=_KINDS[kind][0], options={"require": ["exp", "of"]}
        )
    except jwt.InvalidTokenError:
        raise BadToken from None
    return kind(*payload["of"])
