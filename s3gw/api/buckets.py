"""Buckets: making, finding, changing and deleting them, and how much is in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from s3gw.accounts import buckets
from s3gw.accounts.buckets import Shown, etag_of
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import Body, Id, IfMatch, Name, Page, Text, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata.bucket_lists import Wanted
from s3gw.metadata.quotas import PrefixQuota

router = APIRouter(prefix="/buckets", tags=["buckets"], route_class=Route)

_LARGEST = 2**63 - 1  # a column holds no more
Quota = Annotated[int, Field(ge=0, le=_LARGEST)]
Line = Annotated[Text, Field(min_length=1, max_length=255)]
TrashSeconds = Annotated[
    int, Field(ge=0, le=3650 * 86_400, description="How long what is deleted or overwritten can be restored; 0: not.")
]
TypePattern = Annotated[
    str,
    Field(
        max_length=127,
        pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)$",
        description="`image/png` or `image/*`.",
    ),
]
AllowedTypes = Annotated[
    list[TypePattern],
    Field(
        max_length=100,
        description="The types of files that uploads to this API, to a drop box or by TUS may have, told by their first"
        " bytes and as they are said to be; empty: all. S3 is not asked.",
    ),
]
_WEEK = 7 * 86_400
ScanPolicy = Literal["off", "serve", "hold"]
Versioning = Literal["off", "enabled", "suspended"]


class CorsRule(Body):
    """What web pages of other origins may ask S3 for, as PutBucketCors has it."""

    id: Annotated[str, Field(max_length=255)] | None = None
    allowed_origins: Annotated[list[Line], Field(min_length=1, max_length=100)]
    allowed_methods: Annotated[list[Literal["GET", "PUT", "HEAD", "POST", "DELETE"]], Field(min_length=1, max_length=5)]
    allowed_headers: Annotated[list[Line], Field(max_length=100, default_factory=list)]
    expose_headers: Annotated[list[Line], Field(max_length=100, default_factory=list)]
    max_age_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class Bucket(BaseModel):
    """A quota of null is none; that of all buckets of the owner holds beside it."""

    id: str
    name: str
    is_public: bool = Field(description="Whether everybody may read its files, by its policy or its ACL.")
    storage_quota: int | None = Field(description="Bytes of all versions and of parts of unfinished uploads.")
    object_quota: int | None = Field(description="Versions, without delete markers.")
    versioning: Versioning
    trash_seconds: int = Field(description="How long what is deleted or overwritten can be restored.")
    cors: list[CorsRule]
    allowed_types: list[str] = Field(description="Of files that uploads here may have; empty: all.")
    scan_policy: ScanPolicy | None = Field(description="What virus scanning does with its files; null: the server's.")
    owner_id: str
    created_at: datetime
    updated_at: datetime = Field(description="When something was set for it, whatever became of its files.")
    is_deleted: bool
    deleted_at: datetime | None
    restorable_until: datetime | None = Field(description="Until then it can be restored, with its trash.")


class NewBucket(Body):
    name: Annotated[str, Field(max_length=255, description="3 to 63 of a-z 0-9 . -, by AWS's rules.")]
    is_public: bool = False
    storage_quota: Quota | None = None
    object_quota: Quota | None = None
    trash_seconds: TrashSeconds = _WEEK
    allowed_types: AllowedTypes = Field(default_factory=list)


class UpdateBucket(Body):
    """What is left out stays; a quota of null is none."""

    is_public: bool | None = Field(None, description="Whether everybody may read its files; nobody lists them.")
    storage_quota: Quota | None = None
    object_quota: Quota | None = None
    versioning: Literal["enabled", "suspended"] | None = None
    trash_seconds: TrashSeconds | None = Field(None, description="Of what is deleted or overwritten from now on.")
    cors: Annotated[list[CorsRule], Field(max_length=100)] | None = None
    allowed_types: AllowedTypes | None = Field(None, description="Of files that come from now on.")
    scan_policy: ScanPolicy | None = Field(
        None,
        description="`serve`: files are read while they wait for the virus scanner; `hold`: only when they are known to"
        " be clean; `off`: none are scanned; null: as the server has it. Less than the server's: by admins.",
    )


class OfPrefix(BaseModel):
    prefix: str
    storage_quota: int | None
    object_quota: int | None
    bytes: int
    objects: int


class OfGroup(BaseModel):
    name: str | None = Field(description="Null: all others.")
    files: int
    bytes: int = Field(description="Of all versions.")


class Details(BaseModel):
    """What is stored once counts once: in the bucket, and for `exclusive_bytes` in all buckets of its owner (for an
    admin, in all there are).
    """

    measured_at: datetime
    physical_bytes: int = Field(description="As its versions, parts and trash are stored.")
    exclusive_bytes: int = Field(description="Of these, what would be free without the bucket.")
    by_prefix: list[OfGroup] = Field(description="By the first folder of the path, the largest first; '' of no folder.")
    by_type: list[OfGroup] = Field(description="By content type, the largest first.")


class Storage(BaseModel):
    """What is left is null where there is no quota of the bucket's."""

    objects: int = Field(description="Files, as a list has them.")
    versions: int = Field(description="Current or not, without delete markers.")
    delete_markers: int
    bytes: int = Field(description="Of all versions, however they are stored.")
    parts: int = Field(description="Of uploads that aren't completed.")
    part_bytes: int
    trash_files: int = Field(description="Deleted or overwritten, and kept to be restored.")
    trash_bytes: int = Field(description="They count against quotas, and give way when one is used up.")
    storage_quota: int | None
    object_quota: int | None
    bytes_left: int | None
    objects_left: int | None
    prefixes: list[OfPrefix] = Field(description="Those that have a quota of their own.")
    details: Details | None = Field(description="Where asked for, of now or as last measured; null: never was.")


