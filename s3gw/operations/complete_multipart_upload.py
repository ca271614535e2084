"""CompleteMultipartUpload: the chosen parts become one part list, the upload becomes an object. No bytes move."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.checksums import ALGORITHMS, combine_full_object, composite, decode_checksum
from s3gw.errors import (
    BadDigest,
    ConditionalRequestConflict,
    EntityTooLarge,
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
    NoSuchUpload,
)
from s3gw.metadata import contents, objects, uploads
from s3gw.metadata.change import Change
from s3gw.metadata.contents import NewContent
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, ObjectVersion, Precondition, Stored
from s3gw.metadata.uploads import Upload, UploadedPart
from s3gw.operations.call import Call, Output
from s3gw.operations.preconditions import for_write
from s3gw.operations.received_body import DEFAULT_ALGORITHM

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompleteMultipartUploadRequestTypeDef


class _Asked(NamedTuple):
    """What the request says, its parts in order, and the limits in bytes. `condition` names the header of `holds`."""

    key: str
    upload_id: str
    listed: Sequence[Any]
    claimed: Mapping[str, str]
    checksum_type: str | None
    size: int | None
    condition: str
    holds: Precondition | None
    min_part: int
    max_object: int


class Completed(NamedTuple):
    etag: str
    stored: Stored
    checksum_algorithm: str | None
    checksum_type: str | None
    checksum: str | None


async def complete_multipart_upload(call: Call, input: CompleteMultipartUploadRequestTypeDef) -> Output:
    settings = call.services.settings
    listed = _listed(input)
    _check_claims(input)
    asked = _Asked(
        key=input["Key"],
        upload_id=input["UploadId"],
        listed=listed,
        claimed=_checksums(input),
        checksum_type=input.get("ChecksumType"),
        size=int(input["MpuObjectSize"]) if "MpuObjectSize" in input else None,
        condition="If-Match" if "IfMatch" in input else "If-None-Match",
        holds=for_write(input, call.now),
        min_part=settings.min_part,
        max_object=settings.max_object,
    )
    done = await call.change([call.key_lock(asked.key)], _complete, asked)
    output: Output = {
        "Bucket": call.the_bucket.name,
        "Key": input["Key"],
        "ETag": f'"{done.etag}"',
        "VersionId": done.stored.version_id,
    }
    if done.checksum is not None:
        output |= {f"Checksum{done.checksum_algorithm}": done.checksum, "ChecksumType": done.checksum_type}
    return output


def _listed(input: Any) -> list[Any]:
    """The parts of the document, each checked for its form before any is looked for."""
    if "MultipartUpload" not in input:
        raise MalformedXML()
    listed = input["MultipartUpload"].get("Parts")
    if not listed:
        raise InvalidRequest("You must specify at least one part")
    for entry in listed:
        _check_entry(entry)
    numbers = [entry["PartNumber"] for entry in listed]
    if numbers != sorted(numbers):
        raise InvalidPartOrder(UploadId=input["UploadId"])
    return list(dict(zip(numbers, listed, strict=True)).values())  # of a part that was sent again, the last counts


def _check_entry(entry: Mapping[str, Any]) -> None:
    if entry["PartNumber"] < 1:
        raise InvalidArgument(
            "PartNumber must be >= 1", ArgumentName="PartNumber", ArgumentValue=str(entry["PartNumber"])
        )
    stated = _checksums(entry)
    if len(stated) > 1 or any(decode_checksum(ALGORITHMS[name], value) is None for name, value in stated.items()):
        raise InvalidArgument(
            "Invalid Base64 or multiple checksums present in request",
            ArgumentName="Checksum",
            ArgumentValue=", ".join(stated.values()),
        )


def _check_claims(input: Mapping[str, Any]) -> None:
    """The form of the object's checksum as the request states it: base64, with `-N` behind it if it is composite."""
    if input.get("ChecksumType", "COMPOSITE") not in ("COMPOSITE", "FULL_OBJECT"):
        raise InvalidRequest("Value for x-amz-checksum-type header is invalid.")
    for name, value in _checksums(input).items():
        digest, dash, count = value.partition("-")
        is_count = count.isascii() and count.isdigit()
        if decode_checksum(ALGORITHMS[name], digest) is None or (dash and not is_count):
            raise InvalidRequest(f"Value for {ALGORITHMS[name].header} header is invalid.")


def _complete(change: Change, asked: _Asked) -> Completed:
    conn = change.conn
    try:
        upload = uploads.lock_exclusive(conn, change.bucket_id, asked.key, asked.upload_id)
    except NoSuchUpload:
        return _completed_before(change, asked.key, asked.upload_id)
    present = {part.part_number: part for part in uploads.list_parts(conn, upload.upload_id)}
    chosen = [_chosen(entry, present, upload) for entry in asked.listed]
    _check_sizes(asked, chosen)
    etag = _etag(chosen)
    algorithm, checksum_type, checksum = _checksum(asked, upload, chosen)
    new = NewObject(
        key=upload.key,
        size=sum(part.size for part in chosen),
        etag=etag,
        owner_id=upload.owner_id,
        storage_class=upload.storage_class,
        parts_count=len(chosen),
        checksum_algorithm=algorithm,
        checksum_type=checksum_type,
        checksum=checksum,
        headers=upload.headers,
        acl=upload.acl,
        user_metadata=upload.user_metadata,
        tags=upload.tags,
        upload_id=upload.upload_id,
    )
    place = partial(contents.insert, new=_part_list(conn, upload, chosen), takes_over=True)
    stored = objects.put(change, new, place, _unless_overtaken(asked, upload))
    uploads.remove(change, upload, frozenset(part.part_number for part in chosen))
    return Completed(etag, stored, algorithm, checksum_type, checksum)


