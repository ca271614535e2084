"""CopyObject and RenameObject: a new version that points to the same content. No bytes move, whatever the size."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.checksums import algorithm_named
from s3gw.errors import InvalidArgument, InvalidRequest, NoSuchKey, ServiceUnavailable
from s3gw.metadata import client_tokens, contents, objects, read_objects
from s3gw.metadata.change import Change, KeyLock, Lock, TokenLock
from s3gw.metadata.contents import Content
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, ObjectVersion, Precondition, Stored
from s3gw.operations.buckets import timestamp
from s3gw.operations.call import Call, Output, Source
from s3gw.operations.copy_source import parse_rename_source
from s3gw.operations.get_object import readable
from s3gw.operations.new_acl import NewAcl, acl_of_new
from s3gw.operations.object_fields import Fields, checksum_members, fields_of
from s3gw.operations.preconditions import SourceCondition, for_source, for_write
from s3gw.operations.scanned import require_served, require_served_source
from s3gw.operations.stored_checksum import checksum_of_content, md5_of_content

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CopyObjectRequestTypeDef, RenameObjectRequestTypeDef

# No object has annotations: to copy them and to exclude them is the same.
_DIRECTIVES = (
    ("MetadataDirective", "metadata", ("COPY", "REPLACE")),
    ("TaggingDirective", "tagging", ("COPY", "REPLACE")),
    ("AnnotationDirective", "object-annotation", ("COPY", "EXCLUDE")),
)
_LARGEST_SOURCE = 5 * 1024**3
# "A unique string with a max of 64 ASCII characters in the ASCII range of 33 - 126" (RenameObject).
_CLIENT_TOKEN = re.compile(r"[!-~]{1,64}")


class _Asked(NamedTuple):
    """What the request says of the copy. `gives_fields` when it names something that the source may have otherwise;
    `largest`: a source may have so many bytes.
    """

    source: Source
    key: str
    new_acl: NewAcl
    fields: Fields
    replaces_metadata: bool
    replaces_tags: bool
    gives_fields: bool
    redirect: str | None
    check_source: SourceCondition
    holds: Precondition | None
    largest: int
    scan_policy: str  # of the source's bucket


class Computed(NamedTuple):
    """What was computed from the bytes of a content; None for what wasn't asked for."""

    content_id: int
    algorithm: str | None
    checksum: str | None
    etag: str | None


class _SourceChanged(Exception):
    """The source got another content while its checksum was being computed."""


async def copy_object(call: Call, input: CopyObjectRequestTypeDef) -> Output:
    _check_directives(input)
    if "ChecksumAlgorithm" in input:
        algorithm_named(input["ChecksumAlgorithm"])
    asked = _asked(call, input, await acl_of_new(call, input))
    for _ in range(3):
        computed = await _compute(call, asked, input.get("ChecksumAlgorithm"))
        try:
            return await _copy(call, asked, computed)
        except _SourceChanged:
            continue
    raise ServiceUnavailable("The source object keeps changing. Please try again.")


def _asked(call: Call, input: Any, new_acl: NewAcl) -> _Asked:
    replaces, redirect = input.get("MetadataDirective") == "REPLACE", input.get("WebsiteRedirectLocation")
    return _Asked(
        source=call.the_source,
        key=input["Key"],
        new_acl=new_acl,
        fields=fields_of(input, call.services.settings.max_metadata),
        replaces_metadata=replaces,
        replaces_tags=input.get("TaggingDirective") == "REPLACE",
        gives_fields=replaces or "StorageClass" in input or redirect is not None,
        redirect=redirect,
        check_source=for_source(input, call.now),
        holds=for_write(input, call.now),
        largest=input.get("LargestSource", _LARGEST_SOURCE),
        scan_policy=call.scan_policy_of(call.the_source.bucket),
    )


