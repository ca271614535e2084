"""A bucket's notification configuration as rules: to which target which events of which keys go.

It is stored as S3's API has it (boto3's member names), each configuration with an Id. A target is named by an ARN like
those of AWS's queues, topics and functions: arn:aws:sqs:REGION:ACCOUNT:NAME, with the account of who owns it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from s3gw.events.names import is_meant


class Destination(NamedTuple):
    """A member of the configuration, the one in it that holds the ARN, and the service that the ARN names."""

    member: str
    arn_member: str
    service: str


DESTINATIONS = (
    Destination("TopicConfigurations", "TopicArn", "sns"),
    Destination("QueueConfigurations", "QueueArn", "sqs"),
    Destination("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda"),
)


class TargetName(NamedTuple):
    """`account_id` has 12 digits."""

    account_id: str
    name: str


class Rule(NamedTuple):
    id: str
    arn: str
    events: tuple[str, ...]
    prefix: str
    suffix: str

    @property
    def target(self) -> TargetName:
        return target_of(self.arn)

    def wants(self, event: str, key: str) -> bool:
        """`event` as records have it: without `s3:`."""
        is_wanted = any(is_meant(asked, event) for asked in self.events)
        return is_wanted and key.startswith(self.prefix) and key.endswith(self.suffix)


def arn_of(region: str, target: TargetName) -> str:
    return f"arn:aws:sqs:{region}:{target.account_id}:{target.name}"


def service_of(arn: str) -> str | None:
    """sqs, sns, lambda, …; None for what isn't an ARN of an account's."""
    parts = arn.split(":")
    return parts[2] if len(parts) >= 6 and parts[0] == "arn" and parts[1] == "aws" and all(parts[4:]) else None


def target_of(arn: str) -> TargetName:
    """Of a function the ARN has `function:` before its name."""
    account_id, name = arn.split(":", 4)[4].split(":", 1)
    return TargetName(account_id, name.removeprefix("function:"))


def configurations_in(document: dict[str, Any]) -> Iterator[tuple[Destination, dict[str, Any]]]:
    for destination in DESTINATIONS:
        for configuration in document.get(destination.member, ()):
            yield destination, configuration


@lru_cache(1024)
def parse_rules(document: str) -> tuple[Rule, ...]:
    """Of a stored configuration, as JSON."""
    return rules_in(json.loads(document))


def rules_in(document: dict[str, Any]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            configuration["Id"],
            configuration[destination.arn_member],
            tuple(configuration["Events"]),
            _filtered(configuration, "prefix"),
            _filtered(configuration, "suffix"),
        )
        for destination, configuration in configurations_in(document)
    )


def _filtered(configuration: dict[str, Any], name: str) -> str:
    """AWS takes the names in either case, and writes them with a capital."""
    found = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return next((rule.get("Value", "") for rule in found if rule.get("Name", "").lower() == name), "")
