"""Policies of users, groups and keys, and the block of an account, given on the command line beside running servers:
each decides the next request of every worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.access.policies import document, of_identity, statement
from tests.cli.commands import Ask, beside
from tests.gateways import client_of, refusal
from tests.servers import RunningServer, running_server

SECRET = "secret-of-the-editor-in-tests"
READS = document(of_identity(Sid="Reads", Resource="arn:aws:s3:::*/a"))
WRITES = document(of_identity(Action="s3:PutObject", Resource="*"))


def clients_of(server: RunningServer, key: str) -> list[Any]:
    """With more connections than there are workers, so that each worker has some."""
    return [client_of(server, (key, SECRET)) for _ in range(6)]


class Editor:
    """A user of the account `root`, which the bucket belongs to."""

    def __init__(self, server: RunningServer, ask: Ask, bucket: str) -> None:
        self.ask, self.bucket = ask, bucket
        self.root, self.name, self.group = f"root-{bucket}", f"editor-{bucket}", f"group-{bucket}"
        self.key = f"AKIA.{bucket}"
        ask("user", "create", self.root)
        ask("user", "create", self.name, "--account", self.root)
        ask("key", "create", self.name, "--access-key-id", self.key, "--secret-access-key", SECRET)
        ask("group", "create", self.group, "--account", self.root)
        ask("bucket", "update", bucket, "--owner", self.root)
        ask("key", "create", self.root, "--access-key-id", self.root, "--secret-access-key", SECRET)
        root = client_of(server, (self.root, SECRET))
        for key in ("a", "b"):
            root.put_object(Bucket=bucket, Key=key, Body=b"bytes")
        self.clients = clients_of(server, self.key)
        assert self.gets() == "AccessDenied"

    def gets(self, key: str = "a") -> str:
        """What GetObject ends in, which must be the same on each connection."""
        (outcome,) = {self._get(client, key) for client in self.clients}
        return outcome

    def _get(self, client: Any, key: str) -> str:
        try:
            return client.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        except ClientError as error:
            return str(error.response["Error"]["Code"])


@pytest.fixture
def ask(server: RunningServer) -> Ask:
    return beside(server)


@pytest.fixture
def editor(server: RunningServer, ask: Ask, bucket: str) -> Iterator[Editor]:
    editor = Editor(server, ask, bucket)
    yield editor
    for client in editor.clients:
        client.close()


def test_a_policy_of_a_user_decides_the_next_request_on_every_worker(editor: Editor, ask: Ask) -> None:
    of = ("--user", editor.name, "--name", "reads")
    for _ in range(2):
        ask("policy", "put", *of, "-", input=READS)
        assert (editor.gets(), editor.gets("b")) == ("bytes", "AccessDenied")
        ask("policy", "put", *of, "-", input=WRITES)
        assert editor.gets() == "AccessDenied"
    ask("policy", "put", *of, "-", input=READS)
    ask("policy", "delete", *of)
    assert editor.gets() == "AccessDenied"


def test_a_policy_of_a_group_counts_for_who_is_in_it(editor: Editor, ask: Ask) -> None:
    ask("policy", "put", "--group", editor.group, "-", input=READS)
    assert editor.gets() == "AccessDenied"
    ask("group", "add", editor.group, editor.name)
    assert editor.gets() == "bytes"
    ask("policy", "put", "--group", editor.group, "-", input=WRITES)
    assert editor.gets() == "AccessDenied"
    ask("policy", "put", "--group", editor.group, "-", input=READS)
    assert editor.gets() == "bytes"
    ask("group", "remove", editor.group, editor.name)
    assert editor.gets() == "AccessDenied"
    ask("group", "add", editor.group, editor.name)
    assert editor.gets() == "bytes"
    ask("group", "delete", editor.group)
    assert editor.gets() == "AccessDenied"


def test_a_policy_of_a_key_narrows_it(editor: Editor, ask: Ask) -> None:
    ask("policy", "put", "--user", editor.name, "-", input=READS)
    ask("policy", "put", "--key", editor.key, "-", input=WRITES)
    assert editor.gets() == "AccessDenied"
    ask("policy", "put", "--key", editor.key, "-", "--name", "reads", input=READS)
    assert editor.gets() == "bytes"
    ask("policy", "delete", "--user", editor.name)
    assert editor.gets() == "AccessDenied"


def test_a_bucket_policy_means_the_user_that_was_there_and_no_later_namesake(editor: Editor, ask: Ask, s3: Any) -> None:
    arn = ask("user", "show", editor.name)["arn"]
    resource = f"arn:aws:s3:::{editor.bucket}/*"
    policy = document(statement(Principal={"AWS": arn}, Resource=resource))

    def make() -> None:
        ask("user", "create", editor.name, "--account", editor.root)
        ask("key", "create", editor.name, "--access-key-id", editor.key, "--secret-access-key", SECRET)

    s3.put_bucket_policy(Bucket=editor.bucket, Policy=policy)
    assert editor.gets() == "bytes"
    ask("user", "update", editor.name, "--name", f"{editor.name}-x")
    assert editor.gets() == "bytes"
    ask("user", "delete", f"{editor.name}-x", "--now")
    make()
    assert editor.gets() == "AccessDenied"
    assert s3.get_bucket_policy(Bucket=editor.bucket)["Policy"] == policy
    s3.put_bucket_policy(Bucket=editor.bucket, Policy=policy)
    assert editor.gets() == "bytes"
    ask("user", "delete", editor.name, "--now")
    s3.put_bucket_policy(Bucket=editor.bucket, Policy=policy)  # of nobody: meant by name
    make()
    assert editor.gets() == "bytes"
    s3.delete_bucket_policy(Bucket=editor.bucket)
    assert editor.gets() == "AccessDenied"


def test_the_block_of_an_account_holds_from_the_next_request_on(
    server: RunningServer, editor: Editor, ask: Ask, s3: Any
) -> None:
    public = document(statement(Resource=f"arn:aws:s3:::{editor.bucket}/*"))
    s3.put_bucket_policy(Bucket=editor.bucket, Policy=public)
    stranger = f"stranger-{editor.bucket}"
    ask("user", "create", stranger)
    ask("key", "create", stranger, "--access-key-id", stranger, "--secret-access-key", SECRET)
    own, editor.clients = editor.clients, clients_of(server, stranger)
    assert editor.gets() == "bytes"
    block = ("account", "public-access-block", "put", editor.root)
    ask(*block, "--restrict-public-buckets")
    assert editor.gets() == "AccessDenied"
    ask(*block, "--no-restrict-public-buckets")
    assert editor.gets() == "bytes"
    editor.clients += own


@pytest.mark.soak
def test_a_server_with_debug_lines_logs_the_rule_and_answers_without_it(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", "--workers", "1", S3GW_LOG="debug", S3GW_LOG_FORMAT="json") as server:
        admin = client_of(server)
        admin.create_bucket(Bucket="pictures")
        denies = statement("Deny", Sid="NoTemp", Resource="arn:aws:s3:::pictures/tmp/*")
        admin.put_bucket_policy(Bucket="pictures", Policy=document(denies))
        with pytest.raises(ClientError) as refused:
            admin.get_object(Bucket="pictures", Key="tmp/a")
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    response = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert "NoTemp" not in str(response)
    request_id = response["ResponseMetadata"]["RequestId"]
    assert [line["message"] for line in lines if line["level"] == "debug" and request_id in line["message"]] == [
        f"request_id={request_id} action=s3:GetObject denied by statement 'NoTemp' of the bucket policy"
    ]


def test_who_may_make_which_buckets_is_said_by_their_names(editor: Editor, ask: Ask) -> None:
    own, others = f"arn:aws:s3:::team-{editor.bucket}-*", f"arn:aws:s3:::team-{editor.bucket}-not-*"
    ask(
        *("policy", "put", "--user", editor.name, "-"),
        input=document(
            of_identity(Action=["s3:CreateBucket", "s3:PutBucketAcl"], Resource=own),
            of_identity("Deny", Action="s3:CreateBucket", Resource=others),
            of_identity("Deny", Action="s3:PutBucketAcl", Resource=f"arn:aws:s3:::team-{editor.bucket}-private"),
        ),
    )
    s3 = editor.clients[0]
    s3.create_bucket(Bucket=f"team-{editor.bucket}-a", ACL="public-read")
    assert refusal(s3.create_bucket, Bucket=f"other-{editor.bucket}") == (403, "AccessDenied")
    assert refusal(s3.create_bucket, Bucket=f"team-{editor.bucket}-not-b") == (403, "AccessDenied")
    private = f"team-{editor.bucket}-private"
    assert refusal(s3.create_bucket, Bucket=private, ACL="public-read") == (403, "AccessDenied")


def test_the_block_of_an_account_holds_for_buckets_that_are_made(server: RunningServer, ask: Ask, bucket: str) -> None:
    root = f"root-{bucket}"
    ask("user", "create", root)
    ask("key", "create", root, "--access-key-id", root, "--secret-access-key", SECRET)
    s3 = client_of(server, (root, SECRET))
    s3.create_bucket(Bucket=f"{bucket}-a")
    ask("account", "public-access-block", "put", root, "--block-public-acls")
    refused = (400, "InvalidBucketAclWithBlockPublicAccessError")
    for name in (f"{bucket}-a", f"{bucket}-b"):  # one that is there, and whose ACL this would reset; and a new one
        assert refusal(s3.create_bucket, Bucket=name, ACL="public-read") == refused
        s3.create_bucket(Bucket=name, ACL="log-delivery-write")
