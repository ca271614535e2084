"""A folder by a link, as a zip of all that is below it; one download, which is counted before its first byte."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from s3gw.api.zip_answer import ZipAnswer, below, require_few
from s3gw.operations.call import Input, Output
from s3gw.problems import TooLarge, Withheld
from s3gw.share import pages
from s3gw.share.download import ALWAYS, name_of
from s3gw.share.folder import within
from s3gw.share.visit import Gone, visit_of


async def archive(request: Request) -> Response:
    visit = await visit_of(request)
    path = request.query_params.get("path", "")
    if visit.link.kind != "folder" or (path and not path.endswith("/")):
        raise Gone
    prefix = within(visit, path)

    async def page(token: str | None) -> Output:
        after = {} if token is None else {"ContinuationToken": token}
        return await visit.perform("ListObjectsV2", {"Prefix": prefix, **after})

    async def get(input: Input) -> Output | None:
        try:
            return await visit.perform("GetObject", input)
        except (Gone, Withheld):
            return None

    first = await page(None)
    try:
        count = await require_few(visit.services, visit.link.bucket, prefix)
    except TooLarge as refused:
        request.state.error_code = refused.error_code
        message = "There are too many files in it for one zip. Download its folders one by one."
        return pages.shown(request, "refusal.html", refused.status, title="Too many files", message=message)
    if request.method == "HEAD":
        return Response(media_type="application/zip")
    if not await visit.may_download(prefix):
        raise Gone
    answer = ZipAnswer(visit.services.open_archives, below(prefix, first, page), count, get)
    return answer.named(name_of(prefix) if prefix else "files", ALWAYS)
