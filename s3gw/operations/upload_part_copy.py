"""UploadPartCopy: a part that points to (a range of) another object's content. No bytes move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.errors import InvalidArgument, InvalidRequest, NoSuchKey, ServiceUnavailable
from s3gw.metadata import contents, uploads
from s3gw.metadata.change import Change, KeyLock, PartLock
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.uploads import Upload, UploadedPart
from s3gw.operations.buckets import timestamp
from s3gw.operations.call import Call, Output, Source
from s3gw.operations.copy_object import find_source, find_source_with_content, source_version_id
from s3gw.operations.multipart import check_part_number
from s3gw.operations.preconditions import SourceCondition, for_source
from s3gw.operations.ranges import ByteRange, position
from s3gw.operations.received_body import DEFAULT_ALGORITHM
from s3gw.operations.scanned import require_served, require_served_source
from s3gw.operations.stored_checksum import checksum_of_content, md5_of_content

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import UploadPartCopyRequestTypeDef

_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


class _Plan(NamedTuple):
    """What is to be copied, and where to. The transaction fails if the source has another content by then."""

    source: Source
    holds: SourceCondition
    upload: Upload
    part_number: int
    content_id: int
    copied: ByteRange
    etag: str | None  # None: made from the layout of the copied range
    checksum_algorithm: str | None
    checksum: str | None
    scan_policy: str  # of the source's bucket


class _SourceChanged(Exception):
    pass


async def upload_part_copy(call: Call, input: UploadPartCopyRequestTypeDef) -> Output:
    number, upload_id, source = check_part_number(call, input["PartNumber"]), input["UploadId"], call.the_source
    _asked_range(input.get("CopySourceRange"))  # a malformed one is refused before anything is looked up
    locks = (PartLock(upload_id, number), KeyLock(source.bucket.id, source.key))
    for _ in range(3):
        plan = await _plan(call, input)
        try:
            original, part = await call.change(locks, _put, plan)
        except _SourceChanged:
            continue
        return _output(plan, part, original)
    raise ServiceUnavailable("The source object keeps changing. Please try again.")


async def _plan(call: Call, input: Any) -> _Plan:
    database, holds = call.services.database, for_source(input, call.now)
    upload = await database.read(uploads.find, call.the_bucket.id, input["Key"], input["UploadId"])
    with call.services.pins.open() as pin:
        original, content = await database.read(find_source_with_content, call.the_source)
        call.check("source", original)
        await require_served(call, call.the_source.bucket, content)
        pin.keep_content(content.id)
        holds(original)  # before bytes are read for a checksum
        copied = _copied_range(input, original, call.services.settings.max_put)
        whole = copied.length == original.size
        etag = original.etag if whole and "-" not in original.etag else None
        if etag is None and call.services.settings.copy_etag == "aws":
            etag = await md5_of_content(call, content, copied.offset, copied.length)
        algorithm, checksum = upload.checksum_algorithm or DEFAULT_ALGORITHM, None
        if whole and (original.checksum_algorithm, original.checksum_type) == (algorithm, "FULL_OBJECT"):
            checksum = original.checksum
        elif upload.checksum_algorithm is not None or call.services.settings.copy_etag == "aws":
            checksum = await checksum_of_content(call, content, copied.offset, copied.length, algorithm)
    return _Plan(
        source=call.the_source,
        holds=holds,
        upload=upload,
        part_number=input["PartNumber"],
        content_id=content.id,
        copied=copied,
        etag=etag,
        checksum_algorithm=algorithm if checksum else None,
        checksum=checksum,
        scan_policy=call.scan_policy_of(call.the_source.bucket),
    )


def _asked_range(header: str | None) -> tuple[int, int] | None:
    """The first and the last byte."""
    if header is None:
        return None
    match = _RANGE.fullmatch(header)
    first, last = (0, -1) if match is None else (position(match[1]), position(match[2]))
    if first > last:
        raise InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the"
            " zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    return first, last


def _copied_range(input: Any, original: ObjectVersion, largest: int) -> ByteRange:
    header = input.get("CopySourceRange")
    first, last = _asked_range(header) or (0, original.size - 1)
    if header is not None and first >= original.size:
        raise InvalidRequest("The specified copy range is invalid for the source object size")
    if last >= original.size:
        raise InvalidArgument(
            f"Range specified is not valid for source object of size: {original.size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    copied = ByteRange(first, last - first + 1)
    if copied.length > largest:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {largest}"
        )
    return copied


def _put(change: Change, plan: _Plan) -> tuple[ObjectVersion, UploadedPart]:
    uploads.find(change.conn, change.bucket_id, plan.upload.key, plan.upload.upload_id)
    try:
        original = find_source(change.conn, plan.source)
    except NoSuchKey:
        raise _SourceChanged from None
    change.check("source", original)
    require_served_source(change.conn, plan.scan_policy, original)
    plan.holds(original)
    if original.content_id != plan.content_id:
        raise _SourceChanged
    content = contents.copy_range(change.conn, plan.content_id, plan.copied.offset, plan.copied.length)
    part = UploadedPart(
        upload_id=plan.upload.upload_id,
        part_number=plan.part_number,
        size=plan.copied.length,
        etag=plan.etag or content.digest[:16].hex(),
        last_modified=change.now,
        content_id=content.id,
        checksum_algorithm=plan.checksum_algorithm,
        checksum=plan.checksum,
    )
    uploads.put_part(change, part)
    return original, part


def _output(plan: _Plan, part: UploadedPart, original: ObjectVersion) -> Output:
    result: Output = {"ETag": f'"{part.etag}"', "LastModified": timestamp(part.last_modified)}
    if plan.upload.checksum_algorithm is not None:  # AWS names none in the answers of an upload without algorithm
        result[f"Checksum{part.checksum_algorithm}"] = part.checksum
    return {"CopyPartResult": result, "CopySourceVersionId": source_version_id(plan.source, original)}
