"""A bucket's notification configuration is read back as it was put: by boto3, and as Terraform's resource
`aws_s3_bucket_notification` sends and reads it.
"""

from __future__ import annotations

import itertools
from typing import Any

from tests.events.test_notifications import Wired
from tests.events.test_notifications import receiver as receiver
from tests.events.test_notifications import wired as wired


def arns_of(wired: Wired) -> tuple[str, str, str]:
    """Of a queue, a topic and a function, which are the same target."""
    queue: str = wired.target["arn"]
    topic, function = queue.replace(":sqs:", ":sns:"), queue.replace(":sqs:", ":lambda:")
    place, _, name = function.rpartition(":")
    return queue, topic, f"{place}:function:{name}"


def filtered(*rules: tuple[str, str]) -> dict[str, Any]:
    return {"Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}}}


def put(wired: Wired, configuration: Any) -> Any:
    """And what is read then."""
    wired.s3.put_bucket_notification_configuration(Bucket=wired.bucket, NotificationConfiguration=configuration)
    found = wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def test_all_that_a_configuration_can_have_is_given_back_in_its_order(wired: Wired) -> None:
    queue, topic, function = arns_of(wired)
    given = {
        "TopicConfigurations": [{"Id": "t", "TopicArn": topic, "Events": ["s3:ObjectCreated:Copy"]}],
        "QueueConfigurations": [
            {
                "Id": "z",
                "QueueArn": queue,
                "Events": ["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"],
                **filtered(("Suffix", ".jpg"), ("Prefix", "a&b/<ü>+ ")),
            },
            {"Id": "a <&>", "QueueArn": queue, "Events": ["s3:ObjectAcl:Put"], "Filter": {"Key": {}}},
            {
                "Id": "m",
                "QueueArn": queue,
                "Events": ["s3:ObjectTagging:*"],
                **filtered(("Prefix", ""), ("Suffix", "")),
            },
        ],
        "LambdaFunctionConfigurations": [
            {"Id": "f", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:Post", "s3gw:Scan:*"]}
        ],
    }
    assert put(wired, given) == given
    assert put(wired, put(wired, given)) == given, "what was read can be put"


def test_names_of_filters_and_missing_ids_become_what_aws_makes_of_them(wired: Wired) -> None:
    queue = arns_of(wired)[0]
    configuration = {"QueueArn": queue, "Events": ["s3:ObjectCreated:*"], **filtered(("prefix", "a"), ("SUFFIX", "b"))}
    (found,) = put(wired, {"QueueConfigurations": [configuration]})["QueueConfigurations"]
    assert found.pop("Id")
    assert found == configuration | filtered(("Prefix", "a"), ("Suffix", "b"))


def test_the_older_operations_of_aws_put_and_read_the_same(wired: Wired) -> None:
    queue, _, function = arns_of(wired)
    old = {"Id": "old", "Queue": queue, "Event": "s3:ObjectCreated:*"}
    wired.s3.put_bucket_notification(Bucket=wired.bucket, NotificationConfiguration={"QueueConfiguration": old})
    found = wired.s3.get_bucket_notification(Bucket=wired.bucket)["QueueConfiguration"]
    assert found == {**old, "Events": ["s3:ObjectCreated:*"]}
    old = {"Id": "f", "CloudFunction": function, "InvocationRole": "arn:aws:iam::1:role/r", "Event": "s3:ObjectAcl:Put"}
    wired.s3.put_bucket_notification(Bucket=wired.bucket, NotificationConfiguration={"CloudFunctionConfiguration": old})
    (found,) = wired.s3.get_bucket_notification_configuration(Bucket=wired.bucket)["LambdaFunctionConfigurations"]
    assert found == {"Id": "f", "LambdaFunctionArn": function, "Events": ["s3:ObjectAcl:Put"]}


class Terraform:
    """What the provider's bucket_notification.go makes of a resource's arguments, and of an answer: lists in their
    order, sets of events, an id of its own where none is given, filters only where they say something.
    """

    MEMBERS = (
        ("lambda_function", "LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda_function_arn"),
        ("queue", "QueueConfigurations", "QueueArn", "queue_arn"),
        ("topic", "TopicConfigurations", "TopicArn", "topic_arn"),
    )

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def expand(self, resource: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        return {
            member: [self._configuration(block, kind, arn, argument) for block in resource[kind]]
            for kind, member, arn, argument in self.MEMBERS
            if resource.get(kind)
        }

    def _configuration(self, block: dict[str, Any], kind: str, arn: str, argument: str) -> dict[str, Any]:
        made = {
            "Id": block.get("id") or f"tf-s3-{kind}-{20260101000000 + next(self._numbers)}",
            arn: block[argument],
            "Events": sorted(block["events"]),
        }
        rules = [(name, block[f"filter_{name}"]) for name in ("prefix", "suffix") if block.get(f"filter_{name}")]
        return made | (filtered(*rules) if rules else {})

    def flatten(self, answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        return {
            kind: [self._block(configuration, arn, argument) for configuration in answer[member]]
            for kind, member, arn, argument in self.MEMBERS
            if answer.get(member)
        }

    def _block(self, configuration: dict[str, Any], arn: str, argument: str) -> dict[str, Any]:
        rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
        filters = {f"filter_{rule['Name'].lower()}": rule["Value"] for rule in rules}
        return {
            "id": configuration["Id"],
            argument: configuration[arn],
            "events": set(configuration["Events"]),
            **filters,
        }


def test_terraform_finds_nothing_to_change_after_it_has_applied(wired: Wired) -> None:
    queue, topic, function = arns_of(wired)
    terraform = Terraform()
    planned: dict[str, list[dict[str, Any]]] = {
        "lambda_function": [
            {"lambda_function_arn": function, "events": {"s3:ObjectRemoved:*"}, "filter_prefix": "AWSLogs/"},
            {"lambda_function_arn": function, "events": {"s3:ObjectRemoved:*"}, "filter_prefix": "Other/"},
        ],
        "queue": [
            {"id": "video", "queue_arn": queue, "events": {"s3:ObjectCreated:Put"}, "filter_prefix": "videos/"},
            {"id": "image", "queue_arn": queue, "events": {"s3:ObjectCreated:Put"}, "filter_prefix": "images/"},
        ],
        "topic": [
            {"topic_arn": topic, "events": {"s3:ObjectTagging:Put", "s3:ObjectAcl:Put"}, "filter_suffix": ".log"}
        ],
    }
    applied = terraform.expand(planned)
    state = terraform.flatten(put(wired, applied))
    assert [block["id"] for block in state["lambda_function"]] == [
        f"tf-s3-lambda_function-2026010100000{n}" for n in (0, 1)
    ]
    for kind, blocks in planned.items():
        for block, found in zip(blocks, state[kind], strict=True):
            assert found == {"id": found["id"], **block}
    again = terraform.expand(state)
    assert again == applied, "with the ids of its state it puts the same"
    assert terraform.flatten(put(wired, again)) == state
    assert put(wired, {}) == {}, "destroyed"
