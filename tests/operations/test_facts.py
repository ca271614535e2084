"""What conditions are told of a call."""

from __future__ import annotations

from typing import Any, cast

import pytest

from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.operations.call import Call
from s3gw.operations.facts import FACTS, facts_of

ALICE = Principal("1", "c", "123456789012", "alice", "user", "AKIA")
INPUT = {
    "Prefix": "a/",
    "Delimiter": "/",
    "MaxKeys": 7,
    "VersionId": "null",
    "ACL": "private",
    "StorageClass": "STANDARD",
    "CopySource": "b/k",
    "MetadataDirective": "COPY",
}
KNOWN = {
    "aws:CurrentTime": "2006-02-03T16:45:09Z",
    "aws:EpochTime": "1138985109",
    "aws:userid": "1",
    "aws:username": "alice",
    "aws:PrincipalAccount": "123456789012",
    "s3:prefix": "a/",
    "s3:delimiter": "/",
    "s3:max-keys": "7",
    "s3:VersionId": "null",
    "s3:x-amz-acl": "private",
    "s3:x-amz-storage-class": "STANDARD",
    "s3:x-amz-copy-source": "b/k",
    "s3:x-amz-metadata-directive": "COPY",
}


def call(principal: Principal, input: dict[str, Any]) -> Call:
    return Call(cast("Any", None), principal, input, "request", 1_138_985_109_999_999)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_fact_is_that_of_the_call(name: str) -> None:
    assert facts_of(call(ALICE, INPUT), name) == (KNOWN[name],)
    of_nobody = facts_of(call(ANONYMOUS, {}), name)
    assert of_nobody == ((KNOWN[name],) if name in ("aws:CurrentTime", "aws:EpochTime") else ())


def test_a_key_that_nobody_knows_has_no_values() -> None:
    assert facts_of(call(ALICE, INPUT), "s3:Unheard") == ()
