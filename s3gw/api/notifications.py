"""What a bucket tells whom, in a form of JSON's own: it is put and read as S3's clients put and read it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Response
from pydantic import Field

from s3gw.accounts.etags import etag_of, require_match
from s3gw.api.file_calls import TheAsker
from s3gw.api.models import Body, Id, IfMatch, Text
from s3gw.api.route import Route
from s3gw.events.rules import DESTINATIONS, TargetName, arn_of, rules_in, service_of
from s3gw.metadata.buckets import Bucket

router = APIRouter(prefix="/buckets/{bucket_id}/notifications", tags=["events"], route_class=Route)

_LONGEST = 1024
_SERVICES = {destination.service: destination for destination in DESTINATIONS}
Affix = Annotated[Text, Field(max_length=_LONGEST)]


class NotificationRule(Body):
    """Which events of which keys are told to a target. No two may ask for the same event of the same keys."""

    id: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(None, description="Default: one is made up.")
    target: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LONGEST,
            description="The ARN of a target; or its name, of one of the bucket's owner. Told is its ARN.",
        ),
    ]
    events: Annotated[
        list[Annotated[Text, Field(max_length=100)]],
        Field(min_length=1, max_length=100, description="`s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`, …"),
    ]
    prefix: Affix = Field("", description="Of keys.")
    suffix: Affix = Field("", description="Of keys.")


class Notifications(Body):
    rules: Annotated[list[NotificationRule], Field(max_length=100, description="Empty: nothing is told.")]


@router.get("")
async def get_notifications(bucket_id: Id, asker: TheAsker, response: Response) -> Notifications:
    """For who may get its notification configuration by S3."""
    bucket = await asker.bucket(bucket_id)
    found = await asker.perform(asker.call("GetBucketNotificationConfiguration", bucket))
    return _told(dict(found), response)


@router.put("")
async def put_notifications(
    bucket_id: Id, body: Notifications, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> Notifications:
    """All rules at once, in the place of those that there are. Each target that is new to the bucket is sent a test."""
    bucket = await asker.bucket(bucket_id)
    document = _document(bucket, body.rules)

    def holds(present: dict[str, Any]) -> None:
        require_match(if_match, etag_of(present))

    given = {"NotificationConfiguration": document, "Holds": holds}
    await asker.perform(asker.call("PutBucketNotificationConfiguration", bucket, **given))
    return _told(document, response)


def _document(bucket: Bucket, rules: list[NotificationRule]) -> dict[str, Any]:
    """As S3 has it. What is wrong with an ARN is told when the call is allowed."""
    document: dict[str, Any] = {}
    for rule in rules:
        arn = (
            rule.target
            if ":" in rule.target
            else arn_of(bucket.region, TargetName(bucket.owner_account_id, rule.target))
        )
        destination = _SERVICES.get(service_of(arn) or "", _SERVICES["sqs"])
        configuration: dict[str, Any] = {"Id": rule.id or str(uuid4()), destination.arn_member: arn}
        configuration["Events"] = rule.events
        affixes = (("Prefix", rule.prefix), ("Suffix", rule.suffix))
        filters = [{"Name": name, "Value": value} for name, value in affixes if value]
        if filters:
            configuration["Filter"] = {"Key": {"FilterRules": filters}}
        document.setdefault(destination.member, []).append(configuration)
    return document


def _told(document: dict[str, Any], response: Response) -> Notifications:
    """It isn't checked again."""
    response.headers["ETag"] = etag_of(document)
    rules = [
        NotificationRule.model_construct(
            id=rule.id, target=rule.arn, events=list(rule.events), prefix=rule.prefix, suffix=rule.suffix
        )
        for rule in rules_in(document)
    ]
    return Notifications.model_construct(rules=rules)
