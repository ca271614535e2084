"""Which ACLs may be put, without a server."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.access.acl import canned
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules
from s3gw.errors import AccessDenied, InvalidArgument
from s3gw.operations.new_acl import asked_acl, require_allowed


def test_only_the_log_tells_that_a_public_access_block_refused_an_acl(caplog: pytest.LogCaptureFixture) -> None:
    bucket: Any = SimpleNamespace(name="pictures", owner_canonical_id="a")
    rules = BucketRules(public_access_block=PublicAccessBlock.BLOCK_PUBLIC_ACLS)
    with caplog.at_level(logging.DEBUG, "s3gw.access"):
        require_allowed(rules, canned("authenticated-read", "a", "a")[:1], bucket)
        with pytest.raises(AccessDenied, match=r"^Access Denied$"):
            require_allowed(rules, canned("public-read", "a", "a"), bucket)
    block = "the bucket's public access block (BlockPublicAcls)"
    assert [record.message for record in caplog.records] == [f"bucket=pictures {block} refuses what is public"]


def test_a_canned_acl_that_is_none_is_refused_with_a_text() -> None:
    database: Any = None
    with pytest.raises(InvalidArgument, match=r"^This is no canned ACL$") as refused:
        asyncio.run(asked_acl(database, {"ACL": "public-raed"}, "a", "a"))
    assert refused.value.details == {"ArgumentName": "x-amz-acl", "ArgumentValue": "public-raed"}
