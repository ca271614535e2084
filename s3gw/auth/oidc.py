"""Logging in at an OpenID Connect issuer: the authorization code flow with PKCE, and what an id token has to say.

authlib and joserfc check the token, httpx asks the issuer: within seconds, and no answer may be large. They are the
extra `oidc`, and imported where they are used.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from s3gw.addresses import is_safe_url

if TYPE_CHECKING:
    import httpx
    from joserfc.jwk import KeySet

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
_PATIENCE = 15.0  # seconds for all that an issuer is asked at once
_LARGEST = 256 * 1024  # bytes of an answer
_FRESH = 600.0  # seconds
_PAUSE_AFTER_FAILURE = 5.0
_SHORTEST_PAUSE = 60.0  # seconds between two looks for a key that isn't known, which anybody could make us take
_BASIC = "client_secret_basic"
_LEEWAY = 60  # seconds that the issuer's clock may be off


class IssuerUnavailable(Exception):
    """It doesn't answer, or with something else than its document, its keys or a token."""


class BadLogin(Exception):
    """What the issuer gave doesn't show who somebody is."""


class Client(NamedTuple):
    """What we are to the issuer."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]
    redirect_uri: str


class Pending(NamedTuple):
    """A login that has begun: whoever comes back must bring the state, and the id token the nonce."""

    state: str
    nonce: str
    verifier: str


class Identity(NamedTuple):
    """Whom the issuer means. `email` only counts as somebody's when it is verified."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None


class Issuer:
    """Its document and its keys, kept for ten minutes. Used on the event loop only."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = self._failed_at = float("-inf")
        self._failure: IssuerUnavailable | None = None
        self._turn = asyncio.Lock()

    async def begin(self) -> tuple[str, Pending]:
        """Where to send somebody, and what to remember. Raises IssuerUnavailable."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        await self._read(_FRESH)
        pending, client = Pending(*(secrets.token_urlsafe(32) for _ in range(3))), self._client
        url: str = prepare_grant_uri(
            self._document["authorization_endpoint"],
            client_id=client.client_id,
            response_type="code",
            redirect_uri=client.redirect_uri,
            scope=" ".join(client.scopes),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return url, pending

    async def finish(self, pending: Pending, code: str) -> Identity:
        """Raises BadLogin and IssuerUnavailable."""
        await self._read(_FRESH)
        answer = await self._exchange(code, pending.verifier)
        token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str) or not isinstance(access_token, str):
            raise BadLogin("the issuer gave no id token")
        try:
            return self._identity(token, access_token, pending.nonce)
        except _UnknownKey:
            await self._read(_SHORTEST_PAUSE)
        try:
            return self._identity(token, access_token, pending.nonce)
        except _UnknownKey:
            raise BadLogin("the id token is signed with a key that isn't the issuer's") from None

    def _identity(self, token: str, access_token: str, nonce: str) -> Identity:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        assert self._keys is not None, "they were read"
        client = self._client
        expected = {"iss": client.issuer, "aud": client.client_id}
        options = {name: {"essential": True, "value": value} for name, value in expected.items()}
        try:
            decoded = jwt.decode(token, self._keys, ALGORITHMS)
            params = {"nonce": nonce, "client_id": client.client_id, "access_token": access_token}
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(int(time.time()), _LEEWAY)
        except InvalidKeyIdError:
            raise _UnknownKey from None
        except (JoseError, ValueError, TypeError) as error:
            raise BadLogin(f"the id token isn't valid: {error}") from None
        return _identity_of(client.issuer, claims)

    async def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        client = self._client
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
        form["code_verifier"] = verifier
        auth = None
        if client.client_secret is None:
            form["client_id"] = client.client_id
        elif "client_secret_basic" in self._document.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            auth = (quote(client.client_id, safe=""), quote(client.client_secret, safe=""))
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        return await _ask("POST", self._document["token_endpoint"], data=form, auth=auth)

    async def _read(self, age: float) -> None:
        """The document and the keys, unless they were read within `age` seconds. While it doesn't answer it is asked
        once in five seconds: all who wait would else wait one after the other.
        """
        async with self._turn:
            now = time.monotonic()
            if now - self._read_at <= age:
                return
            if self._failure is not None and now - self._failed_at <= _PAUSE_AFTER_FAILURE:
                raise self._failure
            try:
                self._document, self._keys = await _read(self._client.issuer)
                self._read_at, self._failure = time.monotonic(), None
            except IssuerUnavailable as error:
                self._failed_at, self._failure = time.monotonic(), error
                raise


async def _read(issuer: str) -> tuple[dict[str, Any], KeySet]:
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    document = await _ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise IssuerUnavailable(f"the document of {issuer} is that of another issuer")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(document.get(name), str) or not is_safe_url(document[name]):
            raise IssuerUnavailable(f"the document of {issuer} has no {name} that can be used")
    try:
        return document, KeySet.import_key_set(await _ask("GET", document["jwks_uri"]))  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise IssuerUnavailable(f"the keys of {issuer} can't be read: {error}") from None


class _UnknownKey(Exception):
    pass


def _identity_of(issuer: str, claims: dict[str, Any]) -> Identity:
    subject, email, name = (claims.get(claim) for claim in ("sub", "email", "preferred_username"))
    # OpenID Connect Core, section 2: no longer. What can't be printed can't be stored everywhere either.
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise BadLogin("the id token names nobody")
    return Identity(
        issuer,
        subject,
        email if isinstance(email, str) else None,
        claims.get("email_verified") is True,
        name if isinstance(name, str) else None,
    )


async def _ask(method: str, url: str, **options: Any) -> dict[str, Any]:
    """What JSON object it answers. Raises BadLogin where it refuses what was sent, and IssuerUnavailable."""
    import httpx

    try:
        async with asyncio.timeout(_PATIENCE), httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
            headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
            async with client.stream(method, url, headers=headers, follow_redirects=False, **options) as answer:
                body = await _bounded(answer)
        found = json.loads(body)
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        raise IssuerUnavailable(f"{url} doesn't answer as an issuer does: {error}") from None
    if method == "POST" and answer.status_code in (400, 401):
        raise BadLogin("the issuer doesn't accept the code")
    if answer.status_code != 200 or not isinstance(found, dict):
        raise IssuerUnavailable(f"{url} answers {answer.status_code}")
    return found


async def _bounded(answer: httpx.Response) -> bytes:
    """Raw: what is compressed could be larger than it looks."""
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes")
    return bytes(body)
