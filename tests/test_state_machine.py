"""Any sequence of requests is answered as S3 would: a running gateway beside a model of one bucket (s3_model.py).

S3GW_STATE_MACHINE_EXAMPLES says how many sequences; `make test` has a short form, `make soak` a long one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.compared_bucket import LISTS, ComparedBucket
from tests.crash.storage import settle
from tests.gateways import client_of
from tests.s3_model import etag_of
from tests.servers import running_server

EXAMPLES = int(os.environ.get("S3GW_STATE_MACHINE_EXAMPLES", "2"))
EXAMPLES_AT_LENGTH = 100
MIN_PART = 1024
# Parts are small, bodies have several chunks all the same, and the ETags of copies are AWS's.
SETTINGS = {"S3GW_MIN_PART": str(MIN_PART), "S3GW_CHUNK_SIZE": str(64 * 1024), "S3GW_COPY_ETAG": "aws"}

KeyVersion = tuple[str, str]
KeyUpload = tuple[str, str]

# The last two are the other way round in the order of UTF-16.
KEYS = st.sampled_from(["a", "a/", "a/b", "a/b/c", "a//b", "a b", "ä", "..", "\uff5e", "\U0001f600"])
# By their names, which are what a failure shows. The small ones are kept in the database, "chunks" are three.
BODIES = {
    "inline": b"inline" * 300,
    "chunk": bytes(range(256)) * 80,
    "chunks": bytes(range(255)) * 600,
    "byte": b"x",
    "empty": b"",
}
NAMES = st.sampled_from(list(BODIES))
LARGE_NAMES = st.sampled_from([name for name, body in BODIES.items() if len(body) >= MIN_PART])
METADATA = st.sampled_from([{}, {"m": "1"}, {"m": "2", "n": "3"}])
TAGGING = st.sampled_from(["", "t=1", "t=2&u=3"])
NUMBERS = st.integers(1, 4)
SPANS = ["bytes=0-0", "bytes=1-1000", "bytes=-5", "bytes=65530-65540", "bytes=20000-"]
READS = st.sampled_from(
    [{}, {}, {}, *({"Range": span} for span in SPANS), *({"PartNumber": number} for number in (1, 2, 3))]
)
COPIED_SPANS = st.sampled_from([{}, {"CopySourceRange": "bytes=0-0"}, {"CopySourceRange": "bytes=300-70000"}])
REPLACED = st.sampled_from(
    [
        {"MetadataDirective": "REPLACE", "Metadata": {"m": "4"}},
        {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE", "Tagging": "c=1"},
        {"TaggingDirective": "REPLACE"},
        {},
    ]
)
CONDITIONS = st.sampled_from(["none", "none", "none", "none", "unchanged", "absent", "changed"])
DELETE_CONDITIONS = st.sampled_from(["none", "none", "any", "unchanged", "changed"])
READ_CONDITIONS = st.sampled_from(["none", "none", "none", "none", "unchanged", "changed", "other"])
FLAWS = st.sampled_from(
    ["none", "none", "none", "none", "one left out", "backwards", "wrong ETag", "unknown part", "aborted"]
)


class Requests(RuleBasedStateMachine):
    # Those that are gone stay in the bundles: they are asked for, too.
    versions: Bundle[KeyVersion] = Bundle("versions")
    uploads: Bundle[KeyUpload] = Bundle("uploads")
    keys = versions.map(lambda version: version[0])

    def __init__(self, s3: Any) -> None:
        super().__init__()
        self.bucket = ComparedBucket(s3, MIN_PART)
        self.same = self.bucket.same

    @initialize(
        target=versions,
        chosen=st.lists(KEYS, min_size=2, max_size=4, unique=True),
        body=NAMES,
        status=st.sampled_from(["", "Enabled", "Suspended"]),
    )
    def begin(self, chosen: list[str], body: str, status: str) -> MultipleResults[KeyVersion]:
        for key in chosen:
            self.same("put_object", Key=key, Body=BODIES[body])
        if status:
            self.put_versioning(status=status)
        return multiple(*map(self.bucket.written, chosen))

    @rule(status=st.sampled_from(["Enabled", "Suspended"]))
    def put_versioning(self, status: str) -> None:
        self.same("put_bucket_versioning", VersioningConfiguration={"Status": status})

    @rule(
        target=versions,
        key=keys,
        bodies=st.lists(NAMES, min_size=1, max_size=3),
        metadata=METADATA,
        tagging=TAGGING,
        condition=CONDITIONS,
    )
    def put(
        self, key: str, bodies: list[str], metadata: Any, tagging: str, condition: str
    ) -> MultipleResults[KeyVersion]:
        written = []
        for body in bodies:
            conditions = self.bucket.condition(key, condition)
            self.same("put_object", Key=key, Body=BODIES[body], Metadata=metadata, Tagging=tagging, **conditions)
            written.append(self.bucket.written(key))
        return multiple(*written)

    @rule(
        target=versions,
        key=keys,
        source=versions,
        by_id=st.booleans(),
        replaced=REPLACED,
        source_condition=READ_CONDITIONS,
        condition=CONDITIONS,
    )
    def copy(
        self, key: str, source: KeyVersion, by_id: bool, replaced: Any, source_condition: str, condition: str
    ) -> KeyVersion:
        conditions = self.bucket.condition(source[0], source_condition, "CopySource")
        conditions |= self.bucket.condition(key, condition)
        self.same("copy_object", Key=key, CopySource=self.bucket.source(source, by_id), **replaced, **conditions)
        return self.bucket.written(key)

    @rule(target=versions, key=keys, source=keys, condition=st.sampled_from(["none", "none", "absent"]))
    def rename(self, key: str, source: str, condition: str) -> KeyVersion:
        conditions = self.bucket.condition(key, condition, "Destination")
        self.same("rename_object", Key=key, RenameSource=quote(f"/{self.bucket.name}/{source}"), **conditions)
        return self.bucket.written(key)

    @rule(target=versions, version=versions, by_id=st.booleans(), condition=DELETE_CONDITIONS)
    def delete(self, version: KeyVersion, by_id: bool, condition: str) -> KeyVersion:
        key, version_id = version
        given = {"VersionId": version_id} if by_id else self.bucket.condition(key, condition)
        self.same("delete_object", Key=key, **given)
        return self.bucket.written(key)

    @rule(target=versions, of_versions=st.lists(versions, max_size=2), plain=st.none() | keys, conditional=keys)
    def delete_several(self, of_versions: list[KeyVersion], plain: str | None, conditional: str) -> KeyVersion:
        entries = [{"Key": key, "VersionId": version_id} for key, version_id in of_versions]
        entries += [{"Key": plain}] if plain is not None else []
        entries.append({"Key": conditional, "ETag": etag_of(BODIES["byte"])})
        self.same("delete_objects", Delete={"Objects": entries})
        return self.bucket.written(conditional)

    @rule(version=versions, by_id=st.booleans(), tags=st.sampled_from([[], [{"Key": "p", "Value": "1"}]]))
    def tag(self, version: KeyVersion, by_id: bool, tags: list[dict[str, str]]) -> None:
        of = {"Key": version[0]} | ({"VersionId": version[1]} if by_id else {})
        self.same("put_object_tagging", **of, Tagging={"TagSet": tags})
        self.same("get_object_tagging", **of)

    @rule(version=versions, by_id=st.booleans(), what=READS, condition=READ_CONDITIONS)
    def read(self, version: KeyVersion, by_id: bool, what: dict[str, Any], condition: str) -> None:
        arguments = {"Key": version[0]} | what | ({"VersionId": version[1]} if by_id else {})
        arguments |= self.bucket.condition(version[0], condition)
        self.same("get_object", **arguments)
        self.same("head_object", **arguments)

    @rule(
        target=uploads,
        key=keys,
        metadata=METADATA,
        tagging=TAGGING,
        parts=st.dictionaries(NUMBERS, NAMES, max_size=3),
    )
    def create_upload(self, key: str, metadata: Any, tagging: str, parts: dict[int, str]) -> KeyUpload:
        answer = self.same("create_multipart_upload", Key=key, Metadata=metadata, Tagging=tagging)
        for number, body in parts.items():
            self.upload_part(upload=(key, answer["UploadId"]), number=number, body=body)
        return key, answer["UploadId"]

    @rule(upload=uploads, number=NUMBERS, body=NAMES)
    def upload_part(self, upload: KeyUpload, number: int, body: str) -> None:
        self.same("upload_part", Key=upload[0], UploadId=upload[1], PartNumber=number, Body=BODIES[body])

    @rule(upload=uploads, number=NUMBERS, source=versions, by_id=st.booleans(), span=COPIED_SPANS)
    def upload_part_copy(
        self, upload: KeyUpload, number: int, source: KeyVersion, by_id: bool, span: dict[str, str]
    ) -> None:
        part = {"Key": upload[0], "UploadId": upload[1], "PartNumber": number}
        self.same("upload_part_copy", **part, CopySource=self.bucket.source(source, by_id), **span)

    @rule(target=versions, upload=uploads, flaw=FLAWS, condition=CONDITIONS)
    def complete(self, upload: KeyUpload, flaw: str, condition: str) -> KeyVersion:
        key, upload_id = upload
        known = self.bucket.model.uploads.get(upload_id)
        sent = sorted(known.parts.items()) if known is not None else []
        wrong = etag_of(b"never sent")
        parts = [{"PartNumber": number, "ETag": etag_of(body)} for number, body in sent]
        if flaw == "unknown part" or not parts:
            parts.append({"PartNumber": 5, "ETag": wrong})
        elif flaw == "one left out":
            parts = parts[1:] or parts
        elif flaw == "backwards":
            parts.reverse()
        elif flaw == "wrong ETag":
            parts[-1]["ETag"] = wrong
        elif flaw == "aborted":
            self.same("abort_multipart_upload", Key=key, UploadId=upload_id)
        arguments: Any = {"MultipartUpload": {"Parts": parts}, **self.bucket.condition(key, condition)}
        self.same("complete_multipart_upload", Key=key, UploadId=upload_id, **arguments)
        return self.bucket.written(key)

    @rule(target=versions, key=keys, metadata=METADATA, parts=st.dictionaries(NUMBERS, LARGE_NAMES, min_size=1))
    def put_in_parts(self, key: str, metadata: Any, parts: dict[int, str]) -> KeyVersion:
        upload = self.create_upload(key=key, metadata=metadata, tagging="t=1", parts=parts)
        self.complete(upload=upload, flaw="none", condition="none")
        return self.bucket.written(key)

    @rule(
        operation=st.sampled_from(LISTS),
        prefix=st.sampled_from(["", "", "a", "a/", "a/b", "ä", "\U0001f600"]),
        delimiter=st.sampled_from(["", "/", "b"]),
        after=st.just("") | KEYS,
        size=st.integers(0, 4),
    )
    def list_in_pages(self, operation: str, prefix: str, delimiter: str, after: str, size: int) -> None:
        self.bucket.list_in_pages(operation, prefix, delimiter, after, size)

    @rule(upload=uploads, size=st.integers(1, 3))
    def list_parts(self, upload: KeyUpload, size: int) -> None:
        of = {"Key": upload[0], "UploadId": upload[1], "MaxParts": size}
        page = self.same("list_parts", **of)
        while page.get("IsTruncated"):
            page = self.same("list_parts", **of, PartNumberMarker=page["NextPartNumberMarker"])

    @invariant()
    def lists_are_the_same(self) -> None:
        self.same("list_object_versions")
        self.same("list_objects_v2")

    def teardown(self) -> None:
        if self.bucket.agrees:
            self.bucket.clear()


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(EXAMPLES_AT_LENGTH, marks=pytest.mark.soak)])
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_any_sequence_of_requests_is_answered_as_by_the_model(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, examples: int
) -> None:
    url, data = None, tmp_path / "data"
    if database == "postgresql":
        postgresql = request.getfixturevalue("postgresql")
        url = postgresql.url(postgresql.create_database())
    with running_server(data, **SETTINGS, **({"S3GW_DATABASE_URL": url} if url else {})) as server:
        s3 = client_of(server)
        run_state_machine_as_test(
            lambda: Requests(s3),
            settings=settings(
                max_examples=examples,
                stateful_step_count=30,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert settle(data, url) == []