async def _copy(call: Call, asked: _Asked, computed: Computed | None) -> Output:
    source = asked.source
    locks = (call.key_lock(asked.key), KeyLock(source.bucket.id, source.key))
    original, copy, stored = await call.change(locks, _copy_version, asked, computed)
    output: Output = {
        "CopyObjectResult": {"ETag": f'"{copy.etag}"', "LastModified": timestamp(stored.last_modified)},
        # Unlike other writes, a copy names the null version of a bucket whose versioning is suspended.
        "VersionId": stored.version_id or (objects.NULL_VERSION if call.the_bucket.versioning else None),
        "CopySourceVersionId": source_version_id(source, original),
    }
    if copy.checksum is not None:
        output["CopyObjectResult"] |= checksum_members(copy)
    return output


def source_version_id(source: Source, original: ObjectVersion) -> str | None:
    """CopySourceVersionId of the answer: None for a null version, unless the request names it."""
    is_named = original.version_id != objects.NULL_VERSION or source.version_id is not None
    return original.version_id if source.bucket.versioning and is_named else None


def _copy_version(change: Change, asked: _Asked, computed: Computed | None) -> tuple[ObjectVersion, NewObject, Stored]:
    original = find_source(change.conn, asked.source)
    change.check("source", original)
    require_served_source(change.conn, asked.scan_policy, original)
    asked.check_source(original)
    if original.size > asked.largest:
        raise InvalidRequest(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        )
    if computed is not None and computed.content_id != original.content_id:
        raise _SourceChanged
    copy = _described(asked, original, computed)
    place = partial(_retain, content_id=original.content_id)
    stored = objects.put(change, copy, place, _precondition(change, asked, original))
    return original, copy, stored


def _precondition(change: Change, asked: _Asked, original: ObjectVersion) -> Precondition:
    """The request's condition is checked first: where it fails too, that is the error which the client hears."""

    def check(top: ObjectVersion | None) -> None:
        if asked.holds is not None:
            asked.holds(top)
        _refuse_copy_to_itself(change, asked, original)

    return check


def find_source(conn: Connection, source: Source) -> ObjectVersion:
    return _readable_source(source, objects.find(conn, source.bucket.id, source.key, source.version_id))


def find_source_with_content(conn: Connection, source: Source) -> tuple[ObjectVersion, Content]:
    """By one statement: the content of an overwritten source may be gone at the next."""
    found, content = read_objects.find_with_content(conn, source.bucket.id, source.key, source.version_id)
    version = _readable_source(source, found)
    assert content is not None, "a readable version has a content"
    return version, content


def _readable_source(source: Source, found: ObjectVersion | None) -> ObjectVersion:
    if found is not None and found.is_delete_marker and source.version_id is not None:
        raise InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        )
    return readable(found, {"Key": source.key, **({"VersionId": source.version_id} if source.version_id else {})})


def _retain(conn: Connection, content_id: int | None) -> int:
    assert content_id is not None, "a readable version has a content"
    contents.retain(conn, content_id)
    return content_id


def _check_directives(input: Any) -> None:
    for member, header, values in _DIRECTIVES:
        if input.get(member, "COPY") not in values:
            raise InvalidArgument(
                f"Unknown {header.removeprefix('object-')} directive.",
                ArgumentName=f"x-amz-{header}-directive",
                ArgumentValue=input[member],
            )


def _refuse_copy_to_itself(change: Change, asked: _Asked, original: ObjectVersion) -> None:
    """A field that is given counts as changed even when the object has the same value already."""
    same = original.bucket_id == change.bucket_id and original.key == asked.key
    if same and not asked.gives_fields and original.is_current:  # a copy of an older version becomes the latest
        raise InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the"
            " object's metadata, storage class, website redirect location or encryption attributes."
        )


def _described(asked: _Asked, original: ObjectVersion, computed: Computed | None) -> NewObject:
    fields, replaces = asked.fields, asked.replaces_metadata
    copy = NewObject(
        key=asked.key,
        size=original.size,
        etag=original.etag,
        owner_id=asked.new_acl.owner_id,
        acl=asked.new_acl.acl,
        storage_class=fields.storage_class,
        parts_count=original.parts_count,
        checksum_algorithm=original.checksum_algorithm,
        checksum_type=original.checksum_type,
        checksum=original.checksum,
        headers=fields.headers if replaces else _kept_headers(original, asked.redirect),
        user_metadata=fields.user_metadata if replaces else original.user_metadata,
        tags=fields.tags if asked.replaces_tags else original.tags,
    )
    if computed is not None and computed.etag is not None:
        copy = copy._replace(etag=computed.etag, parts_count=None)  # to AWS a copy is an object that was put whole
    if computed is not None and computed.checksum is not None:
        copy = copy._replace(
            checksum_algorithm=computed.algorithm, checksum_type="FULL_OBJECT", checksum=computed.checksum
        )
    return copy


