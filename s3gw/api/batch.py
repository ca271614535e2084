"""Batches: the same is done to many files, named by their ids, found by a query, or listed by a manifest, by a job."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field, model_validator

from s3gw.accounts import jobs
from s3gw.accounts.grants import find_bucket
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import Tags
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import Body, Id, Moment, Text, stored_moment
from s3gw.api.route import Route
from s3gw.manifests.lines import LARGEST
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.link_rights import needed
from s3gw.operations.tagging import MOST_OF_AN_OBJECT, checked_tags
from s3gw.problems import Fault, Invalid, PreconditionFailed, TooLarge

router = APIRouter(tags=["files"], route_class=Route)

MOST_FILES = 1000  # that are named
_MOST_PAIRS = 10
_LARGEST = 2**63 - 1
Prefix = Annotated[Text, Field(max_length=LONGEST_PATH)]
Size = Annotated[int, Field(ge=0, le=_LARGEST)]
Pairs = dict[Annotated[str, Field(min_length=1, max_length=1024)], Annotated[str, Field(max_length=3072)] | None]


class Found(Body):
    """As the filters of a list; of tags and metadata null is any value."""

    prefix: Prefix = Field(description="What their paths begin with; empty: all files of the bucket.")
    type: Annotated[str, Field(max_length=255)] | None = None
    min_size: Size | None = None
    max_size: Size | None = None
    changed_after: Moment | None = None
    changed_before: Moment | None = None
    owner_id: UUID | None = None
    tags: Annotated[Pairs, Field(max_length=_MOST_PAIRS)] = Field(default_factory=dict)
    metadata: Annotated[Pairs, Field(max_length=_MOST_PAIRS)] = Field(default_factory=dict)

    def wanted(self) -> Wanted:
        times = stored_moment(self.changed_after), stored_moment(self.changed_before)
        owner = None if self.owner_id is None else str(self.owner_id)
        of_metadata = tuple((name.lower(), value) for name, value in self.metadata.items())
        sizes = self.min_size, self.max_size
        return Wanted(self.type, *sizes, *times, owner, tuple(self.tags.items()), of_metadata)


class Destination(Body):
    bucket_id: UUID | None = Field(None, description="Another bucket; else they stay in theirs.")
    prefix: Prefix = Field(description="What stands in the place of the query's prefix, or of the folder of a file.")


class Manifest(Body):
    """An object of the bucket: CSV without a line of names, `bucket,key` or `bucket,key,version id` on each line, the
    keys encoded as in URLs, as S3 Batch Operations takes it.
    """

    path: Annotated[Text, Field(min_length=1, max_length=LONGEST_PATH)]
    etag: Annotated[Text, Field(min_length=1, max_length=64)] = Field(
        description="That the object has: one that is changed meanwhile ends the job."
    )


class CompletionReport(Body):
    bucket_id: UUID | None = Field(None, description="Another bucket than the manifest's.")
    prefix: Prefix = Field("", description="What the key begins with; `job-ID/results.csv` follows.")
    only_failed: bool = Field(False, description="Else of all lines.")


class Batch(Body):
    """One of `files`, `query` and `manifest`. To move and to copy have a `destination`, to tag has `tags`."""

    action: Literal["delete", "move", "copy", "tag", "restore"]
    files: Annotated[list[UUID], Field(min_length=1, max_length=MOST_FILES)] | None = Field(
        None, description="Their ids."
    )
    query: Found | None = Field(None, description="To restore: of what is in the trash, by its prefix alone.")
    manifest: Manifest | None = None
    report: CompletionReport | None = Field(
        None, description="Of a manifest: what became of each line, in CSV as S3 Batch Operations writes it."
    )
    destination: Destination | None = None
    tags: Annotated[Tags, Field(max_length=MOST_OF_AN_OBJECT)] | None = Field(
        None, description="They replace those that a file has."
    )
    permanent: bool = Field(False, description="To delete for good, with all versions and what is in the trash.")

    @model_validator(mode="after")
    def _is_whole(self) -> Batch:
        if [self.files, self.query, self.manifest].count(None) != 2:
            raise ValueError("one of files, query and manifest is needed")
        if self.report is not None and self.manifest is None:
            raise ValueError("only of a manifest there is a report")
        if (self.destination is not None) != (self.action in ("move", "copy")):
            raise ValueError("to move and to copy, and nothing else, need a destination")
        if (self.tags is not None) != (self.action == "tag"):
            raise ValueError("to tag, and nothing else, needs tags")
        if self.permanent and self.action != "delete":
            raise ValueError("only what is deleted is permanent")
        if self.action == "restore" and self.query is not None and self.query.wanted() != Wanted():
            raise ValueError("the trash has no filters")
        return self

    def stays_below(self, bucket_id: str) -> bool:
        """Whether what it writes would be found by its query again."""
        to = self.destination
        if self.query is None or to is None or (to.bucket_id is not None and str(to.bucket_id) != bucket_id):
            return False
        return to.prefix.startswith(self.query.prefix)


@router.post("/buckets/{bucket_id}/batch", status_code=202, response_model=StartedJob)
async def batch_files(
    bucket_id: Id, body: Batch, asker: TheAsker, caller: TheCaller, services: TheServices, origin: TheOrigin
) -> Response:
    """Each file as if it were asked for alone, by the rights that the caller has then; no bytes move. What is refused
    of a file is in the report (`result`: `succeeded`, `failed` and the first 100 `failures`), and the others go on.
    Nothing is overwritten. To another bucket a file is copied and then deleted, and has another id there. Files of
    buckets with versions are restored by their ids. A manifest names objects of any bucket; with a destination, its
    prefix is put before their keys.
    """
    bucket, _ = await find_bucket(services, caller, origin, bucket_id)
    if body.stays_below(bucket_id):
        raise Invalid("the destination is below what is moved or copied", faults=(Fault("destination", "is below it"),))
    checked_tags({"Key": name, "Value": value} for name, value in (body.tags or {}).items())
    to = body.destination
    to_bucket_id = None if to is None or to.bucket_id is None else str(to.bucket_id)
    if to_bucket_id is not None:
        await find_bucket(services, caller, origin, to_bucket_id)
    if body.query is not None:
        operation, input, row = needed("folder", body.query.prefix, {})
        await asker.perform(asker.call(operation, bucket, **input), row)
    order = {
        "bucket_id": bucket_id,
        "action": body.action,
        "files": None if body.files is None else [str(file_id) for file_id in dict.fromkeys(body.files)],
        "prefix": "" if body.query is None else body.query.prefix,
        "wanted": list(Wanted() if body.query is None else body.query.wanted()),
        "to_bucket_id": to_bucket_id,
        "to_prefix": "" if to is None else to.prefix,
        "tags": body.tags,
        "is_permanent": body.permanent,
    }
    order |= await _of_manifest(asker, bucket, bucket_id, body, caller, services, origin)
    return started(await jobs.ask(services, caller, origin, "batch", order, bucket.name))


def manifest_of(found: ObjectVersion, etag: str) -> dict[str, Any]:
    """What the job is told of the object. Raises PreconditionFailed and TooLarge."""
    if found.etag != etag.strip('"'):
        raise PreconditionFailed("the manifest has another ETag")
    if found.size > LARGEST:
        raise TooLarge(f"a manifest has {LARGEST} bytes at most")
    return {"key": found.key, "etag": found.etag, "size": found.size}


async def _of_manifest(
    asker: Asker,
    bucket: Bucket,
    bucket_id: str,
    body: Batch,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
) -> dict[str, Any]:
    """What the job is told of it, where there is one: that is there and may be read now, as the job will find it."""
    if body.manifest is None:
        return {}
    found = await asker.head(bucket, Key=body.manifest.path)
    told: dict[str, Any] = {"manifest": manifest_of(found, body.manifest.etag), "report": None}
    if body.report is not None:
        given = body.report
        to, prefix = bucket, given.prefix
        if given.bucket_id is not None:
            to, _ = await find_bucket(services, caller, origin, str(given.bucket_id))
        operation, input, row = needed("drop", prefix, {})
        await asker.perform(asker.call(operation, to, **input), row)
        to_id = bucket_id if given.bucket_id is None else str(given.bucket_id)
        told["report"] = {"bucket_id": to_id, "prefix": prefix, "only_failed": given.only_failed}
    return told
