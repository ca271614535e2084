"""What a person sees who opens the server's address in a browser, instead of S3's XML that access is denied.

Only for requests that no S3 client makes: without credentials, and for HTML first, or for the icon that browsers fetch
by themselves. Strangers may read it, so it tells nothing of this server that they didn't send.
"""

from __future__ import annotations

import html
from typing import NamedTuple

from s3gw.wire.request import Request

ICON_PATH = b"/favicon.ico"
PATHS = frozenset((b"/", ICON_PATH))
_SIGNING = frozenset(("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "AWSAccessKeyId", "Signature"))

_ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#b5432b" d="M2 3h12l-1.6 11H3.6z"/>\
<ellipse cx="8" cy="3" rx="6" ry="1.6" fill="#7c2a19"/></svg>"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>s3gw</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
body {{ max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
pre {{ overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .25rem }}
</style>
</head>
<body>
<h1>This is s3gw, an object store</h1>
<p>This address speaks Amazon S3&#x2019;s protocol, to programs. With an access key of this server:</p>
<pre>aws --endpoint-url {endpoint} s3 ls</pre>
<p>Any other S3 client works with the same endpoint: SDKs, rclone, s3fs, restic, DuckDB.</p>
<h2>Where to look next</h2>
<ul>
<li>Health: <code>/healthz</code> and <code>/readyz</code> of the admin listener
(<code>S3GW_ADMIN_LISTEN</code>, 127.0.0.1:9001 when not set).</li>
<li>Keys: <code>s3gw user create</code> and <code>s3gw key create</code>, on the server&#x2019;s machine.</li>
<li>Documentation: <code>s3gw --help</code> for commands, <code>s3gw config</code> for settings,
<code>s3gw operations</code> for what is served; README.md and docs/ in the source.</li>
</ul>
</body>
</html>
"""


class Page(NamedTuple):
    headers: list[tuple[bytes, bytes]]
    body: bytes


def page_for(request: Request) -> Page | None:
    """None for what is S3."""
    if request.raw_path not in PATHS or request.method not in ("GET", "HEAD") or request.target.virtual_hosted:
        return None
    if "authorization" in request.headers or not _SIGNING.isdisjoint(request.arguments):
        return None
    if request.raw_path == ICON_PATH:
        return Page([(b"content-type", b"image/svg+xml"), (b"cache-control", b"max-age=86400")], _ICON)
    if not _prefers_html(request.headers.get("accept", "")):
        return None
    endpoint = html.escape(f"{request.scheme}://{request.host}")
    policy = b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"
    kind = (b"content-type", b"text/html; charset=utf-8")
    return Page(
        [kind, (b"vary", b"accept"), (b"content-security-policy", policy)],
        _PAGE.format(endpoint=endpoint).encode("utf-8", "replace"),
    )


def _prefers_html(accept: str) -> bool:
    """Browsers name it first; programs name it never, or among others."""
    return accept.partition(",")[0].partition(";")[0].strip().lower() == "text/html"
