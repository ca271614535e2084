"""Runs the same calls of boto3 against the gateway and against moto, and tells in what the answers differ."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

# (operation, status or code of the error, member -> value)
Answers = list[tuple[str, str, dict[str, Any]]]

_NUMBER = re.compile(r"\[\d+\]")
# Made up by each server. Of these only the order in which they appear is compared.
_NAMES = {"VersionId", "CopySourceVersionId", "NextVersionIdMarker", "UploadId", "VersionIdMarker"}
_NAMES |= {"DeleteMarkerVersionId", "NextUploadIdMarker", "UploadIdMarker", "ContinuationToken"}
_NAMES |= {"NextContinuationToken"}
# Who and where the server is.
_LEFT_OUT = {"Owner", "Initiator", "ResponseMetadata", "HostId", "RequestId", "Resource", "BucketArn", "Location"}


class Recorder:
    """One server during one scenario: `do` calls an operation and keeps what came of it."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket
        self.answers: Answers = []
        self._names: dict[str, str] = {}

    def do(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """By the name of boto3's method, in this scenario's bucket unless one is named. An error is an answer too."""
        if operation != "list_buckets":
            arguments.setdefault("Bucket", self.bucket)
        try:
            answer = getattr(self.client, operation)(**arguments)
        except ClientError as error:
            answer = {}
            self._keep(operation, error.response["Error"]["Code"], {})
        except KeyError:  # moto is in this process, and fails here where a server would answer 500
            answer = {}
            self._keep(operation, "KeyError", {})
        else:
            self._keep(operation, str(answer["ResponseMetadata"]["HTTPStatusCode"]), answer)
        return dict(answer)

    def _keep(self, operation: str, outcome: str, answer: dict[str, Any]) -> None:
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
        self.answers.append((operation, outcome, dict(self._flat(answer, ""))))

    def _flat(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for name, member in value.items():
                if name not in _LEFT_OUT:
                    yield from self._flat(self._comparable(name, member), f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for number, member in enumerate(value):
                yield from self._flat(member, f"{path}[{number}]")
        else:
            yield path, value

    def _comparable(self, name: str, value: Any) -> Any:
        if isinstance(value, datetime.datetime):
            return "a time"
        if name in _NAMES and value not in ("", "null"):
            return self._names.setdefault(value, f"name {len(self._names)}")
        return value


Scenario = Callable[[Recorder], None]


def differences(ours: Answers, theirs: Answers) -> set[str]:
    """`operation: outcome, not theirs`, or `operation: member` where both succeed; lists without their numbers."""
    found = set()
    for (operation, outcome, members), (_, other_outcome, other_members) in zip(ours, theirs, strict=True):
        if outcome != other_outcome:
            found.add(f"{operation}: {outcome}, not {other_outcome}")
            continue
        for path in {*members, *other_members}:
            if members.get(path) != other_members.get(path):
                found.add(f"{operation}: {_NUMBER.sub('[]', path)}")
    return found
