"""Events as users of S3 have them: a target is made, a bucket names it, and a webhook is told of its objects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import pytest

from s3gw.events.message import NotTold
from s3gw.events.targets import check_name, secrets_of
from s3gw.jobs.deliver_events import reason_of
from s3gw.problems import Invalid
from tests.events.receiver import Receiver, Told, receiving
from tests.gateways import refusal
from tests.servers import RunningServer

_numbers = itertools.count()
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Wired:
    """A bucket that tells a webhook events."""

    def __init__(self, server: RunningServer, s3: Any, bucket: str, receiver: Receiver) -> None:
        self.server, self.s3, self.bucket, self.receiver = server, s3, bucket, receiver
        self.name = f"hook-{next(_numbers)}-{id(s3) % 100_000}"
        self.target = server.command("event-target", "create", self.name, receiver.url)

    def configure(self, *configurations: dict[str, Any]) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": list(configurations)}
        )

    def queue(self, events: list[str] = ALL, **filters: str) -> dict[str, Any]:
        found: dict[str, Any] = {"QueueArn": self.target["arn"], "Events": events}
        if filters:
            rules = [{"Name": name, "Value": value} for name, value in filters.items()]
            found["Filter"] = {"Key": {"FilterRules": rules}}
        return found

    def put(self, key: str, body: bytes = b"hello") -> Any:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def wait_for(self, *events: tuple[str, str]) -> list[Any]:
        """Records of exactly these (name, key), whatever the order of different keys."""
        records = self.receiver.wait_for(lambda records: len(records) >= len(events))
        told = [(record["eventName"], unquote_plus(record["s3"]["object"]["key"])) for record in records]
        assert sorted(told) == sorted(events)
        return records


@pytest.fixture
def wired(server: RunningServer, s3: Any, bucket: str, receiver: Receiver) -> Iterator[Wired]:
    wired = Wired(server, s3, bucket, receiver)
    yield wired
    server.command("event-target", "delete", wired.name)


def test_what_becomes_of_objects_is_told_in_the_words_of_s3(wired: Wired) -> None:
    s3, bucket = wired.s3, wired.bucket
    wired.configure(wired.queue())
    etag = wired.put("a b+ü/1.txt")["ETag"].strip('"')
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b+ü/1.txt"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="large", UploadId=upload, MultipartUpload=parts)
    s3.put_object_tagging(Bucket=bucket, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="copy")
    s3.put_object_acl(Bucket=bucket, Key="copy", ACL="public-read")
    s3.delete_object(Bucket=bucket, Key="copy")
    records = wired.wait_for(
        ("ObjectCreated:Put", "a b+ü/1.txt"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "large"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectAcl:Put", "copy"),
        ("ObjectRemoved:Delete", "copy"),
    )
    (put,) = [record for record in records if record["eventName"] == "ObjectCreated:Put"]
    assert put["eventVersion"] == "2.1" and put["eventSource"] == "aws:s3" and put["awsRegion"] == "us-east-1"
    assert put["s3"]["s3SchemaVersion"] == "1.0"
    assert put["s3"]["bucket"]["name"] == bucket and put["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    told = put["s3"]["object"]
    assert told.pop("sequencer") and told == {"key": "a+b%2B%C3%BC/1.txt", "size": 5, "eTag": etag}
    assert put["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}


def test_versions_and_delete_markers_are_told(wired: Wired, versioned: str) -> None:
    wired.configure(wired.queue())
    version = wired.put("a")["VersionId"]
    marker = wired.s3.delete_object(Bucket=wired.bucket, Key="a")["VersionId"]
    wired.s3.delete_object(Bucket=wired.bucket, Key="a", VersionId=version)
    records = wired.wait_for(
        ("ObjectCreated:Put", "a"), ("ObjectRemoved:DeleteMarkerCreated", "a"), ("ObjectRemoved:Delete", "a")
    )
    assert [record["s3"]["object"]["versionId"] for record in records] == [version, marker, version]
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(sequencers)


def test_only_what_is_asked_for_is_told(wired: Wired) -> None:
    wired.configure(wired.queue(["s3:ObjectCreated:Put"], prefix="images/", Suffix=".jpg"))
    for key in ("images/1.png", "1.jpg", "images/1.jpg", "images/2.JPG"):
        wired.put(key)
    wired.s3.delete_object(Bucket=wired.bucket, Key="images/1.jpg")
    wired.put("images/9.jpg")
    wired.wait_for(("ObjectCreated:Put", "images/1.jpg"), ("ObjectCreated:Put", "images/9.jpg"))


def test_a_message_is_signed_as_standard_webhooks_are(wired: Wired) -> None:
    wired.configure(wired.queue())
    wired.put("a")
    wired.wait_for(("ObjectCreated:Put", "a"))
    told = wired.receiver.told[-1]
    key = base64.b64decode(wired.target["secret"].removeprefix("whsec_"))
    signed = f"{told.headers['webhook-id']}.{told.headers['webhook-timestamp']}.".encode() + told.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert told.headers["webhook-signature"] == f"v1,{expected}"
    assert told.headers["content-type"] == "application/json"


def test_a_test_is_sent_to_each_target_that_is_new_to_a_bucket(wired: Wired) -> None:
    wired.configure(wired.queue())
    wired.configure(wired.queue(["s3:ObjectCreated:*"]))
    wired.put("a")
    wired.wait_for(("ObjectCreated:Put", "a"))
    tests = [told.document for told in wired.receiver.told if "Event" in told.document]
    assert [(test["Service"], test["Event"], test["Bucket"]) for test in tests] == [
        ("Amazon S3", "s3:TestEvent", wired.bucket)
    ]


def test_what_fails_is_told_again_and_events_of_a_key_stay_in_order(wired: Wired) -> None:
    failed: dict[str, int] = {}

    def fail_first(told: Told) -> int:
        """Each message once."""
        failed[told.headers["webhook-id"]] = failed.get(told.headers["webhook-id"], 0) + 1
        return 500 if failed[told.headers["webhook-id"]] == 1 else 200

    wired.receiver.answer = fail_first
    wired.configure(wired.queue())
    for number in range(3):
        for key in ("a", "b"):
            wired.put(key, bytes(number))
    wired.s3.delete_object(Bucket=wired.bucket, Key="a")
    records = wired.receiver.wait_for(lambda records: len(records) == 7)
    for key, sizes in (("a", [0, 1, 2, None]), ("b", [0, 1, 2])):
        of_key = [record["s3"]["object"] for record in records if record["s3"]["object"]["key"] == key]
        assert [told.get("size") for told in of_key] == sizes


def test_a_redirect_is_not_followed(wired: Wired) -> None:
    answers = itertools.chain([302, 307], itertools.repeat(200))
    wired.receiver.answer = lambda told: next(answers)
    wired.configure(wired.queue())
    wired.put("a")
    wired.wait_for(("ObjectCreated:Put", "a"))
    assert wired.receiver.attempts == 4  # the test and the event, and the two that were to be told elsewhere


def test_a_configuration_is_given_back_as_it_was_put(wired: Wired) -> None:
    wired.configure({"Id": "mine", **wired.queue(["s3:ObjectCreated:*"], prefix="a", suffix="b")})
    found = wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)
    rules = [{"Name": "Prefix", "Value": "a"}, {"Name": "Suffix", "Value": "b"}]
    assert found["QueueConfigurations"] == [
        {
            "Id": "mine",
            "QueueArn": wired.target["arn"],
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
        }
    ]
    wired.configure()
    found = wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)
    assert not {name for name in found if name.endswith("Configurations")}


ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Events": ["s3:ObjectCreated:Nothing"]}, "A specified event is not supported for notifications."),
        ({"QueueArn": "arn:aws:sns:us-east-1:123456789012:hook"}, "The ARN is not well formed"),
        ({"QueueArn": "hook"}, "The ARN is not well formed"),
        ({"QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"}, "Unable to validate the following destination"),
        ({"Filter": {"Key": {"FilterRules": [{"Name": "infix", "Value": "a"}]}}}, "either prefix or suffix"),
        ({"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}] * 2}}}, "more than one prefix rule"),
        ({"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "ü" * 513}]}}}, "cannot exceed 1024 bytes"),
        ({"Id": "i" * 256}, "ID length should not exceed allowed limit of 255"),
    ],
)
def test_a_configuration_that_can_not_be_is_refused(changed: dict[str, Any], message: str, wired: Wired) -> None:
    with pytest.raises(wired.s3.exceptions.ClientError) as refused:
        wired.configure(wired.queue() | changed)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidArgument" and message in error["Message"]
    assert "QueueConfigurations" not in wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((["s3:ObjectCreated:*"], {}), (["s3:ObjectCreated:Put"], {})),
        ((["s3:ObjectCreated:Put"], {"prefix": "a"}), (["s3:ObjectCreated:Put"], {"prefix": "ab"})),
        ((["s3:ObjectCreated:Put"], {"suffix": ".jpg"}), (["s3:ObjectCreated:Put"], {"prefix": "a"})),
    ],
)
def test_two_that_are_told_of_the_same_event_are_refused(one: Any, other: Any, wired: Wired) -> None:
    both = [wired.queue(events, **filters) for events, filters in (one, other)]
    configuration = {"QueueConfigurations": both}
    put = wired.s3.put_bucket_notification_configuration
    assert refusal(put, Bucket=wired.bucket, NotificationConfiguration=configuration) == (400, "InvalidArgument")
    apart = [wired.queue(["s3:ObjectCreated:Put"], prefix="a"), wired.queue(["s3:ObjectCreated:Put"], prefix="b")]
    wired.configure(*apart)


def test_a_bucket_names_its_owners_targets_and_shared_ones_alone(
    wired: Wired, owner: Any, owned: str, receiver: Receiver
) -> None:
    put = owner.s3.put_bucket_notification_configuration
    named = {"Bucket": owned, "NotificationConfiguration": {"QueueConfigurations": [wired.queue()]}}
    assert refusal(put, **named) == (400, "InvalidArgument")
    wired.server.command("event-target", "update", wired.name, "--shared")
    put(**named)
    owner.s3.put_object(Bucket=owned, Key="shared", Body=b"")
    receiver.wait_for(lambda records: len(records) == 1)
    wired.server.command("event-target", "update", wired.name, "--not-shared")
    owner.s3.put_object(Bucket=owned, Key="no more", Body=b"")
    wired.configure(wired.queue())
    wired.put("last")
    records = receiver.wait_for(lambda records: len(records) >= 2)
    assert [record["s3"]["object"]["key"] for record in records] == ["shared", "last"]


def test_a_bucket_has_100_configurations_at_most(wired: Wired) -> None:
    queues = [wired.queue(["s3:ObjectCreated:Put"], prefix=f"{number:03}") for number in range(101)]
    put, most = wired.s3.put_bucket_notification_configuration, {"QueueConfigurations": queues}
    assert refusal(put, Bucket=wired.bucket, NotificationConfiguration=most) == (400, "InvalidArgument")
    wired.configure(*queues[1:])


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("name", "ftp://example.com/"),
        ("name", "https://"),
        ("name", "https://example.com:0/"),
        ("name", "https://example.com:99999/"),
        ("name", "https://exa mple.com/"),
        ("name", "https://example.com/\n"),
        ("name", "https://example.com/#part"),
        ("name", "https://example.com/" + "a" * 2029),
        ("na me", "https://example.com/"),
        ("", "https://example.com/"),
        ("n" * 81, "https://example.com/"),
    ],
)
def test_what_is_no_target_is_refused(name: str, url: str) -> None:
    with pytest.raises(Invalid):
        checked(name, url)
    checked("n" * 80, "https://example.com/" + "a" * 2028)


def checked(name: str, url: str) -> None:
    check_name(name)
    secrets_of(url, None)


def test_of_an_answer_16_kib_are_read_at_most(wired: Wired) -> None:
    """A connection with more in it isn't used again."""
    wired.receiver.answer_size = 64 * 1024 * 1024
    wired.configure(wired.queue())
    wired.put("a")
    wired.wait_for(("ObjectCreated:Put", "a"))
    assert wired.receiver.sent < 32 * 1024 * 1024


