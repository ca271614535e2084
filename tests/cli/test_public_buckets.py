"""`s3gw bucket update --public` and `--private`: the statement, the blocks, and what stands in the way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from s3gw.metadata import buckets, configurations
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.change import Change, ChangeFacts
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from tests.access.policies import document, statement
from tests.cli.commands import Ask, Command, refusal

OWN = {
    "Sid": "s3gwIsPublic",
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::pictures/*",
}
NAMED = statement(Sid="Named", Principal={"AWS": "111122223333"})


@pytest.fixture(autouse=True)
def bucket(ask: Ask) -> None:
    ask("user", "create", "owner")
    ask("bucket", "create", "pictures", "--owner", "owner")


def configured(data: Path, kind: str, **put: Any) -> Any:
    """What is set for the bucket; with `value` it is put before."""

    def run_in(conn: Connection) -> Any:
        found = buckets.find(conn, "pictures")
        assert found is not None
        if put:
            configurations.put(Change(conn, ChangeFacts(found.id, COMMAND_LINE, "", 1), ()), kind, put["value"])
        return configurations.find(conn, found.id, kind)

    async def run() -> Any:
        database = open_database(None, data)
        try:
            return await database.write(run_in)
        finally:
            await database.close()

    return asyncio.run(run())


def is_read_by_everybody(run: Command) -> bool:
    return (
        run("explain", "--anonymous", "--action", "s3:GetObject", "--bucket", "pictures", "--key", "a").exit_code == 0
    )


def test_a_public_bucket_is_read_by_everybody_and_listed_by_nobody_until_it_is_private_again(
    ask: Ask, run: Command, data: Path
) -> None:
    blocked = configured(data, "PublicAccessBlock")
    for _ in range(2):
        for _ in range(2):  # doing it again changes nothing
            ask("bucket", "update", "pictures", "--public")
            assert json.loads(configured(data, "Policy"))["Statement"] == [OWN]
            assert is_read_by_everybody(run)
        lists = run("explain", "--anonymous", "--action", "s3:ListBucket", "--bucket", "pictures")
        assert lists.exit_code == 3
        lifted = configured(data, "PublicAccessBlock")
        assert lifted == blocked | {"BlockPublicPolicy": False, "RestrictPublicBuckets": False}
        for _ in range(2):
            ask("bucket", "update", "pictures", "--private")
            assert configured(data, "Policy") is None
            assert configured(data, "PublicAccessBlock") == blocked
        assert not is_read_by_everybody(run)


def test_other_statements_stay_as_they_are(ask: Ask, data: Path) -> None:
    """Also one that stands alone, without a list."""
    own = {"Version": "2012-10-17", "Id": "mine", "Statement": NAMED}
    configured(data, "Policy", value=json.dumps(own))
    ask("bucket", "update", "pictures", "--public")
    assert json.loads(configured(data, "Policy")) == own | {"Statement": [NAMED, OWN]}
    ask("bucket", "update", "pictures", "--private")
    assert json.loads(configured(data, "Policy")) == own | {"Statement": [NAMED]}


def test_a_bucket_isn_t_private_while_another_statement_is_public(ask: Ask, run: Command, data: Path) -> None:
    ask("bucket", "update", "pictures", "--public")
    configured(data, "Policy", value=document(OWN, statement(Sid="Mine")))
    assert "another statement" in refusal(run("bucket", "update", "pictures", "--private"))
    assert is_read_by_everybody(run)


def test_a_block_of_the_account_stands_in_the_way(ask: Ask, run: Command, data: Path) -> None:
    ask("account", "public-access-block", "put", "owner", "--restrict-public-buckets")
    assert "the account blocks" in refusal(run("bucket", "update", "pictures", "--public"))
    assert configured(data, "Policy") is None


def test_a_bucket_without_a_block_gets_none(ask: Ask, run: Command, data: Path) -> None:
    def unblock(conn: Connection) -> None:
        found = buckets.find(conn, "pictures")
        assert found is not None
        configurations.remove(Change(conn, ChangeFacts(found.id, COMMAND_LINE, "", 1), ()), "PublicAccessBlock")

    async def write() -> None:
        database = open_database(None, data)
        await database.write(unblock)
        await database.close()

    asyncio.run(write())
    ask("bucket", "update", "pictures", "--public")
    ask("bucket", "update", "pictures", "--private")
    assert configured(data, "PublicAccessBlock") is None
    assert not is_read_by_everybody(run)
