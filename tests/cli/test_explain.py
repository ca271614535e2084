"""`s3gw explain`: what would be decided, by which rule, and with which facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3gw.access.acl import ALL_USERS
from s3gw.metadata import buckets, configurations
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.change import Change, ChangeFacts
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from tests.access.policies import document, of_identity, statement
from tests.cli.commands import Ask, Command, refusal

Explain = Callable[..., Any]
READS = document(
    of_identity(Sid="Read", Resource="arn:aws:s3:::pictures/*"),
    of_identity("Deny", Sid="Office", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, Resource="*"),
)


@pytest.fixture(autouse=True)
def people(ask: Ask) -> None:
    ask("user", "create", "owner")
    ask("user", "create", "editor", "--account", "owner")
    ask("group", "create", "staff", "--account", "owner")
    ask("group", "add", "staff", "editor")
    ask("bucket", "create", "pictures", "--owner", "owner")
    ask("policy", "put", "--group", "staff", "-", "--name", "readers", input=READS)


@pytest.fixture
def explain(run: Command) -> Explain:
    def explain(*words: str) -> Any:
        """Of the object a/b of pictures; whether the exit status says the same."""
        result = run("explain", "--action", "s3:GetObject", "--bucket", "pictures", "--key", "a/b", *words, "--json")
        told = json.loads(result.stdout)
        assert result.exit_code == (0 if told["allowed"] else 3)
        return told

    return explain


def configure(data: Path, kind: str, value: Any) -> None:
    def write(conn: Connection) -> None:
        bucket = buckets.find(conn, "pictures")
        assert bucket is not None
        configurations.put(Change(conn, ChangeFacts(bucket.id, lambda: COMMAND_LINE, "", 1), ()), kind, value)

    async def run() -> None:
        database = open_database(None, data)
        await database.write(write)
        await database.close()

    asyncio.run(run())


def test_a_policy_of_a_group_is_named_with_the_facts_it_asked_for(explain: Explain) -> None:
    allowed = explain("--user", "editor", "--fact", "aws:sourceip=10.0.0.1")
    assert allowed["reason"] == "allowed by statement 'Read' of policy 'readers' of group 'staff'"
    assert allowed["facts"] == {"aws:SourceIp": ["10.0.0.1"]}
    assert allowed["principal"].endswith(":user/editor")
    assert (allowed["action"], allowed["resource"]) == ("s3:GetObject", "arn:aws:s3:::pictures/a/b")
    denied = explain("--user", "editor", "--fact", "aws:SourceIp=192.0.2.7")
    assert denied["reason"] == "denied by statement 'Office' of policy 'readers' of group 'staff'"
    assert explain("--user", "editor")["facts"] == {"aws:SourceIp": []}


def test_a_statement_of_the_bucket_s_policy_is_named(explain: Explain, data: Path) -> None:
    no_temp = statement("Deny", Sid="NoTemp", Resource="arn:aws:s3:::pictures/a/*")
    configure(data, "Policy", document(no_temp, statement(Sid="All")))
    denied = explain("--user", "editor")
    assert denied["reason"] == "denied by statement 'NoTemp' of the bucket policy"
    assert explain("--anonymous")["principal"] == "anonymous"
    configure(data, "Policy", document(statement(Sid="All")))
    configure(data, "PublicAccessBlock", {})
    assert explain("--anonymous")["reason"] == "allowed by statement 'All' of the bucket policy"


def test_an_acl_the_owner_and_an_admin_are_rules_too(explain: Explain, run: Command, data: Path) -> None:
    configure(data, "OwnershipControls", {"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    configure(data, "PublicAccessBlock", {})
    configure(data, "ACL", [[ALL_USERS, "READ"]])
    assert explain("--anonymous")["reason"] == "no rule allows it"
    listed = run("explain", "--anonymous", "--action", "s3:ListBucket", "--bucket", "pictures")
    assert "the ACL grants READ to http://acs.amazonaws.com/groups/global/AllUsers" in listed.stdout
    assert explain("--user", "owner")["reason"] == "the bucket is the user's own"
    assert explain("--user", "admin")["reason"] == "an admin may do everything"


def test_what_an_access_key_is_narrowed_to_counts(explain: Explain, ask: Ask, run: Command) -> None:
    ask("key", "create", "editor", "--access-key-id", "AKIAEDITOR")
    assert explain("--access-key", "AKIAEDITOR")["allowed"] is True
    writes = document(of_identity(Action="s3:PutObject", Resource="*"))
    ask("policy", "put", "--key", "AKIAEDITOR", "-", input=writes)
    told = explain("--access-key", "AKIAEDITOR", "--user", "editor")
    assert told["reason"] == "no policy of the access key allows it"
    assert explain("--user", "editor")["allowed"] is True
    other = run("explain", "--user", "owner", "--access-key", "AKIAEDITOR", "--action", "s3:ListAllMyBuckets")
    assert "the access key AKIAEDITOR is editor's" in refusal(other)


def test_who_is_disabled_is_refused_whatever_the_rules(explain: Explain, ask: Ask) -> None:
    ask("key", "create", "editor", "--access-key-id", "AKIAEDITOR", "--expires", "2001-01-01")
    assert explain("--access-key", "AKIAEDITOR")["reason"] == "the access key AKIAEDITOR has expired"
    ask("key", "disable", "AKIAEDITOR")
    assert explain("--access-key", "AKIAEDITOR")["reason"] == "the access key AKIAEDITOR is disabled"
    ask("user", "disable", "editor")
    assert explain("--user", "editor")["reason"] == "the user editor is disabled"


def test_who_may_not_list_hears_403_of_what_is_not_there(explain: Explain, ask: Ask) -> None:
    told = explain("--user", "editor")
    assert told["found"] == "nothing"
    assert told["notes"] == ["there is no such object, so the answer is 403, because who asks may not list the bucket"]
    lists = document(of_identity(Action="s3:ListBucket", Resource="*"))
    ask("policy", "put", "--user", "editor", "-", "--name", "lists", input=lists)
    assert explain("--user", "editor")["notes"] == ["there is no such object, so the answer is 404"]


def test_people_read_lines(run: Command) -> None:
    words = ("--user", "editor", "--action", "s3:getobject", "--bucket", "pictures", "--key", "a\x1b[2J")
    told = run("explain", *words, "--fact", "aws:SourceIp=10.0.0.1")
    assert told.exit_code == 0
    lines = dict(line.split(":", 1) for line in told.stdout.splitlines())
    assert lines["allowed"].strip() == "yes"
    assert lines["facts"].strip() == "aws:SourceIp=10.0.0.1"
    assert "\x1b" not in told.stdout
    assert "absent:" in run("explain", *words).stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--user editor --action s3:GetObjct --bucket pictures --key a", "s3:GetObjct is no action of S3"),
        ("--user editor --action s3:Get* --bucket pictures --key a", "s3:Get* is no action of S3"),
        ("--user editor --action s3:GetObject --bucket pictures", "s3:GetObject is about an object"),
        ("--user editor --action s3:ListBucket", "s3:ListBucket is about a bucket"),
        ("--user editor --action s3:ListBucket --bucket pictures --key a", "isn't about an object"),
        ("--user editor --action s3:ListBucket --bucket none", "NoSuchBucket: there is no bucket none"),
        ("--user nobody --action s3:ListAllMyBuckets", "there is no user nobody"),
        ("--access-key none --action s3:ListAllMyBuckets", "there is no access key none"),
        ("--action s3:ListAllMyBuckets", "give --user, --access-key or --anonymous"),
        ("--user editor --anonymous --action s3:ListAllMyBuckets", "give --user, --access-key or --anonymous"),
        ("--user editor --action s3:ListAllMyBuckets --fact aws:SourceIp", "isn't KEY=VALUE"),
        ("--user editor --action s3:ListAllMyBuckets --fact s3:none=1", "isn't KEY=VALUE with a condition key"),
        ("--user editor --action s3:ListAllMyBuckets --fact aws:SourceVpc=1", "aws:SourceVpc can't be known here"),
    ],
)
def test_what_nobody_can_ask_for_is_refused(words: str, why: str, run: Command) -> None:
    assert why in refusal(run("explain", *words.split()))
