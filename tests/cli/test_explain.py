"""`s3gw explain`: what would be decided, by which rule, and with which facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from s3gw.access.acl import ALL_USERS
from s3gw.cli import app
from s3gw.metadata import buckets, configurations
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.change import Change, ChangeFacts
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from tests.access.policies import document, of_identity, statement
from tests.cli.commands import Ask, Command, refusal

Explain = Callable[..., Any]
LISTS = "--user editor --action s3:ListAllMyBuckets"
READS = document(
    of_identity(Sid="Read", Resource="arn:aws:s3:::pictures/*"),
    of_identity("Deny", Sid="Office", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, Resource="*"),
)


@pytest.fixture(scope="module", autouse=True)
def people(once: Ask) -> None:
    once("user", "create", "owner")
    once("user", "create", "editor", "--account", "owner")
    once("group", "create", "staff", "--account", "owner")
    once("group", "add", "staff", "editor")
    once("bucket", "create", "pictures", "--owner", "owner")
    once("policy", "put", "--group", "staff", "-", "--name", "readers", input=READS)


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
        configurations.put(Change(conn, ChangeFacts(bucket.id, COMMAND_LINE, "", 1), ()), kind, value)

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
    ask("policy", "put", "--key", "AKIAEDITOR", "-", "--name", "reads", input=READS)
    within = "within statement 'Read' of policy 'reads' of access key 'AKIAEDITOR'"
    assert explain("--access-key", "AKIAEDITOR")["reason"].endswith(f"of group 'staff', {within}")
    other = run("explain", "--user", "owner", "--access-key", "AKIAEDITOR", "--action", "s3:ListAllMyBuckets")
    assert "the access key AKIAEDITOR is editor's" in refusal(other)


def test_a_bucket_that_would_be_made_is_named(ask: Ask, run: Command) -> None:
    ask(
        "policy", "put", "--user", "editor", "-", input=document(of_identity(Action="s3:*", Resource="arn:aws:s3:::a*"))
    )
    for name, status in (("album", 0), ("book", 3)):
        result = run("explain", "--user", "editor", "--action", "s3:CreateBucket", "--bucket", name, "--json")
        told = json.loads(result.stdout)
        assert (told["resource"], result.exit_code) == (f"arn:aws:s3:::{name}", status)


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


def test_of_what_is_not_there_no_tags_decide(explain: Explain, data: Path, ask: Ask) -> None:
    """The server tells whoever may list that there is nothing."""
    tagged = statement(Resource="arn:aws:s3:::pictures/*", Condition={"StringEquals": {"s3:ExistingObjectTag/a": "1"}})
    lists = statement(Action="s3:ListBucket", Resource="arn:aws:s3:::pictures")
    ask("user", "create", "stranger")
    configure(data, "PublicAccessBlock", {})
    for statements, notes in (([tagged], []), ([tagged, lists], ["there is no such object, so the answer is 404"])):
        configure(data, "Policy", document(*statements))
        told = explain("--user", "stranger")
        assert (told["allowed"], [note for note in told["notes"] if "404" in note]) == (False, notes)


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
        ("--user editor --action s3:GetObjct --bucket pictures --key a", "s3:GetObject is; did you mean s3:GetObject?"),
        ("--user editor --action s3:ListObjectsV2", "is an operation and no action: ask about s3:ListBucket; "),
        ("--user editor --action copyobject", "ask about s3:PutObject and s3:GetObject; `s3gw operations` tells"),
        ("--user editor --action s3:Get* --bucket pictures --key a", "s3:Get* is no action of S3"),
        ("--user editor --action s3:GetObject --bucket pictures", "s3:GetObject is about an object"),
        ("--user editor --action s3:ListBucket", "s3:ListBucket is about a bucket"),
        ("--user editor --action s3:ListBucket --bucket pictures --key a", "isn't about an object"),
        ("--user editor --action s3:ListBucket --bucket none", "NoSuchBucket: there is no bucket none"),
        ("--user editor --action s3:ListBucket --bucket s3://pictures/a", "of a bucket: give --bucket pictures"),
        ("--user editor --action s3:CreateBucket --bucket A", "A can't be the name of a bucket"),
        ("--user nobody --action s3:ListAllMyBuckets", "there is no user nobody"),
        ("--access-key none --action s3:ListAllMyBuckets", "there is no access key none"),
        ("--action s3:ListAllMyBuckets", "give --user, --access-key or --anonymous"),
        ("--user editor --anonymous --action s3:ListAllMyBuckets", "give --user, --access-key or --anonymous"),
        ("--user editor --action s3:ListAllMyBuckets --fact aws:SourceIp", "isn't KEY=VALUE"),
        ("--user editor --action s3:ListAllMyBuckets --fact s3:none=1", "s3:none is no condition key of S3"),
        (f"{LISTS} --fact aws:SourceIpp=1", "aws:SourceIpp is no condition key of S3; did you mean aws:SourceIp?"),
        (
            f"{LISTS} --fact aws:securetransport=yes",
            "yes is no value of aws:SecureTransport: expected is true or false",
        ),
        (f"{LISTS} --fact aws:SourceIp=10.0.0.0/8", "10.0.0.0/8 is no value of aws:SourceIp: expected is an address"),
        (f"{LISTS} --fact s3:max-keys=many", "many is no value of s3:max-keys: expected is a number"),
        (f"{LISTS} --fact aws:CurrentTime=now", "now is no value of aws:CurrentTime: expected is a time"),
        ("--user editor --action s3:ListAllMyBuckets --fact aws:SourceVpc=1", "aws:SourceVpc can't be known here"),
    ],
)
def test_what_nobody_can_ask_for_is_refused(words: str, why: str, run: Command) -> None:
    assert why in refusal(run("explain", *words.split()))


def test_what_may_be_put_but_not_publicly_is_told(run: Command, ask: Ask, data: Path) -> None:
    def notes(action: str, *words: str) -> list[str]:
        told = run("explain", "--user", "owner", "--action", action, "--bucket", "pictures", *words, "--json")
        return list(json.loads(told.stdout)["notes"])

    configure(data, "PublicAccessBlock", {"BlockPublicPolicy": True})
    put_acl = ("s3:PutObjectAcl", "--key", "a")
    assert notes("s3:PutBucketPolicy") == [
        "the bucket's public access block (BlockPublicPolicy) refuses a policy that is public"
    ]
    assert "ACLs are disabled" in notes(*put_acl)[0]
    configure(data, "OwnershipControls", {"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    assert notes(*put_acl) == []
    ask("account", "public-access-block", "put", "owner", "--block-public-acls")
    block = "the account's public access block (BlockPublicAcls) refuses an ACL that is public"
    assert notes(*put_acl) == notes("s3:PutBucketAcl") == [block]


def test_a_statement_that_would_allow_it_but_for_a_condition_is_told(explain: Explain, ask: Ask, data: Path) -> None:
    office = {"Sid": "Office", "Resource": "arn:aws:s3:::pictures/*"}
    conditions = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:SecureTransport": "true"}}
    ask(
        "policy",
        "put",
        "--group",
        "staff",
        "-",
        "--name",
        "readers",
        input=document(of_identity(**office, Condition=conditions)),
    )
    configure(data, "Policy", document(statement(**office, Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})))
    told = explain("--user", "editor", "--fact", "aws:SourceIp=192.0.2.7")
    assert told["reason"] == "no rule allows it"
    assert told["notes"] == [
        "statement 'Office' of policy 'readers' of group 'staff' would allow it if its condition on"
        " aws:SecureTransport held",
        "statement 'Office' of the bucket policy would allow it if its condition on aws:SourceVpc held",
    ]
    (of_bucket,) = explain("--anonymous")["notes"]
    assert "of the bucket policy" in of_bucket


def test_the_help_tells_the_exit_statuses(run: Command) -> None:
    told = " ".join(CliRunner().invoke(app, ["explain", "--help"]).stdout.split())
    assert "Exit status: 0 allowed, 3 denied, 1 if it can't be told." in told
    assert " ".join(CliRunner().invoke(app, ["user", "--help"]).stdout.split()).count("Users: create, list, show") == 1


def test_a_principal_that_names_nobody_is_told(explain: Explain, data: Path) -> None:
    named = {"AWS": ["arn:aws:iam::111122223333:user/dora", "arn:aws:iam:::user/editor"]}
    configure(data, "Policy", document(statement("Deny", Principal=named)))
    configure(data, "PolicyPrincipals", [["", "editor", explain("--user", "editor")["principal"]]])
    (note,) = (note for note in explain("--user", "owner")["notes"] if "nobody" in note)
    assert note == (
        "the bucket policy names nobody by 111122223333:user/dora, and would mean a later user of that name"
    )
