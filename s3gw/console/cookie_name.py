"""What the console's cookies are called. Over TLS a browser takes one whose name begins with `__Host-` from this host
alone, and from no page of another port without TLS.
"""

from __future__ import annotations

from starlette.requests import Request


def cookie_name(request: Request, name: str) -> str:
    return f"__Host-{name}" if request.state.scheme == "https" else name
