"""Tokens in the URLs of previews: five minutes for one version of a file and one recipe, in one session. They are
signed as access tokens are, and are none: each is verified as what it is for.

PyJWT is imported where it is used, as in access_tokens.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from s3gw.auth.access_tokens import ALGORITHM, ISSUER, BadToken, key_id_of

AUDIENCE = "s3gw-preview"
LIFETIME = 300  # seconds


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


def issue(claims: PreviewClaims, key_id: str, key: bytes, now: int) -> str:
    """`now` in seconds since the epoch."""
    import jwt

    payload = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + LIFETIME, "of": list(claims)}
    return jwt.encode(payload, key, ALGORITHM, headers={"kid": key_id})


def verify(token: str, keys: Mapping[str, bytes]) -> PreviewClaims:
    """Raises BadToken. `keys` by their ids."""
    import jwt

    key = keys.get(key_id_of(token))
    if key is None:
        raise BadToken
    try:
        payload = jwt.decode(
            token, key, [ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options={"require": ["exp", "of"]}
        )
    except jwt.InvalidTokenError:
        raise BadToken from None
    return PreviewClaims(*payload["of"])