def _unless_overtaken(asked: _Asked, upload: Upload) -> Precondition | None:
    """The condition, and with it that nobody wrote or deleted the key since the upload began."""
    holds = asked.holds
    if holds is None:
        return None

    def check(top: ObjectVersion | None) -> None:
        holds(top)
        present = uploads.NO_VERSION if top is None else top.sequence
        if upload.key_sequence not in (None, present):
            raise ConditionalRequestConflict(
                "The conditional request cannot succeed due to a conflicting operation against this resource.",
                Condition=asked.condition,
                Key=upload.key,
            )

    return check


def _completed_before(change: Change, key: str, upload_id: str) -> Completed:
    """A client that didn't get the answer asks again: it gets the same one as long as the object is the latest."""
    top = objects.latest(change.conn, change.bucket_id, key)
    if top is None or top.upload_id != upload_id:
        raise NoSuchUpload(UploadId=upload_id)
    change.check("compared", top)
    version_id = None if top.version_id == objects.NULL_VERSION else top.version_id
    stored = Stored(version_id, top.last_modified)
    return Completed(top.etag, stored, top.checksum_algorithm, top.checksum_type, top.checksum)


def _chosen(entry: Any, present: dict[int, UploadedPart], upload: Upload) -> UploadedPart:
    part, etag = present.get(entry["PartNumber"]), entry["ETag"].replace('"', "")
    if part is None or etag != part.etag:
        raise InvalidPart(UploadId=upload.upload_id, PartNumber=entry["PartNumber"], ETag=etag)
    for name, value in _checksums(entry).items():
        if upload.checksum_algorithm not in (None, name):
            raise BadDigest(
                f"The {name.lower()} you specified for part {part.part_number} did not match what we received."
            )
        # Of an upload without algorithm this is CRC64NVME, whatever the part was sent with.
        if name != part.checksum_algorithm or value != part.checksum:
            raise InvalidPart(UploadId=upload.upload_id, PartNumber=part.part_number, ETag=part.etag)
    return part


def _checksums(given: Mapping[str, Any]) -> dict[str, str]:
    """By algorithm, those that a part's entry or the request states."""
    return {name: given[row.member] for name, row in ALGORITHMS.items() if row.member in given}


def _check_sizes(asked: _Asked, chosen: Sequence[UploadedPart]) -> None:
    for part in chosen[:-1]:
        if part.size < asked.min_part:
            raise EntityTooSmall(
                ProposedSize=part.size, MinSizeAllowed=asked.min_part, PartNumber=part.part_number, ETag=part.etag
            )
    size = sum(part.size for part in chosen)
    if size > asked.max_object:
        raise EntityTooLarge(ProposedSize=size, MaxSizeAllowed=asked.max_object)
    if asked.size not in (None, size):
        raise InvalidRequest(
            f"The provided 'x-amz-mp-object-size' header value {asked.size} does not match what was computed: {size}"
        )


def _etag(chosen: Sequence[UploadedPart]) -> str:
    digests = b"".join(bytes.fromhex(part.etag) for part in chosen)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(chosen)}"


def _checksum(
    asked: _Asked, upload: Upload, chosen: Sequence[UploadedPart]
) -> tuple[str | None, str | None, str | None]:
    """The object's checksum from those of its parts; none when a part was copied from bytes without one."""
    algorithm = upload.checksum_algorithm or DEFAULT_ALGORITHM
    kind = upload.checksum_type or "FULL_OBJECT"
    if asked.checksum_type not in (None, upload.checksum_type):
        raise InvalidRequest(
            f"The upload was created using the {upload.checksum_type or 'null'} checksum mode. The complete request"
            " must use the same checksum mode."
        )
    claimed = asked.claimed
    is_unknown = any(part.checksum_algorithm != algorithm or part.checksum is None for part in chosen)
    if claimed and (is_unknown or set(claimed) != {algorithm}):  # it can't be compared, so it isn't accepted either
        raise InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {'null' if is_unknown else algorithm.lower()},"
            f" actual checksum Type: {', '.join(claimed).lower()}"
        )
    if is_unknown:
        return None, None, None
    digests = [base64.b64decode(str(part.checksum)) for part in chosen]
    if kind == "COMPOSITE":
        value = composite(algorithm, digests)
    else:
        sizes = [part.size for part in chosen]
        combined = combine_full_object(algorithm, list(zip(digests, sizes, strict=True)))
        value = base64.b64encode(combined).decode()
    if claimed and claimed[algorithm] not in (value, value.partition("-")[0]):  # "-N" may be left out
        raise BadDigest(f"The {algorithm.lower()} you specified did not match the calculated checksum.")
    return algorithm, kind, value


def _part_list(conn: Connection, upload: Upload, chosen: Sequence[UploadedPart]) -> NewContent:
    algorithm = upload.checksum_algorithm
    return contents.part_list(
        contents.parts_from(
            conn,
            [
                (part.part_number, part.content_id, part.checksum if part.checksum_algorithm == algorithm else None)
                for part in chosen
            ],
        )
    )
