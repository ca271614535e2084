"""An OpenID Connect issuer in a process of its own: oidc-provider-mock over HTTP, stricter, and with lies to order.

It refuses a token where the PKCE verifier isn't that of the code's challenge. `PUT /lies` says what the next id tokens
are to say otherwise, or how they are to be signed, and `/large` is a document that doesn't end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx

CLIENT = "s3gw-of-the-tests"
SECRET = "secret of the client"


class RunningIssuer(NamedTuple):
    url: str

    def know(self, subject: str, **claims: Any) -> None:
        httpx.put(f"{self.url}/users/{subject}", json=claims, timeout=60).raise_for_status()

    def lie(self, **lies: Any) -> None:
        """`alg`, `key`: how it signs; all others are claims."""
        httpx.put(f"{self.url}/lies", json=lies, timeout=60).raise_for_status()

    def agree(self, url: str, subject: str) -> dict[str, str]:
        """Somebody says yes at the page to which he was sent; gives the query with which he comes back."""
        answer = httpx.post(url, data={"sub": subject}, timeout=60)
        assert answer.status_code == 302, answer.text
        return query_of(answer.headers["Location"])


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@contextmanager
def running_issuer() -> Iterator[RunningIssuer]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.api.oidc_issuer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield RunningIssuer(process.stdout.readline().strip())
        finally:
            process.kill()


def _serve() -> None:
    import flask
    from oidc_provider_mock import app as make_app
    from werkzeug.serving import make_server

    app: Any = make_app(require_nonce=True)
    challenges, lies = dict[str, str](), dict[str, Any]()

    @app.put("/lies")  # type: ignore[untyped-decorator]
    def lie() -> tuple[str, int]:
        lies.clear()
        lies.update(flask.request.get_json())
        return "", 204

    @app.get("/large/.well-known/openid-configuration")  # type: ignore[untyped-decorator]
    def large() -> Any:
        return flask.Response((b" " * 65536 for _ in range(1 << 20)), mimetype="application/json")

    @app.before_request  # type: ignore[untyped-decorator]
    def require_verifier() -> Any:
        form = flask.request.form
        if flask.request.path != "/oauth2/token":
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenges.get(form.get("code", "")) != challenge:
            return flask.jsonify(error="invalid_grant"), 400
        return None

    @app.after_request  # type: ignore[untyped-decorator]
    def tell(answer: Any) -> Any:
        if flask.request.path == "/oauth2/authorize" and answer.status_code == 302:
            asked = flask.request.args
            assert asked["code_challenge_method"] == "S256"
            challenges[query_of(answer.headers["Location"])["code"]] = asked["code_challenge"]
        if flask.request.path == "/oauth2/token" and answer.status_code == 200 and lies:
            told = answer.get_json()
            own = flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True)
            told["id_token"] = _lied(told["id_token"], dict(lies), own)
            answer.set_data(json.dumps(told))
        return answer

    server = make_server("localhost", 0, app, threaded=True)
    print(f"http://localhost:{server.server_port}", flush=True)
    server.serve_forever()


def _lied(token: str, lies: dict[str, Any], own: dict[str, Any]) -> str:
    """The same token, saying something else; `own` is the issuer's key."""
    from joserfc import jwk, jwt

    head, body, _ = token.split(".")
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body))
    algorithm = lies.pop("alg", "RS256")
    claims |= lies.pop("claims", {})
    if algorithm == "none":
        plain = (json.dumps({"alg": "none"}), json.dumps(claims))
        return ".".join([*(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in plain), ""])
    key: Any = jwk.RSAKey.generate_key(2048) if lies.get("key") == "other" else jwk.RSAKey.import_key(own)
    if algorithm == "HS256":
        key = jwk.OctKey.import_key(SECRET)
    named = {"kid": lies["kid"]} if "kid" in lies else {name: header[name] for name in ("kid",) if name in header}
    return jwt.encode({"alg": algorithm, **named}, claims, key, [algorithm])


if __name__ == "__main__":
    _serve()
