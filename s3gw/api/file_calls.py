"""Calls about files, as those who ask at the JSON API make them, and what a refusal is to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends, Request

from s3gw.api.caller import Token, caller_of, origin_of, services_of
from s3gw.api.file_models import File, Told, file_model
from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.errors import AccessDenied
from s3gw.metadata import buckets, files, objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.authorize import may_be_told
from s3gw.operations.call import Call, GivenContext, Output
from s3gw.operations.files import HEAD_FILE, READ_EACH, TAGS_OF_EACH, TAGS_OF_FILES
from s3gw.operations.perform import perform
from s3gw.operations.scanned import statuses_of
from s3gw.operations.sharing import rights_on
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import BlockedAsPublic, NotAuthenticated, NotFound, PermissionDenied, Problem, Withheld
from s3gw.services import Services


class Asker(NamedTuple):
    """Who asks, and how; `base_url` is what URLs in answers begin with."""

    services: Services
    principal: Principal
    context: GivenContext
    request_id: str
    base_url: str

    def call(self, operation: str, bucket: Bucket, **input: Any) -> Call:
        now = time.time_ns() // 1000
        call = Call(self.services, self.principal, {"Bucket": bucket.name, **input}, self.request_id, now)
        call.bucket, call.context, call.door, call.operation = bucket, self.context, "api", operation
        return call

    async def bucket(self, bucket_id: str) -> Bucket:
        """By its id; whether it may be told of, what is asked of it decides."""
        bucket = await self.services.database.read_shared(buckets.find_by_uuid, bucket_id)
        if bucket is None:
            raise self.nothing("there is no such bucket")
        return bucket

    async def perform(self, call: Call, row: Row | None = None) -> Output:
        """Raises NotFound for what the caller may not see, and PermissionDenied for what he may see."""
        try:
            return await perform(call, OPERATIONS[call.operation] if row is None else row)
        except (Withheld, BlockedAsPublic):  # he may read it, or put what isn't public
            raise
        except AccessDenied:
            raise await self._hidden(call) from None

    async def _hidden(self, call: Call) -> Problem:
        if self.principal.is_anonymous:
            return NotAuthenticated("an access token is needed")
        if self.principal.sees_all or await self.sees(call):
            return PermissionDenied("you may not do this")
        return NotFound("there is no such file" if _is_about_a_file(call) else "there is no such bucket")

    async def sees(self, call: Call) -> bool:
        """Whether the caller may know of what the call is about."""
        if _is_about_a_file(call):
            return may_be_told(call)
        return (await rights_on(self.services, self.principal, call.the_bucket, self.context, call.now)).is_seen

    def nothing(self, detail: str) -> Problem:
        """Nobody who is unknown learns which ids there are."""
        return NotAuthenticated("an access token is needed") if self.principal.is_anonymous else NotFound(detail)

    async def find(self, bucket: Bucket, file_id: str) -> dict[str, Any]:
        """The input of a call about the file: where it is now, and which it is."""
        wanted = UUID(file_id).bytes
        found = await self.services.database.read(objects.find_file, wanted)
        if found is None or found.bucket_id != bucket.id:
            raise self.nothing("there is no such file")
        return {"Key": found.key, "FileId": wanted}

    async def locate(self, bucket: Bucket, file_id: str) -> dict[str, Any]:
        """As `find`, also of a file that is deleted: where it was."""
        wanted = UUID(file_id).bytes
        key = await self.services.database.read(files.last_key, bucket.id, wanted)
        if key is None:
            raise self.nothing("there is no such file")
        return {"Key": key, "FileId": wanted}

    async def head(self, bucket: Bucket, **input: Any) -> ObjectVersion:
        output = await self.perform(self.call("HeadObject", bucket, **input), HEAD_FILE)
        version: ObjectVersion = output["Version"]
        return version

    async def tell(
        self,
        bucket: Bucket,
        bucket_id: str,
        versions: Sequence[ObjectVersion],
        readable: frozenset[str] | None = None,
    ) -> list[File]:
        """`readable`: keys of those whose content may be read; None: of all."""
        created = await self.services.database.read(files.created_at, versions)
        statuses = await statuses_of(self.call("GetObject", bucket), versions)
        tagged = [version for version in versions if version.tags is not None]
        allowed: set[str] = set()
        if tagged:
            call = self.call("GetObjectTagging", bucket, Versions=tagged)
            allowed = (await self.perform(call, TAGS_OF_FILES))["Readable"]
        return [
            file_model(
                version,
                Told(
                    bucket_id=bucket_id,
                    base_url=self.base_url,
                    created_at=created[version.file_id or b""],
                    shows_content=readable is None or version.key in readable,
                    shows_tags=version.key in allowed if version.tags else readable is None or version.key in readable,
                    scan_status=status,
                ),
            )
            for version, status in zip(versions, statuses, strict=True)
        ]

    async def tell_each(
        self, bucket: Bucket, bucket_id: str, versions: Sequence[ObjectVersion], *, is_named: bool = False
    ) -> list[File]:
        """Of versions of one key or many, what of each may be read; `is_named`: by its version id."""
        if not versions:
            return []
        created = await self.services.database.read(files.created_at, versions)
        statuses = await statuses_of(self.call("GetObject", bucket), versions)
        given = {"Versions": versions, "IsNamed": is_named}
        read = (await self.perform(self.call("GetObject", bucket, **given), READ_EACH))["Allowed"]
        tags = (await self.perform(self.call("GetObjectTagging", bucket, **given), TAGS_OF_EACH))["Allowed"]
        return [
            file_model(
                version,
                Told(
                    bucket_id=bucket_id,
                    base_url=self.base_url,
                    created_at=created[version.file_id or b""],
                    shows_content=shows_content,
                    shows_tags=shows_tags,
                    scan_status=status,
                ),
            )
            for version, shows_content, shows_tags, status in zip(versions, read, tags, statuses, strict=True)
        ]


def _is_about_a_file(call: Call) -> bool:
    """And not about the bucket, as of one that is yet to be put there; what was in the trash is a file."""
    makes_one = call.operation in ("PutObject", "CreateMultipartUpload") and "Trashed" not in call.input
    return "Key" in call.input and not makes_one


def asker_as(request: Request, principal: Principal) -> Asker:
    services, origin = services_of(request), origin_of(request)
    scheme, host = request.state.scheme, request.state.host
    return Asker(
        services, principal, origin.context, origin.request_id, services.settings.api_url or f"{scheme}://{host}"
    )


async def asker_of(request: Request, caller: Annotated[Any, Depends(caller_of)]) -> Asker:
    return asker_as(request, caller.principal)


async def reader_of(request: Request, token: Token) -> Asker:
    """Without a token nobody who is known, who reads what is public."""
    return asker_as(request, ANONYMOUS if token is None else (await caller_of(request, token)).principal)


TheAsker = Annotated[Asker, Depends(asker_of)]
TheReader = Annotated[Asker, Depends(reader_of)]
