"""What a target is told has the keys, the types and the forms of AWS's own examples, whoever changed the object."""

from __future__ import annotations

import json
import re
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import pytest

from s3gw.events import records
from s3gw.events.names import name_of
from s3gw.events.records import NamedBucket, message_of
from s3gw.events.rules import Rule
from s3gw.metadata.outbox import ChangeRow

# Amazon S3 User Guide, "Event message structure": what is sent for a PutObject, …
PUT = """{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2",
"eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put",
"userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810",
"x-amz-id-2":"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule","bucket":{"name":"amzn-s3-demo-bucket",
"ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::amzn-s3-demo-bucket"},
"object":{"key":"HappyFace.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e",
"versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}"""
# … and "How to set up event notifications": the test.
TEST = """{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"bucketname",
"RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}"""
# Of a removed object nothing is told that it had; without versioning there is no version.
OF_REMOVED = {"size", "eTag"}
BUCKET = NamedBucket("amzn-s3-demo-bucket", "us-west-2", "a" * 64)
RULE = Rule("testConfigRule", "arn:aws:sqs:us-west-2:123456789012:hook", ("s3:ObjectCreated:*",), "", "")
_NUMBERS = [name for name in ChangeRow._fields if name.startswith("more_")]


def row(kind: str, operation: str, **given: Any) -> ChangeRow:
    told = {
        "transaction": 5, "id": 7, "at": 1_413_215_822_089_000, "bucket_id": 1, "kind": kind, "operation": operation,
        "key": "HappyFace.jpg", "version_id": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "file_id": None, "size": 1024,
        "etag": "d41d8cd98f00b204e9800998ecf8427e", "actor_id": "AIDAJDPLRKLG7UEXAMPLE", "address": "127.0.0.1",
        "request_id": "C3D13FE58DE4C810", **dict.fromkeys(_NUMBERS, 0),
    }  # fmt: skip
    return ChangeRow(**{**told, **given})


def message(change: ChangeRow) -> Any:
    return json.loads(message_of(change, name_of(change) or "", BUCKET, RULE))


def shape(value: Any) -> Any:
    """Keys in their order, and types."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def test_a_put_is_told_as_aws_tells_it() -> None:
    ours, theirs = message(row("created", "PutObject")), json.loads(PUT)
    assert shape(ours) == shape(theirs)
    for told in (ours, theirs):  # what only the server that is asked can know
        record = told["Records"][0]
        record.pop("eventTime")
        record["responseElements"].pop("x-amz-id-2")
        record["s3"]["object"].pop("sequencer")
        record["s3"]["bucket"].pop("ownerIdentity")
    assert ours == theirs


NOBODY = {"actor_id": "", "address": "", "request_id": "", "version_id": "null"}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (row("created", "PutObject"), "ObjectCreated:Put"),
        (row("created", "CompleteMultipartUpload", etag=f"{'a' * 32}-2"), "ObjectCreated:CompleteMultipartUpload"),
        (row("created", "PostObject", address="2001:db8::1"), "ObjectCreated:Post"),
        (row("removed", "DeleteObject"), "ObjectRemoved:Delete"),
        (row("removed", "DeleteObject", **NOBODY), "ObjectRemoved:Delete"),
        (row("hidden", "DeleteObject"), "ObjectRemoved:DeleteMarkerCreated"),
        (row("tagged", "PutObjectTagging"), "ObjectTagging:Put"),
        (row("acl", "PutObjectAcl", actor_id=""), "ObjectAcl:Put"),
        (row("scanned", "ScanClean", **NOBODY), "s3gw:Scan:Clean"),
    ],
)
def test_every_event_has_the_types_and_forms_of_the_example(change: ChangeRow, name: str) -> None:
    """Those that libraries hold it to, as Powertools for AWS Lambda does."""
    (record,), (example,) = message(change)["Records"], json.loads(PUT)["Records"]
    assert record["eventName"] == name
    told, of_example = record["s3"].pop("object"), example["s3"].pop("object")
    assert shape(record) == shape(example)
    absent = set(of_example) - set(told)
    assert absent <= (OF_REMOVED if name.startswith("ObjectRemoved:") else set()) | {"versionId"}
    assert ("versionId" in absent) == (change.version_id == "null")
    assert shape(told) == {key: kind for key, kind in shape(of_example).items() if key in told}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])
    assert datetime.fromisoformat(record["eventTime"]).timestamp() == change.at / 1_000_000
    assert re.fullmatch(r"([0-9A-F]{2})+", told["sequencer"])
    address = record["requestParameters"]["sourceIPAddress"]
    assert address == "s3.amazonaws.com" or ip_address(address)
    assert record["userIdentity"]["principalId"]


def test_the_test_is_the_one_of_the_example() -> None:
    ours, theirs = (
        json.loads(records.test_message("bucketname", 1_413_215_822_089_000, "5582815E1AEA5ADF")),
        json.loads(TEST),
    )
    assert shape(ours) == shape(theirs) and list(ours) == list(theirs)
    assert ours | {"HostId": ""} == theirs | {"HostId": ""}
