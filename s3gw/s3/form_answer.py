"""What is answered to a form that was stored: a redirect, a document, or nothing but a status.

"If Amazon S3 cannot interpret the URL, it acts as if the field is not present"; a status that isn't one of three is 204
(Developer Guide, POST Object).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from s3gw.wire.encode import Encoded
from s3gw.wire.headers import header_bytes
from s3gw.wire.xml import DECLARATION, escape

_STATUSES = {"200": 200, "201": 201, "204": 204}
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"  # of a URL that a client sent; what else isn't a letter or digit is encoded
_REDIRECTS = ("success_action_redirect", "redirect")


def form_answer(fields: Mapping[str, str], stored: Encoded, bucket: str, key: str, location: str) -> Encoded:
    """`fields` by their names in lower case; `stored` is the answer of a PutObject, whose headers go out too."""
    etag = dict(stored.headers)[b"etag"].decode()
    target = next((fields[name] for name in _REDIRECTS if name in fields), None)
    redirect = None if target is None else _redirect(target, {"bucket": bucket, "key": key, "etag": etag})
    if redirect is not None:
        return Encoded(303, [*stored.headers, (b"location", redirect)], None)
    headers = [*stored.headers, (b"location", header_bytes(location))]
    status = _STATUSES.get(fields.get("success_action_status", ""), 204)
    if status != 201:
        return Encoded(status, headers, None)
    headers.append((b"content-type", b"application/xml"))
    members = {"Location": location, "Bucket": bucket, "Key": key, "ETag": etag}
    content = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in members.items())
    return Encoded(201, headers, f"{DECLARATION}<PostResponse>{content}</PostResponse>".encode())


def _redirect(url: str, told: Mapping[str, str]) -> bytes | None:
    """The URL with what was stored in its query; None for what is no URL of a web page."""
    if not url.isprintable():  # urlsplit would leave line ends out
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    query = f"{parts.query}&{urlencode(told)}" if parts.query else urlencode(told)
    return quote(parts._replace(query=query).geturl(), safe=_AS_IT_IS).encode("ascii")
