"""The URL of an object, in the style of the request that is answered."""

from __future__ import annotations

from s3gw.wire.list_encoder import url_encode
from s3gw.wire.request import Request


def location_of(request: Request) -> str:
    """Of the request's target. AWS writes a slash as %2F too, which no proxy agrees upon."""
    bucket, key, is_virtual_hosted = request.target
    path = key if is_virtual_hosted else f"{bucket}/{key}"
    return f"{request.scheme}://{request.host}/{url_encode(path or '')}"
