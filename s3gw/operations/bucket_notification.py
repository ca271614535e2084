"""PutBucketNotificationConfiguration and its GET: which events of a bucket are told to whom.

Rules: Amazon S3 User Guide, "Configuring event notifications using object key name filtering", and the API reference.
Messages are those of S3's servers where they are known. Whom a bucket may name: the targets of its owner, and those
that an admin has shared.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from s3gw.errors import InvalidArgument, MalformedXML, NotImplemented
from s3gw.events import names
from s3gw.events.records import test_message
from s3gw.events.rules import Rule, TargetName, configurations_in, rules_in, service_of, target_of
from s3gw.metadata import configurations, event_deliveries, event_targets
from s3gw.metadata.change import Change
from s3gw.metadata.event_deliveries import NewDelivery
from s3gw.metadata.notifications import KIND
from s3gw.operations.call import Call, Output

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        GetBucketNotificationConfigurationRequestTypeDef,
        PutBucketNotificationConfigurationRequestTypeDef,
    )

_MOST_RULES = 100
_LONGEST_ID = 255
_LONGEST_FILTER = 1024  # bytes
_FILTERS = ("prefix", "suffix")
_EVENTS = """
ObjectCreated:* ObjectCreated:Put ObjectCreated:Post ObjectCreated:Copy ObjectCreated:CompleteMultipartUpload
ObjectRemoved:* ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated ObjectRestore:* ObjectRestore:Post
ObjectRestore:Completed ObjectRestore:Delete ObjectTagging:* ObjectTagging:Put ObjectTagging:Delete ObjectAcl:Put
LifecycleExpiration:* LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated LifecycleTransition
IntelligentTiering ReducedRedundancyLostObject Replication:* Replication:OperationFailedReplication
Replication:OperationNotTracked Replication:OperationMissedThreshold Replication:OperationReplicatedAfterThreshold
ObjectAnnotation:* ObjectAnnotation:Put ObjectAnnotation:Delete ObjectRetention:Put
"""
_OWN_EVENTS = (names.QUOTA, names.QUOTAS, "s3gw:Scan:*", "s3gw:Scan:Clean", "s3gw:Scan:Infected")
EVENTS = frozenset((*(f"s3:{name}" for name in _EVENTS.split()), *_OWN_EVENTS))


async def put_bucket_notification_configuration(
    call: Call, input: PutBucketNotificationConfigurationRequestTypeDef
) -> Output:
    document: dict[str, Any] = copy.deepcopy(dict(input["NotificationConfiguration"]))
    if "EventBridgeConfiguration" in document:
        raise NotImplemented("Amazon EventBridge is not served.", Header="EventBridgeConfiguration")
    for destination, configuration in configurations_in(document):
        configuration.setdefault("Id", str(uuid4()))
        _check(destination.service, configuration, configuration[destination.arn_member])
    rules = rules_in(document)
    _check_together(rules)
    more = call.the_bucket.name, call.request_id, cast("Holds", input.get("Holds", _any))
    await call.change([call.bucket_lock], _put, document, rules, *more)
    return {}


# Given what there is, raises what is to be answered where it isn't what a door's client has seen (`Holds`).
Holds = Callable[[dict[str, Any]], None]


def _any(document: dict[str, Any]) -> None:
    """Whatever there is."""


def _check(service: str, configuration: dict[str, Any], arn: str) -> None:
    if len(configuration["Id"]) > _LONGEST_ID:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {_LONGEST_ID}")
    if service_of(arn) != service:
        raise InvalidArgument("The ARN is not well formed", ArgumentName="arn", ArgumentValue=arn)
    if not configuration["Events"]:
        raise MalformedXML()
    for event in configuration["Events"]:
        if event not in EVENTS:
            raise InvalidArgument(
                "A specified event is not supported for notifications.", ArgumentName="Event", ArgumentValue=event
            )
    configuration["Events"] = list(dict.fromkeys(configuration["Events"]))  # each change asks all of them
    _check_filter(configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ()))


def _check_filter(rules: Sequence[dict[str, str]]) -> None:
    found = [rule.get("Name", "").lower() for rule in rules]
    for name, rule in zip(found, rules, strict=True):
        if name not in _FILTERS:
            raise InvalidArgument("filter rule name must be either prefix or suffix", ArgumentName="FilterRule.Name")
        if found.count(name) > 1:
            raise InvalidArgument(f"Cannot specify more than one {name} rule in a filter.")
        if len(rule.get("Value", "").encode()) > _LONGEST_FILTER:
            raise InvalidArgument(
                f"Size of filter rule value cannot exceed {_LONGEST_FILTER} bytes in UTF-8 encoding",
                ArgumentName="FilterRule.Value",
            )
        rule["Name"] = name.capitalize()  # as AWS gives it back


def _check_together(rules: Sequence[Rule]) -> None:
    """ "You can't have two configurations that overlap": the same event, and keys that begin and end as both say."""
    if len(rules) > _MOST_RULES:
        raise InvalidArgument(f"The number of notification configurations exceeds {_MOST_RULES}.")
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidArgument("Same ID used for multiple configurations. IDs must be unique")
    meant = {rule.id: _meant(rule) for rule in rules}
    for one, other in combinations(rules, 2):
        if meant[one.id].isdisjoint(meant[other.id]):
            continue
        if _may_begin_alike(one.prefix, other.prefix) and _may_end_alike(one.suffix, other.suffix):
            raise InvalidArgument(
                "Configurations overlap. Configurations on the same bucket cannot share a common event type."
                if one[3:] == other[3:]
                else "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the"
                " prefixes are overlapping for the same event type."
            )


def _meant(rule: Rule) -> frozenset[str]:
    """The events that it asks for, each by its own name."""
    return frozenset(
        event
        for event in EVENTS
        if not event.endswith("*") and any(names.is_meant(asked, event.removeprefix("s3:")) for asked in rule.events)
    )


def _may_begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _may_end_alike(one: str, other: str) -> bool:
    return one.endswith(other) or other.endswith(one)


def _put(
    change: Change, document: dict[str, Any], rules: Sequence[Rule], bucket: str, request_id: str, holds: Holds
) -> None:
    """An empty configuration takes it away. Each target that is new here is sent a test."""
    change.lock_bucket_exclusively()
    present = configurations.find(change.conn, change.bucket_id, KIND) or {}
    holds(present)
    before = {target_of(rule.arn) for rule in rules_in(present)}
    if not rules:
        configurations.remove(change, KIND)
        return
    wanted = {rule.target: rule.arn for rule in rules}
    found = event_targets.usable(change.conn, change.state.owner_id, wanted)
    missing = {place: arn for place, arn in wanted.items() if place not in found}
    if missing:
        (arn,) = list(missing.values())[:1]
        raise InvalidArgument(
            "Unable to validate the following destination configurations", ArgumentName=arn, ArgumentValue="not found"
        )
    configurations.put(change, KIND, document)
    message = test_message(bucket, change.now, request_id)
    new: list[TargetName] = [target for target in wanted if target not in before]
    event_deliveries.enqueue(
        change.conn, [NewDelivery(found[target], change.bucket_id, "", names.TEST, message) for target in new]
    )


async def get_bucket_notification_configuration(
    call: Call, input: GetBucketNotificationConfigurationRequestTypeDef
) -> Output:
    found = await call.services.database.read(configurations.find, call.the_bucket.id, KIND)
    return dict(found or {})
