"""What the pages about one bucket have in common: its addresses, and the bucket itself (GET /buckets/{id})."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.requests import Request

from s3gw.console.api_call import path_of
from s3gw.console.places import path_of_bucket
from s3gw.console.session import Visitor
from s3gw.console.visit import ask


class Bucket(NamedTuple):
    """`told` is the API's document."""

    told: dict[str, Any]
    etag: str


async def bucket_of(request: Request, visitor: Visitor) -> Bucket:
    answer = await ask(request, visitor, "GET", in_api(request))
    return Bucket(answer.json(), answer.headers["etag"])


def in_api(request: Request, *parts: str) -> str:
    return path_of("buckets", request.path_params["bucket_id"], *parts)


def page_of(request: Request, *parts: str) -> str:
    return path_of_bucket(request.path_params["bucket_id"], *parts)
