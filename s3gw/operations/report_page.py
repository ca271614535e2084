"""A page of the versions of a bucket, as reports count them: asked for as ListObjectVersions below the same prefix."""

from __future__ import annotations

from typing import Any

from s3gw.metadata import reported
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS, Row


async def report_page(call: Call, input: Any) -> Output:
    asked = call.the_bucket.id, input["Prefix"], input["Place"], input["MaxKeys"], input["WithDigests"]
    return {"Page": await call.services.database.scan(reported.page, *asked)}


REPORT_PAGE = Row(report_page, OPERATIONS["ListObjectVersions"].needs)
