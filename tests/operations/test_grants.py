"""What a grant lets S3 clients do, given on the command line beside running servers: it decides the next request of
every worker.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.access.policies import document, of_identity, statement
from tests.cli.commands import Ask, beside
from tests.gateways import Person, client_of, new_person, refusal
from tests.operations.test_bucket_policy import send
from tests.servers import RunningServer

DENIED = (403, "AccessDenied")
_numbers = itertools.count()


@pytest.fixture
def ask(server: RunningServer) -> Ask:
    return beside(server)


class Friend:
    """A person of another account, whose clients are spread over the workers."""

    def __init__(self, server: RunningServer, person: Person, name: str) -> None:
        self.s3, self.key, self.name = person.s3, person.key, name
        self.clients = [client_of(server, person.key) for _ in range(6)]

    def gets(self, bucket: str, key: str) -> str:
        """What GetObject ends in, which must be the same on each connection."""
        (outcome,) = {self.get(client, bucket, key) for client in self.clients}
        return outcome

    def get(self, client: Any, bucket: str, key: str) -> str:
        try:
            return client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        except ClientError as error:
            return str(error.response["Error"]["Code"])


@pytest.fixture
def friend(server: RunningServer) -> Iterator[Friend]:
    name = f"friend-{next(_numbers)}"
    friend = Friend(server, new_person(server, name), name)
    yield friend
    for client in friend.clients:
        client.close()


@pytest.fixture
def shared(owner: Person, owned: str) -> str:
    owner.s3.put_bucket_ownership_controls(
        Bucket=owned, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    for key in ("a/1", "a/2", "b/1"):
        owner.s3.put_object(Bucket=owned, Key=key, Body=b"bytes")
    return owned


def test_a_grant_counts_for_the_next_request_on_every_worker_and_so_does_its_end(
    ask: Ask, friend: Friend, shared: str
) -> None:
    for _ in range(2):
        assert friend.gets(shared, "a/1") == "AccessDenied"
        made = ask("grant", "create", shared, "--user", friend.name, "--permission", "read", "--prefix", "a/")
        assert (friend.gets(shared, "a/1"), friend.gets(shared, "b/1")) == ("bytes", "AccessDenied")
        ask("grant", "delete", made["id"])
    assert friend.gets(shared, "a/1") == "AccessDenied"


def test_a_grant_to_a_group_counts_for_who_is_in_it(
    server: RunningServer, ask: Ask, friend: Friend, shared: str
) -> None:
    number = next(_numbers)
    name, group = f"member-{number}", f"staff-{number}"
    ask("user", "create", name, "--account", friend.name)
    made = ask("key", "create", name)
    key = made["access_key_id"], made["secret_access_key"]
    friend.s3.create_bucket(Bucket=f"team-{friend.name}")
    member = Friend(server, Person(client_of(server, key), "", "", key), name)
    ask("group", "create", group, "--account", friend.name)
    ask("group", "add", group, name)
    assert member.gets(shared, "a/1") == "AccessDenied"
    granted = ask("grant", "create", shared, "--group", group, "--permission", "read")
    assert member.gets(shared, "a/1") == "bytes"
    assert [bucket["Name"] for bucket in member.s3.list_buckets()["Buckets"]] == [shared]  # and none of his account's
    ask("grant", "update", granted["id"], "--permission", "write")
    member.s3.put_object(Bucket=shared, Key="new", Body=b"his")
    ask("group", "remove", group, name)
    assert member.gets(shared, "a/1") == "AccessDenied"
    assert refusal(member.s3.list_buckets) == DENIED
    ask("group", "add", group, name)
    assert member.gets(shared, "a/1") == "bytes"
    ask("group", "delete", group)
    assert member.gets(shared, "a/1") == "AccessDenied"


def test_a_grant_ends_by_itself_when_it_expires(ask: Ask, friend: Friend, shared: str) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ask("grant", "create", shared, "--user", friend.name, "--permission", "read", "--expires", soon)
    outcomes = set()
    while datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") < soon:
        outcomes.add(friend.get(friend.s3, shared, "a/1"))
    assert friend.gets(shared, "a/1") == "AccessDenied"
    assert "bytes" in outcomes


def test_a_prefix_is_listed_with_it_and_not_without(ask: Ask, friend: Friend, shared: str) -> None:
    ask("grant", "create", shared, "--user", friend.name, "--permission", "read", "--prefix", "a/")
    listed = friend.s3.list_objects_v2(Bucket=shared, Prefix="a/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["a/1", "a/2"]
    for prefix in ("", "a", "b/"):
        assert refusal(friend.s3.list_objects_v2, Bucket=shared, Prefix=prefix) == DENIED
    assert refusal(friend.s3.list_objects_v2, Bucket=shared) == DENIED
    assert refusal(friend.s3.get_object, Bucket=shared, Key="a/none") == (404, "NoSuchKey")
    assert refusal(friend.s3.get_object, Bucket=shared, Key="b/none") == DENIED


def test_list_buckets_shows_what_somebody_was_granted_beside_the_own(ask: Ask, friend: Friend, shared: str) -> None:
    own = f"own-{friend.name}"
    friend.s3.create_bucket(Bucket=own)
    assert [bucket["Name"] for bucket in friend.s3.list_buckets()["Buckets"]] == [own]
    made = ask("grant", "create", shared, "--user", friend.name, "--permission", "read", "--key", "a/1")
    assert [bucket["Name"] for bucket in friend.s3.list_buckets()["Buckets"]] == sorted([own, shared])
    assert [bucket["Name"] for bucket in friend.s3.list_buckets(Prefix=own)["Buckets"]] == [own]
    ask("grant", "delete", made["id"])
    assert [bucket["Name"] for bucket in friend.s3.list_buckets()["Buckets"]] == [own]


def test_who_may_write_renames_and_ends_his_own_uploads_and_deletes_nothing(
    server: RunningServer, owner: Person, ask: Ask, friend: Friend, shared: str
) -> None:
    ask("grant", "create", shared, "--user", friend.name, "--permission", "write", "--prefix", "a/")
    friend.s3.put_object(Bucket=shared, Key="a/1", Body=b"his", Tagging="k=v")
    upload = friend.s3.create_multipart_upload(Bucket=shared, Key="a/3")["UploadId"]
    friend.s3.upload_part(Bucket=shared, Key="a/3", UploadId=upload, PartNumber=1, Body=b"x")
    assert len(friend.s3.list_parts(Bucket=shared, Key="a/3", UploadId=upload)["Parts"]) == 1
    friend.s3.abort_multipart_upload(Bucket=shared, Key="a/3", UploadId=upload)
    others = owner.s3.create_multipart_upload(Bucket=shared, Key="a/3")["UploadId"]
    assert refusal(friend.s3.abort_multipart_upload, Bucket=shared, Key="a/3", UploadId=others) == DENIED

    def rename(source: str, key: str) -> int:
        headers = {"x-amz-rename-source": source}
        return int(send(server, "PUT", f"/{shared}/{key}?renameObject", key=friend.key, **headers).status)

    assert rename("a/1", "a/new") == 200
    assert rename("a/new", "a/2") == 403  # which is there: it would be gone
    assert rename("a/new", "b/new") == rename("b/1", "a/4") == 403
    assert owner.s3.get_object(Bucket=shared, Key="a/2")["Body"].read() == b"bytes"
    assert refusal(friend.s3.delete_object, Bucket=shared, Key="a/2") == DENIED
    ask("grant", "create", shared, "--user", friend.name, "--permission", "admin", "--key", "a/2")
    assert rename("a/new", "a/2") == 200
    friend.s3.delete_object(Bucket=shared, Key="a/2")


def test_an_admin_by_grant_configures_the_bucket_and_neither_deletes_it_nor_gives_more_than_he_has(
    ask: Ask, friend: Friend, owner: Person, shared: str
) -> None:
    ask("grant", "create", shared, "--user", friend.name, "--permission", "admin")
    friend.s3.put_bucket_versioning(Bucket=shared, VersioningConfiguration={"Status": "Enabled"})
    version = friend.s3.put_object(Bucket=shared, Key="a/1", Body=b"x")["VersionId"]
    friend.s3.delete_object(Bucket=shared, Key="a/1", VersionId=version)
    policy = document(statement(Resource=f"arn:aws:s3:::{shared}/*"))
    assert refusal(friend.s3.put_bucket_policy, Bucket=shared, Policy=policy) == DENIED
    assert refusal(friend.s3.delete_bucket, Bucket=shared) == DENIED


def test_what_denies_wins_and_a_key_stays_narrowed(
    ask: Ask, friend: Friend, owner: Person, shared: str, server: RunningServer
) -> None:
    ask("grant", "create", shared, "--user", friend.name, "--permission", "read")
    ask("policy", "put", "--key", friend.key[0], "-", input=document(of_identity(Resource="arn:aws:s3:::*/a/1")))
    assert (friend.gets(shared, "a/1"), friend.gets(shared, "a/2")) == ("bytes", "AccessDenied")
    ask("policy", "delete", "--key", friend.key[0])
    denies = statement("Deny", Resource=f"arn:aws:s3:::{shared}/a/*")
    owner.s3.put_bucket_policy(Bucket=shared, Policy=document(denies))
    assert (friend.gets(shared, "a/1"), friend.gets(shared, "b/1")) == ("AccessDenied", "bytes")


def test_a_bucket_that_has_an_old_one_s_name_has_none_of_its_grants(ask: Ask, friend: Friend, owner: Person) -> None:
    name = f"again-{friend.name}"
    owner.s3.create_bucket(Bucket=name)
    ask("grant", "create", name, "--user", friend.name, "--permission", "write")
    friend.s3.list_objects_v2(Bucket=name)
    owner.s3.delete_bucket(Bucket=name)
    owner.s3.create_bucket(Bucket=name)
    assert refusal(friend.s3.list_objects_v2, Bucket=name) == DENIED