def _kept_headers(original: ObjectVersion, redirect: str | None) -> str | None:
    """All of the source's but the website redirect, which a copy gets only by its own request."""
    headers = json.loads(original.headers) if original.headers else {}
    headers.pop("WebsiteRedirectLocation", None)
    if redirect is not None:
        headers["WebsiteRedirectLocation"] = redirect
    return json.dumps(headers, separators=(",", ":")) if headers else None


async def _compute(call: Call, asked: _Asked, algorithm: str | None) -> Computed | None:
    """The checksum that the request asks for, and AWS's ETag if we are to give that, read from the bytes."""
    as_aws = call.services.settings.copy_etag == "aws"
    if algorithm is None and not as_aws:
        return None
    with call.services.pins.open() as pin:
        original, content = await call.services.database.read(find_source_with_content, asked.source)
        call.check("source", original)
        await require_served(call, call.the_source.bucket, content)
        pin.keep_content(content.id)
        asked.check_source(original)  # before bytes are read for a checksum
        if original.checksum_algorithm == algorithm and original.checksum_type == "FULL_OBJECT":
            algorithm = None  # it has that one
        hashes_etag = as_aws and "-" in original.etag
        if algorithm is None and not hashes_etag:
            return None
        checksum = await checksum_of_content(call, content, 0, content.size, algorithm) if algorithm else None
        etag = await md5_of_content(call, content, 0, content.size) if hashes_etag else None
    return Computed(content.id, algorithm, checksum, etag)


class _Rename(NamedTuple):
    source: str
    key: str
    check_source: SourceCondition
    holds: Precondition | None
    token: str | None
    request_digest: str


async def rename_object(call: Call, input: RenameObjectRequestTypeDef) -> Output:
    source = parse_rename_source(input["RenameSource"], call.the_bucket.name)
    locks: list[Lock] = [call.key_lock(input["Key"]), call.key_lock(source)]
    token = input.get("ClientToken")
    if token is not None:
        if not _CLIENT_TOKEN.fullmatch(token):
            raise InvalidArgument(
                "A client token has 1 to 64 characters from ! to ~.",
                ArgumentName="x-amz-client-token",
                ArgumentValue=token,
            )
        locks.append(TokenLock(call.the_bucket.id, token))
    wanted = _Rename(
        source=source,
        key=input["Key"],
        check_source=for_source(input, call.now, "Source", "rename-source"),
        holds=for_write(input, call.now, "Destination"),
        token=token,
        request_digest=client_tokens.digest_of(input),
    )
    await call.change(locks, _rename, wanted)
    return {}


def _rename(change: Change, wanted: _Rename) -> None:
    """The new name gets all that the old one had. In a versioned bucket the old one is left a delete marker."""
    change.lock_bucket()
    token = wanted.token
    if token is not None and client_tokens.was_done(change.conn, change.bucket_id, token, wanted.request_digest):
        for on in ("renamed", "replaced"):  # neither is touched again
            change.check(on, None)
        return
    original = objects.find(change.conn, change.bucket_id, wanted.source)
    if original is None or original.is_delete_marker:
        raise NoSuchKey(Key=wanted.source)
    change.check("renamed", original)
    wanted.check_source(original)
    is_same = wanted.source == wanted.key
    replaced = None if is_same else objects.find(change.conn, change.bucket_id, wanted.key)
    change.check("replaced", None if replaced is None or replaced.is_delete_marker else replaced)
    if is_same:
        return
    values = original._asdict() | {"key": wanted.key}
    renamed = NewObject._make(values[name] for name in NewObject._fields)
    objects.put(change, renamed, partial(_retain, content_id=original.content_id), wanted.holds)
    objects.delete_latest(change, wanted.source, is_renamed=True)