def test_what_is_rolled_back_is_not_told(wired: Wired) -> None:
    wired.configure(wired.queue())
    refused = refusal(wired.s3.put_object, Bucket=wired.bucket, Key="a", Body=b"a", IfMatch='"0"')
    assert refused[0] in (404, 412)
    wired.put("b")
    wired.wait_for(("ObjectCreated:Put", "b"))


def test_a_topic_and_a_function_are_the_same_target(wired: Wired) -> None:
    arn: str = wired.target["arn"]
    events = ("s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete")
    configuration = {
        "TopicConfigurations": [{"TopicArn": arn.replace(":sqs:", ":sns:"), "Events": [events[0]]}],
        "LambdaFunctionConfigurations": [
            {
                "LambdaFunctionArn": arn.replace(":sqs:", ":lambda:").replace(wired.name, f"function:{wired.name}"),
                "Events": [events[1]],
            }
        ],
    }
    wired.s3.put_bucket_notification_configuration(Bucket=wired.bucket, NotificationConfiguration=configuration)
    wired.put("a")
    wired.s3.delete_object(Bucket=wired.bucket, Key="a")
    wired.wait_for(("ObjectCreated:Put", "a"), ("ObjectRemoved:Delete", "a"))


def test_a_target_that_is_disabled_is_told_when_it_is_enabled_again(wired: Wired) -> None:
    wired.configure(wired.queue())
    wired.put("before")
    wired.wait_for(("ObjectCreated:Put", "before"))
    wired.server.command("event-target", "update", wired.name, "--disable")
    wired.put("meanwhile")
    shown = wired.server.command("event-target", "show", wired.name)
    assert len(wired.receiver.records()) == 1 and not shown["is_enabled"]
    wired.server.command("event-target", "update", wired.name, "--enable")
    wired.wait_for(("ObjectCreated:Put", "before"), ("ObjectCreated:Put", "meanwhile"))


