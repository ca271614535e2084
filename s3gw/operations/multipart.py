"""CreateMultipartUpload, UploadPart, AbortMultipartUpload, ListParts and ListMultipartUploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gw.checksums import algorithm_named
from s3gw.errors import InvalidArgument, InvalidRequest
from s3gw.metadata import contents, listing, objects, uploads
from s3gw.metadata.change import Change, PartLock
from s3gw.metadata.contents import NewContent
from s3gw.metadata.database import Connection
from s3gw.metadata.listing import ListedUpload, Page
from s3gw.metadata.uploads import Upload, UploadedPart
from s3gw.operations.buckets import timestamp
from s3gw.operations.call import Call, Output
from s3gw.operations.list_objects import Owners, begin_after, check_encoding, page_size
from s3gw.operations.new_acl import acl_of_new
from s3gw.operations.object_fields import fields_of
from s3gw.operations.preconditions import check_initiated
from s3gw.operations.received_body import DEFAULT_ALGORITHM, receive_body
from s3gw.pages import PrefixRows

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        AbortMultipartUploadRequestTypeDef,
        CreateMultipartUploadRequestTypeDef,
        ListMultipartUploadsRequestTypeDef,
        ListPartsRequestTypeDef,
        UploadPartRequestTypeDef,
    )


async def create_multipart_upload(call: Call, input: CreateMultipartUploadRequestTypeDef) -> Output:
    fields = fields_of(input, call.services.settings.max_metadata)
    algorithm, checksum_type = _checksum_of_upload(input)
    owner_id, acl = await acl_of_new(call, input)
    upload = Upload(
        upload_id=uploads.new_upload_id(call.now),
        bucket_id=call.the_bucket.id,
        key=input["Key"],
        initiated_at=call.now,
        owner_id=owner_id,
        initiator_id=call.principal.user_id,
        storage_class=fields.storage_class,
        checksum_algorithm=algorithm,
        checksum_type=checksum_type,
        headers=fields.headers,
        user_metadata=fields.user_metadata,
        tags=fields.tags,
        acl=acl,
    )
    await call.change([call.key_lock(input["Key"])], _begin, upload)
    return {
        "Bucket": call.the_bucket.name,
        "Key": input["Key"],
        "UploadId": upload.upload_id,
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": checksum_type,
    }


def _begin(change: Change, upload: Upload) -> None:
    top = objects.latest(change.conn, upload.bucket_id, upload.key)
    uploads.begin(change, upload._replace(key_sequence=uploads.NO_VERSION if top is None else top.sequence))


def _checksum_of_upload(input: Any) -> tuple[str | None, str | None]:
    """Which algorithms can be FULL_OBJECT, which COMPOSITE: "Checking object integrity", Amazon S3 User Guide."""
    algorithm, checksum_type = input.get("ChecksumAlgorithm"), input.get("ChecksumType")
    if algorithm is None:
        if checksum_type is not None:
            raise InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return None, None
    known = algorithm_named(algorithm)
    if checksum_type is None:
        checksum_type = "COMPOSITE" if known.composite else "FULL_OBJECT"
    if checksum_type not in ("COMPOSITE", "FULL_OBJECT"):
        raise InvalidRequest("Value for x-amz-checksum-type header is invalid.")
    if not (known.composite if checksum_type == "COMPOSITE" else known.full_object):
        raise InvalidRequest(
            f"The {checksum_type} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return algorithm, checksum_type


def check_part_number(call: Call, number: int) -> int:
    most = call.services.settings.max_parts
    if not 1 <= number <= most:
        raise InvalidArgument(
            f"Part number must be an integer between 1 and {most}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=str(number),
        )
    return number


async def upload_part(call: Call, input: UploadPartRequestTypeDef) -> Output:
    number, upload_id, database = (
        check_part_number(call, input["PartNumber"]),
        input["UploadId"],
        call.services.database,
    )
    upload = await database.read(uploads.find, call.the_bucket.id, input["Key"], upload_id)
    asked = call.the_body.checksum_algorithm or input.get("ChecksumAlgorithm")
    if upload.checksum_algorithm and asked and asked != upload.checksum_algorithm:
        raise InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()},"
            f" actual checksum Type: {asked.lower()}"
        )
    # The object's checksum is combined from those of its parts, so each has one of the upload's algorithm too.
    kept = upload.checksum_algorithm or DEFAULT_ALGORITHM
    async with receive_body(call, upload.checksum_algorithm or asked, beside=kept) as body:
        part = UploadedPart(upload_id, number, body.size, body.etag, call.now, 0, kept, body.checksums[kept])
        await call.change([PartLock(upload_id, number)], _put_part, part, body.content)
    output: Output = {"ETag": f'"{body.etag}"'}
    if upload.checksum_algorithm or asked:
        output[f"Checksum{body.checksum_algorithm}"] = body.checksum
    return output


def _put_part(change: Change, part: UploadedPart, content: NewContent) -> None:
    uploads.put_part(change, part._replace(content_id=contents.insert(change.conn, content)))


async def abort_multipart_upload(call: Call, input: AbortMultipartUploadRequestTypeDef) -> Output:
    key, expected = input["Key"], input.get("IfMatchInitiatedTime")
    await call.change([call.key_lock(key)], _abort, key, input["UploadId"], expected)
    return {}


def _abort(change: Change, key: str, upload_id: str, initiated: Any) -> None:
    upload = uploads.lock_exclusive(change.conn, change.bucket_id, key, upload_id, of_any_kind=True)
    change.check("upload", upload)
    check_initiated(initiated, upload.initiated_at)
    uploads.remove(change, upload, frozenset())


async def list_parts(call: Call, input: ListPartsRequestTypeDef) -> Output:
    after, limit = input.get("PartNumberMarker", 0), page_size(input.get("MaxParts"), "max-parts")
    upload, found, owners = await call.services.database.scan(
        _parts_page, call.the_bucket.id, input["Key"], input["UploadId"], after, limit + 1
    )
    call.check("upload", upload)
    page = found[:limit]
    return {
        "Bucket": call.the_bucket.name,
        "Key": input["Key"],
        "UploadId": upload.upload_id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].part_number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit and limit > 0,
        "StorageClass": upload.storage_class,
        "ChecksumAlgorithm": upload.checksum_algorithm,
        "ChecksumType": upload.checksum_type,
        "Initiator": _person(owners, upload.initiator_id),
        "Owner": _person(owners, upload.owner_id),
        "Parts": [_part(part, upload) for part in page],
    }


def _parts_page(
    conn: Connection, bucket_id: int, key: str, upload_id: str, after: int, limit: int
) -> tuple[Upload, list[UploadedPart], Owners]:
    upload = uploads.find(conn, bucket_id, key, upload_id, of_any_kind=True)
    parts = uploads.list_parts(conn, upload_id, after=after, limit=limit)
    return upload, parts, listing.owners(conn, {upload.owner_id, upload.initiator_id})


def _person(owners: Owners, user_id: str) -> Output:
    canonical_id, name = owners.get(user_id, ("", ""))
    return {"ID": canonical_id, "DisplayName": name}


def _part(part: UploadedPart, upload: Upload) -> Output:
    members: Output = {
        "PartNumber": part.part_number,
        "LastModified": timestamp(part.last_modified),
        "ETag": f'"{part.etag}"',
        "Size": part.size,
    }
    if upload.checksum_algorithm is not None and part.checksum is not None:
        members[f"Checksum{part.checksum_algorithm}"] = part.checksum
    return members


async def list_multipart_uploads(call: Call, input: ListMultipartUploadsRequestTypeDef) -> Output:
    prefix, delimiter = input.get("Prefix", ""), input.get("Delimiter", "")
    key_marker, upload_marker = input.get("KeyMarker", ""), input.get("UploadIdMarker", "")
    limit = page_size(input.get("MaxUploads"), "max-uploads")
    check_encoding(input)
    page, owners = await call.services.database.scan(
        _uploads_page, call.the_bucket.id, prefix, delimiter, key_marker, upload_marker, limit
    )
    output: Output = {
        "Bucket": call.the_bucket.name,
        "KeyMarker": key_marker,
        "UploadIdMarker": upload_marker if key_marker else "",
        "Prefix": prefix or None,
        "Delimiter": delimiter or None,
        "MaxUploads": limit,
        "EncodingType": input.get("EncodingType"),
        "IsTruncated": page.is_truncated,
        "CommonPrefixes": PrefixRows(page.common_prefixes),
        "Uploads": [_upload(row, owners) for row in page.rows],
    }
    last = page.last
    is_upload = isinstance(last, ListedUpload)
    output["NextKeyMarker"], output["NextUploadIdMarker"] = (
        (last.key, last.upload_id) if is_upload else (last or "", "")
    )
    return output


def _uploads_page(
    conn: Connection, bucket_id: int, prefix: str, delimiter: str, key_marker: str, upload_marker: str, limit: int
) -> tuple[Page, Owners]:
    """ "If key-marker is not specified, the upload-id-marker parameter is ignored." (API Reference)"""
    start = ("", listing.BEFORE_UPLOADS)
    if key_marker:
        if upload_marker and not uploads.is_marker(conn, bucket_id, key_marker, upload_marker):
            raise InvalidArgument(
                "Invalid uploadId marker", ArgumentName="upload-id-marker", ArgumentValue=upload_marker
            )
        start = (key_marker, upload_marker or listing.AFTER_UPLOADS)
        at_least = begin_after(key_marker, prefix, delimiter)
        if at_least:
            start = (at_least, listing.BEFORE_UPLOADS)
    page = listing.list_uploads(conn, bucket_id, prefix=prefix, delimiter=delimiter, start=start, limit=limit)
    return page, listing.owners(conn, {user for row in page.rows for user in (row.owner_id, row.initiator_id)})


def _upload(row: ListedUpload, owners: Owners) -> Output:
    return {
        "Key": row.key,
        "UploadId": row.upload_id,
        "Initiated": timestamp(row.initiated_at),
        "StorageClass": row.storage_class,
        "Owner": _person(owners, row.owner_id),
        "Initiator": _person(owners, row.initiator_id),
        "ChecksumAlgorithm": row.checksum_algorithm,
        "ChecksumType": row.checksum_type,
    }
