"""RenameObject: what is left behind, repetitions by client token, and renames that race."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import Person, refusal
from tests.operations.test_put_object import in_threads

LARGE = bytes(range(256)) * 400


def test_a_rename_in_a_versioned_bucket_leaves_a_marker(s3: Any, versioned: str) -> None:
    version = s3.put_object(Bucket=versioned, Key="a", Body=LARGE)["VersionId"]
    s3.rename_object(Bucket=versioned, Key="b", RenameSource="a")
    assert refusal(s3.head_object, Bucket=versioned, Key="a")[0] == 404
    assert s3.get_object(Bucket=versioned, Key="a", VersionId=version)["Body"].read() == LARGE
    assert s3.get_object(Bucket=versioned, Key="b")["Body"].read() == LARGE


def test_a_rename_that_is_repeated_succeeds_and_does_nothing_more(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"first")
    rename = {"Bucket": bucket, "Key": "b", "RenameSource": "a", "ClientToken": "t" * 64}
    s3.rename_object(**rename)
    s3.put_object(Bucket=bucket, Key="a", Body=b"second")
    s3.rename_object(**rename)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"second"
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"first"
    with pytest.raises(s3.exceptions.IdempotencyParameterMismatch):
        s3.rename_object(**rename | {"Key": "c"})
    s3.rename_object(**rename | {"ClientToken": "u"})
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"second"
    s3.delete_object(Bucket=bucket, Key="b")
    s3.delete_bucket(Bucket=bucket)  # tokens don't keep it


def test_a_rename_that_is_repeated_by_no_admin_succeeds_too(owner: Person, owned: str) -> None:
    """Where objects have ACLs, that of the source is asked; of a source that is gone there is none."""
    owner.s3.put_object(Bucket=owned, Key="a", Body=b"a")
    for _ in range(2):
        owner.s3.rename_object(Bucket=owned, Key="b", RenameSource="a", ClientToken="t")
    assert owner.s3.get_object(Bucket=owned, Key="b")["Body"].read() == b"a"


def test_a_rename_that_failed_is_done_when_it_is_repeated(s3: Any, bucket: str) -> None:
    rename = {"Bucket": bucket, "Key": "b", "RenameSource": "a", "ClientToken": "t"}
    assert refusal(s3.rename_object, **rename) == (404, "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.rename_object(**rename)
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"a"


def test_of_concurrent_repetitions_all_succeed(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE)
    in_threads(6, lambda _: s3.rename_object(Bucket=bucket, Key="b", RenameSource="a", ClientToken="t"))
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["b"]


@pytest.mark.parametrize("token", ["t" * 65, "a b", "ü"])
def test_a_client_token_is_64_visible_characters_at_most(s3: Any, bucket: str, token: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    renaming = refusal(s3.rename_object, Bucket=bucket, Key="b", RenameSource="a", ClientToken=token)
    assert renaming == (400, "InvalidArgument")


def test_of_concurrent_renames_one_moves_the_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE)
    outcomes: list[int] = []

    def rename(number: int) -> None:
        try:
            s3.rename_object(Bucket=bucket, Key=f"to/{number}", RenameSource="a")
            outcomes.append(200)
        except s3.exceptions.ClientError as error:
            outcomes.append(error.response["ResponseMetadata"]["HTTPStatusCode"])

    in_threads(6, rename)
    assert sorted(outcomes) == [200] + [404] * 5
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 1
    assert s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read() == LARGE


def test_a_repetition_is_answered_where_only_the_object_says_who_may(owner: Person, owned: str) -> None:
    """With ACLs, what may be renamed is asked of the object, which a repetition doesn't read."""
    owner.s3.put_object(Bucket=owned, Key="a", Body=b"a")
    rename = {"Bucket": owned, "Key": "b", "RenameSource": "a", "ClientToken": "t"}
    owner.s3.rename_object(**rename)
    owner.s3.rename_object(**rename)
    assert owner.s3.get_object(Bucket=owned, Key="b")["Body"].read() == b"a"
