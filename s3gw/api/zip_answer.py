"""Files as a zip that is made while it is sent, each by a GetObject of its own: what may not be read, or is gone when
its turn comes, isn't in it. Used by the JSON API and by the pages of share links.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from s3gw.api.file_answer import disposition
from s3gw.archives.open_archives import OpenArchives
from s3gw.archives.zip_stream import Opened, zipped
from s3gw.metadata import files
from s3gw.metadata.buckets import Bucket
from s3gw.moments import microseconds_of
from s3gw.operations.call import Input, Output
from s3gw.operations.file_type import UNKNOWN
from s3gw.problems import TooLarge
from s3gw.services import Services


class Chosen(NamedTuple):
    """`input` is GetObject's; `path` what it is called in the archive, in the order of which they come."""

    path: str
    input: Input


Get = Callable[[Input], Awaitable[Output | None]]  # None: it may not be read, or is gone


class ZipAnswer(Response):
    """`count` of them at most: of more the zip is broken off."""

    media_type = "application/zip"

    def __init__(self, open_archives: OpenArchives, chosen: AsyncGenerator[Chosen, None], count: int, get: Get) -> None:
        super().__init__(media_type=self.media_type)
        self._open_archives, self._chosen, self._count, self._get = open_archives, chosen, count, get

    def named(self, name: str, always: Mapping[str, str]) -> ZipAnswer:
        """`always`: headers of whatever the door answers. Its length isn't known before its end."""
        del self.headers["content-length"]
        self.headers.update({**always, "Content-Disposition": disposition(f"{name}.zip"), "Accept-Ranges": "none"})
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._open_archives.holding(self._count):
            async with aclosing(zipped(self._opened())) as pieces:
                piece = await anext(pieces)  # what can't even begin is an error, not a broken answer
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                while piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await anext(pieces, b"")
                await send({"type": "http.response.body", "body": b""})

    async def _opened(self) -> AsyncGenerator[Opened, None]:
        left = self._count
        async with aclosing(self._chosen):
            async for chosen in self._chosen:
                if not left:
                    raise RuntimeError("there are more files than when the archive was begun, and than it may have")
                left -= 1
                output = await self._get(chosen.input)
                if output is not None:
                    kind, modified = output.get("ContentType", UNKNOWN), microseconds_of(output["LastModified"])
                    yield Opened(chosen.path, output["ContentLength"], modified, kind, output["Body"])


async def below(prefix: str, first: Output, more: Callable[[str], Awaitable[Output]]) -> AsyncGenerator[Chosen, None]:
    """What a ListObjectsV2 tells below a prefix, a page at a time: `more` gives the one behind a token."""
    root, output = len(folder_of(prefix)), first
    while True:
        for key, *_ in output["Contents"].rows:
            yield Chosen(key[root:], {"Key": key})
        token = output.get("NextContinuationToken")
        if token is None:
            return
        output = await more(token)


async def require_few(services: Services, bucket: Bucket, prefix: str) -> int:
    """How many files are below it. Raises TooLarge."""
    most = services.settings.max_archive_files
    count = await services.database.scan(files.count, bucket.id, prefix, "", most)
    if count > most:
        raise TooLarge(f"an archive has {most} files at most")
    return count


def folder_of(prefix: str) -> str:
    """With its slash at the end; "" for the bucket."""
    folder, slash, _ = prefix.rpartition("/")
    return f"{folder}{slash}"