class ListedBucket(Bucket):
    etag: str = Field(description="As the header ETag tells it of the bucket by itself, for If-Match.")
    storage: Storage | None = Field(None, description="Where asked for and the caller may see it, without details.")


@router.post("", status_code=201)
async def create_bucket(
    body: NewBucket, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Bucket:
    """In the caller's account, as CreateBucket of S3 makes it."""
    given = body.model_dump(exclude={"name", "trash_seconds"})
    fields = {name: value for name, value in given.items() if value not in (None, False, [])}
    made = await buckets.create(services, caller, origin, body.name, body.trash_seconds, fields)
    return _told(made, response)


@router.get("")
async def list_buckets(
    place: ThePlace,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    name: Annotated[str, Query(max_length=63, pattern=r"^[^\x00]*$", description="A part of it.")] = "",
    owner_id: Annotated[UUID | None, Query(description="Only of this user's account.")] = None,
    public: Annotated[bool | None, Query(description="Only those that are, or aren't.")] = None,
    sort: Annotated[Literal["name", "size", "age"], Query(description="Age: the youngest first.")] = "name",
    order: Annotated[Literal["asc", "desc"], Query(description="desc: the other way round.")] = "asc",
    deleted: Annotated[
        bool, Query(description="Those that were deleted and can be restored, without cursors.")
    ] = False,
    storage: Annotated[bool, Query(description="With how much is in each.")] = False,
) -> Page[ListedBucket]:
    """Those of the caller's account, and those of which something was granted; for admins and auditors, all."""
    owner = None if owner_id is None else str(owner_id)
    wanted = Wanted(name, owner, public, sort=sort, descends=order == "desc", deleted=deleted)
    after = None if deleted else place.after  # of a name there may be many
    found, total = await buckets.page(services, caller, origin, wanted, after, place.offset, place.limit)
    of_page = found[: place.per_page]
    used = await buckets.storages_of(services, caller, origin, of_page) if storage else [None] * len(of_page)
    known = {shown.told.uuid: each for shown, each in zip(of_page, used, strict=True)}
    return place.page_of(found, total, partial(_listed, known), _name if sort == "name" and not deleted else None)


def _listed(storages: Mapping[str, buckets.Storage | None], shown: Shown) -> ListedBucket:
    used = storages[shown.told.uuid]
    told: dict[str, Any] = {"etag": etag_of(shown.told), "storage": None if used is None else _storage(used)}
    return ListedBucket(**dict(_model(shown)), **told)


def _name(shown: Shown) -> str:
    return shown.told.bucket.name


# Before what is below an id, as a name may be one of those words.
@router.get("/by-name/{name}")
async def get_bucket_by_name(
    name: Name, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Bucket:
    """Its id, for who knows the name that S3 calls it by."""
    return _told(await buckets.find(services, caller, origin, name, by_name=True), response)


@router.get("/{bucket_id}")
async def get_bucket(
    bucket_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Bucket:
    """For who may list it or was granted something of it, admins and auditors."""
    return _told(await buckets.find(services, caller, origin, bucket_id), response)


@router.put("/{bucket_id}")
async def update_bucket(
    bucket_id: Id,
    body: UpdateBucket,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    if_match: IfMatch = None,
) -> Bucket:
    """Quotas and whether it is public: by its owner or an admin, and no more than the owner may have. 409 where another
    statement of its policy is public, or the account blocks public access.
    """
    fields = _fields(body)
    return _told(await buckets.update(services, caller, origin, bucket_id, fields, if_match), response)


@router.delete("/{bucket_id}", status_code=204, responses={202: {"model": StartedJob}})
async def delete_bucket(
    bucket_id: Id,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    force: Annotated[
        bool, Query(description="With all that is in it, for good: by a job, which is the answer (202).")
    ] = False,
    permanent: Annotated[bool, Query(description="For good, with its trash; or one that is deleted.")] = False,
) -> Response:
    """One in which nothing is, unless `force` is said: else it is 409. As long as it keeps trash it can be restored;
    its name is free.
    """
    if force:
        return started(await buckets.delete_with_all(services, caller, origin, bucket_id))
    await buckets.delete(services, caller, origin, bucket_id, permanent)
    return Response(status_code=204)


class RestoreBucket(Body):
    name: Annotated[str, Field(max_length=255)] | None = Field(None, description="Instead of the one that it had.")


@router.post("/{bucket_id}/restore")
async def restore_bucket(
    bucket_id: Id,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    body: RestoreBucket | None = None,
) -> Bucket:
    """With what was set for it and its trash, whose files are restored one by one. Grants and links have ended. 409
    where another bucket has the name by now.
    """
    return _told(
        await buckets.restore(services, caller, origin, bucket_id, None if body is None else body.name), response
    )


@router.get("/{bucket_id}/storage")
async def get_storage(
    bucket_id: Id,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    details: Annotated[bool, Query(description="With what it takes of the disk, by folder and by type.")] = False,
) -> Storage:
    """How much is in it, and how much more may be. For who may list all of its versions, admins and auditors. Details
    are measured at once where the buckets to be looked at have 10 000 versions at most; else they are those that
    `POST …/storage/measure` found the last time.
    """
    return _storage(await buckets.storage_of(services, caller, origin, bucket_id, details))


def _storage(found: buckets.Storage) -> Storage:
    used = found.used
    return Storage(
        objects=used.objects,
        versions=used.versions,
        delete_markers=used.markers,
        bytes=used.bytes,
        parts=found.parts,
        part_bytes=used.part_bytes,
        trash_files=used.trashed,
        trash_bytes=used.trash_bytes,
        storage_quota=found.max_bytes,
        object_quota=found.max_objects,
        bytes_left=_left(found.max_bytes, used.bytes + used.part_bytes),
        objects_left=_left(found.max_objects, used.versions),
        prefixes=[_of_prefix(quota) for quota in found.prefixes],
        details=None
        if found.details is None
        else Details(measured_at=time_of(found.details.measured_at), **found.details.document),
    )


@router.post("/{bucket_id}/storage/measure", status_code=202, response_model=StartedJob)
async def measure_storage(bucket_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin) -> Response:
    """What `GET …/storage?details=true` tells of a bucket that isn't small, by a job. For whom that tells it."""
    return started(await buckets.measure(services, caller, origin, bucket_id))


def _left(most: int | None, used: int) -> int | None:
    return None if most is None else max(most - used, 0)


def _of_prefix(quota: PrefixQuota) -> OfPrefix:
    return OfPrefix(
        prefix=quota.prefix,
        storage_quota=quota.max_bytes,
        object_quota=quota.max_objects,
        bytes=quota.used_bytes,
        objects=quota.used_objects,
    )


_CAN_BE_NONE = ("storage_quota", "object_quota", "scan_policy")


def _fields(body: UpdateBucket) -> dict[str, Any]:
    """What is to be set, as the database has it."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    fields = {name: value for name, value in given.items() if value is not None or name in _CAN_BE_NONE}
    if "cors" in given:
        fields["cors"] = [stored_cors_rule(rule) for rule in given["cors"] or ()]
    if "versioning" in fields:
        fields["versioning"] = fields["versioning"].capitalize()
    return fields


# Of a rule, boto3's name of each field.
_MEMBERS = {
    "id": "ID",
    "allowed_origins": "AllowedOrigins",
    "allowed_methods": "AllowedMethods",
    "allowed_headers": "AllowedHeaders",
    "expose_headers": "ExposeHeaders",
    "max_age_seconds": "MaxAgeSeconds",
}


def stored_cors_rule(rule: CorsRule) -> dict[str, Any]:
    told = rule.model_dump()
    return {member: told[field] for field, member in _MEMBERS.items() if told[field] not in (None, [])}


def cors_rule(stored: dict[str, Any]) -> CorsRule:
    """It isn't checked again: S3's door takes what this one doesn't."""
    given = {field: stored[member] for field, member in _MEMBERS.items() if member in stored}
    return CorsRule.model_construct(**given)


def _told(shown: Shown, response: Response) -> Bucket:
    response.headers["ETag"] = etag_of(shown.told)
    return _model(shown)


def _model(shown: Shown) -> Bucket:
    told, bucket = shown.told, shown.told.bucket
    return Bucket(
        id=told.uuid,
        name=bucket.name,
        is_public=shown.is_public,
        storage_quota=told.max_bytes,
        object_quota=told.max_objects,
        versioning=bucket.versioning.lower() or "off",  # type: ignore[arg-type]
        trash_seconds=told.trash_seconds,
        cors=[cors_rule(rule) for rule in told.cors],
        allowed_types=told.allowed_types,
        scan_policy=bucket.scan_policy,  # type: ignore[arg-type]
        owner_id=bucket.owner_id,
        created_at=time_of(bucket.created_at),
        updated_at=time_of(told.updated_at),
        is_deleted=told.deleted_at is not None,
        deleted_at=None if told.deleted_at is None else time_of(told.deleted_at),
        restorable_until=None if told.restorable_until is None else time_of(told.restorable_until),
    )