def test_url_and_secret_are_shown_to_nobody(wired: Wired) -> None:
    secret_url = wired.receiver.url.replace("http://", "http://user:pass@") + "?token=secret"
    wired.server.command("event-target", "update", wired.name, "--url", secret_url)
    wired.configure(wired.queue())
    wired.put("a")
    wired.wait_for(("ObjectCreated:Put", "a"))
    assert wired.receiver.told[-1].headers["authorization"] == f"Basic {base64.b64encode(b'user:pass').decode()}"
    shown = json.dumps(wired.server.command("event-target", "show", wired.name))
    assert wired.receiver.url in shown
    assert not any(part in shown for part in ("pass", "token", wired.target["secret"]))


def test_a_target_of_someone_who_is_disabled_is_told_when_he_is_enabled_again(
    wired: Wired, owner: Any, owned: str, receiver: Receiver
) -> None:
    wired.server.command("event-target", "create", "of-owner", receiver.url, "--owner", "owner")
    arn = f"arn:aws:sqs:us-east-1:{owner.account_id}:of-owner"
    queue = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    owner.s3.put_bucket_notification_configuration(
        Bucket=owned, NotificationConfiguration={"QueueConfigurations": [queue]}
    )
    wired.configure(wired.queue())
    try:
        owner.s3.put_object(Bucket=owned, Key="enabled", Body=b"")
        receiver.wait_for(lambda records: len(records) == 1)
        wired.server.command("user", "disable", "owner")
        wired.s3.put_object(Bucket=owned, Key="disabled", Body=b"")
        wired.put("last")
        records = receiver.wait_for(lambda records: len(records) >= 2)
        assert [record["s3"]["object"]["key"] for record in records] == ["enabled", "last"]
        wired.server.command("user", "enable", "owner")
        records = receiver.wait_for(lambda records: len(records) >= 3)
        assert records[-1]["s3"]["object"]["key"] == "disabled"
    finally:
        wired.server.command("user", "enable", "owner")
        wired.server.command("event-target", "delete", "of-owner")


def test_an_event_that_is_asked_for_repeatedly_is_kept_once(wired: Wired) -> None:
    """Each change compares itself with all of them."""
    wired.configure(wired.queue(["s3:ObjectCreated:Put"] * 100), wired.queue(["s3:ObjectRemoved:Delete"] * 100))
    found = wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)["QueueConfigurations"]
    assert [queue["Events"] for queue in found] == [["s3:ObjectCreated:Put"], ["s3:ObjectRemoved:Delete"]]


def test_the_reason_why_something_could_not_be_told_is_short_and_printable() -> None:
    assert reason_of(NotTold("a\x1b[2J\n" + "b" * 100_000)) == "a?[2J?" + "b" * 294
    assert reason_of(ValueError("secret")) == "ValueError"
