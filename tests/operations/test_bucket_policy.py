"""Bucket policies: put, read and deleted as on AWS, and what they decide at the very next request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateways import Person, client_of, refusal
from tests.raw_requests import send
from tests.servers import RunningServer

DENIED = (403, "AccessDenied")
TAGGING = (("Get", "Tagging"), ("Put", "Tagging"))


def statement(bucket: str, action: Any, effect: str = "Allow", **other: Any) -> dict[str, Any]:
    resource = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return {"Effect": effect, "Principal": "*", "Action": action, "Resource": resource} | other


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_policy_is_given_back_as_it_was_put(owner: Person, owned: str) -> None:
    text = policy(statement(owned, "s3:GetObject")) + "\n"
    assert refusal(owner.s3.get_bucket_policy, Bucket=owned) == (404, "NoSuchBucketPolicy")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=text)
    assert owner.s3.get_bucket_policy(Bucket=owned)["Policy"] == text
    owner.s3.delete_bucket_policy(Bucket=owned)
    assert refusal(owner.s3.get_bucket_policy, Bucket=owned) == (404, "NoSuchBucketPolicy")
    owner.s3.delete_bucket_policy(Bucket=owned)


@pytest.mark.parametrize("text", ["", "{", "[]", policy(), policy({"Effect": "Allow"}), "x" * 20_481])
def test_what_is_no_policy_is_refused(owner: Person, owned: str, text: str) -> None:
    assert refusal(owner.s3.put_bucket_policy, Bucket=owned, Policy=text)[0] == 400
    assert refusal(owner.s3.get_bucket_policy, Bucket=owned) == (404, "NoSuchBucketPolicy")


def test_a_policy_decides_the_next_request_on_every_worker(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    """Each request without a connection of its own goes to some worker; twenty go to both."""
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    for _ in range(5):
        owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(statement(owned, "s3:GetObject")))
        assert {send(server, "GET", f"/{owned}/key", key=None).status for _ in range(10)} == {200}
        assert {send(server, "GET", f"/{owned}/key", key=stranger.key).status for _ in range(10)} == {200}
        owner.s3.delete_bucket_policy(Bucket=owned)
        assert {send(server, "GET", f"/{owned}/key", key=None).status for _ in range(10)} == {403}


def test_a_condition_is_asked_with_the_facts_of_the_request(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    owner.s3.put_object(Bucket=owned, Key="a/1", Body=b"x")
    limits = {
        "StringEquals": {"s3:prefix": "a/", "s3:delimiter": "/"},
        "NumericLessThanEquals": {"s3:max-keys": "10"},
        "IpAddress": {"aws:SourceIp": "127.0.0.0/8"},
        "Bool": {"aws:SecureTransport": "false"},
        "StringLike": {"aws:Referer": "http://page/*", "aws:UserAgent": "*"},
    }
    allowed = statement(owned, "s3:ListBucket", Resource=f"arn:aws:s3:::{owned}", Condition=limits)
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed))
    good, referer = f"/{owned}?list-type=2&prefix=a%2F&delimiter=%2F&max-keys=10", {"Referer": "http://page/1"}
    agent = {"User-Agent": "test"}
    assert send(server, "GET", good, key=stranger.key, **referer, **agent).status == 200
    for path in (good.replace("a%2F", "b%2F"), good.replace("max-keys=10", "max-keys=11"), good.partition("&del")[0]):
        assert send(server, "GET", path, key=stranger.key, **referer, **agent).refusal == DENIED
    assert send(server, "GET", good, key=stranger.key, **agent).refusal == DENIED


def test_the_signature_is_a_fact(server: RunningServer, owner: Person, owned: str) -> None:
    """ "Restrict access to presigned URLs", and to old ones."""
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    url = client_of(server, owner.key, signature_version="s3v4").generate_presigned_url(
        "get_object", {"Bucket": owned, "Key": "key"}
    )
    assert server.get(url)[0] == 200
    for condition in (
        {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}},
        {"NumericLessThan": {"s3:signatureAge": "600000"}, "StringNotEquals": {"s3:authType": "REST-HEADER"}},
        {"StringNotEqualsIfExists": {"s3:authType": "REST-HEADER"}},
    ):
        denied = statement(owned, "s3:GetObject", "Deny", Resource=f"arn:aws:s3:::{owned}/*", Condition=condition)
        owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(denied))
        assert server.get(url)[0] == 403
        assert owner.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"


def test_the_payload_of_a_presigned_url_is_unsigned(server: RunningServer, owner: Person, owned: str) -> None:
    """ "Presigned URLs always have UNSIGNED_PAYLOAD", and send no header that says so."""
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    unsigned = {"StringEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}
    denied = statement(owned, "s3:*", "Deny", Resource=f"arn:aws:s3:::{owned}/*", Condition=unsigned)
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(denied))
    s3 = client_of(server, owner.key, signature_version="s3v4")
    assert server.get(s3.generate_presigned_url("get_object", {"Bucket": owned, "Key": "key"}))[0] == 403
    assert owner.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"


def test_existing_tags_decide_about_the_very_object(owner: Person, stranger: Person, owned: str) -> None:
    """Also where a version is named, and where tags change."""
    owner.s3.put_bucket_versioning(Bucket=owned, VersioningConfiguration={"Status": "Enabled"})
    allowed = statement(
        owned,
        [f"s3:{verb}Object{version}{what}" for verb, what in (("Get", ""), *TAGGING) for version in ("", "Version")],
        Resource=f"arn:aws:s3:::{owned}/*",
        Condition={"StringEquals": {"s3:ExistingObjectTag/open": "yes"}},
    )
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed))
    named = {"Bucket": owned, "Key": "key"}
    first = owner.s3.put_object(**named, Body=b"1", Tagging="open=yes")["VersionId"]
    assert stranger.s3.get_object(**named)["Body"].read() == b"1"
    assert stranger.s3.get_object_tagging(**named)["TagSet"] == [{"Key": "open", "Value": "yes"}]
    owner.s3.put_object(**named, Body=b"2", Tagging="open=no")
    assert refusal(stranger.s3.get_object, **named) == DENIED
    assert refusal(stranger.s3.head_object, **named)[0] == 403
    assert refusal(stranger.s3.get_object, **named, PartNumber=7) == DENIED
    tags = {"TagSet": [{"Key": "open", "Value": "yes"}]}
    assert refusal(stranger.s3.put_object_tagging, **named, Tagging=tags) == DENIED
    assert stranger.s3.get_object(**named, VersionId=first)["Body"].read() == b"1"
    stranger.s3.put_object_tagging(**named, VersionId=first, Tagging={"TagSet": []})
    assert refusal(stranger.s3.get_object, **named, VersionId=first) == DENIED
    assert owner.s3.get_object_tagging(**named)["TagSet"] == [{"Key": "open", "Value": "no"}]


def test_tags_that_are_asked_for_decide(owner: Person, stranger: Person, owned: str) -> None:
    """In the header of PutObject, in the document of PutObjectTagging."""
    allowed = statement(
        owned,
        ["s3:PutObject", "s3:PutObjectTagging"],
        Resource=f"arn:aws:s3:::{owned}/*",
        Condition={"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b"]}},
    )
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed))
    named = {"Bucket": owned, "Key": "key"}
    stranger.s3.put_object(**named, Body=b"x", Tagging="a=1&b=2")
    assert refusal(stranger.s3.put_object, **named, Body=b"y", Tagging="a=1&c=2") == DENIED
    stranger.s3.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "b", "Value": "1"}]})
    assert refusal(stranger.s3.put_object_tagging, **named, Tagging={"TagSet": [{"Key": "c", "Value": "1"}]}) == DENIED


def test_who_may_list_is_told_that_a_key_is_missing(owner: Person, stranger: Person, owned: str) -> None:
    named = {"Bucket": owned, "Key": "a/missing"}
    reads = statement(owned, "s3:GetObject", Resource=f"arn:aws:s3:::{owned}/*")
    lists = statement(owned, "s3:ListBucket", Resource=f"arn:aws:s3:::{owned}")
    below_a = lists | {"Condition": {"StringLike": {"s3:prefix": "a/*"}}}
    for statements, key, status in (
        ([reads], "a/missing", 403),
        ([reads, lists], "a/missing", 404),
        ([reads, below_a], "a/missing", 404),
        ([reads, below_a], "b/missing", 403),
    ):
        owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(*statements))
        named["Key"] = key
        assert refusal(stranger.s3.head_object, **named)[0] == status
        assert refusal(stranger.s3.get_object, **named)[0] == status
        source = {"Bucket": owned, "Key": key}
        copy = {"Bucket": owned, "Key": "copy", "CopySource": source}
        assert refusal(stranger.s3.copy_object, **copy) == DENIED  # who may not put hears that


def test_each_key_of_delete_objects_is_decided_by_itself(owner: Person, stranger: Person, owned: str) -> None:
    for key in ("a/1", "b/1"):
        owner.s3.put_object(Bucket=owned, Key=key, Body=b"x")
    allowed = statement(owned, "s3:DeleteObject", Resource=f"arn:aws:s3:::{owned}/a/*")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed))
    answer = stranger.s3.delete_objects(Bucket=owned, Delete={"Objects": [{"Key": "a/1"}, {"Key": "b/1"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a/1"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("b/1", "AccessDenied")]


def test_a_copy_needs_both_sides_and_the_tags_only_where_there_are_some(
    owner: Person, stranger: Person, owned: str
) -> None:
    owner.s3.put_object(Bucket=owned, Key="plain", Body=b"x")
    owner.s3.put_object(Bucket=owned, Key="tagged", Body=b"x", Tagging="a=1")
    mine = f"copies-{owned}"
    stranger.s3.create_bucket(Bucket=mine)

    def copy(key: str, **other: str) -> Any:
        return {"Bucket": mine, "Key": key, "CopySource": {"Bucket": owned, "Key": key}, **other}

    assert refusal(stranger.s3.copy_object, **copy("plain")) == DENIED
    allowed = statement(owned, "s3:GetObject", Resource=f"arn:aws:s3:::{owned}/*")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed))
    stranger.s3.copy_object(**copy("plain"))
    assert refusal(stranger.s3.copy_object, **copy("tagged")) == DENIED
    stranger.s3.copy_object(**copy("tagged", TaggingDirective="REPLACE", Tagging="b=2"))
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(allowed | {"Action": "s3:GetObject*"}))
    stranger.s3.copy_object(**copy("tagged"))
    assert stranger.s3.get_object_tagging(Bucket=mine, Key="tagged")["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert refusal(owner.s3.get_object, Bucket=mine, Key="plain") == DENIED


def test_other_accounts_get_and_change_no_policy_even_where_it_allows_that(
    owner: Person, stranger: Person, owned: str
) -> None:
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(statement(owned, "s3:*", Resource=f"arn:aws:s3:::{owned}")))
    for call in (stranger.s3.get_bucket_policy, stranger.s3.delete_bucket_policy):
        assert refusal(call, Bucket=owned) == (405, "MethodNotAllowed")
    assert stranger.s3.get_bucket_location(Bucket=owned)["LocationConstraint"] is None


def test_a_deny_binds_the_owner_and_an_admin_who_can_change_it(s3: Any, owner: Person, owned: str) -> None:
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(statement(owned, "s3:*", "Deny")))
    for client in (owner.s3, s3):
        assert refusal(client.get_object, Bucket=owned, Key="key") == DENIED
        assert refusal(client.list_objects_v2, Bucket=owned) == DENIED
        client.get_bucket_policy(Bucket=owned)
    s3.delete_bucket_policy(Bucket=owned)
    assert owner.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"


def test_a_public_policy_can_be_blocked_and_restricted(owner: Person, nobody: Any, owned: str) -> None:
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    text = policy(statement(owned, "s3:GetObject", Resource=f"arn:aws:s3:::{owned}/*"))
    assert owner.s3.get_bucket_policy_status(Bucket=owned)["PolicyStatus"] == {"IsPublic": False}
    owner.s3.put_bucket_policy(Bucket=owned, Policy=text)
    assert owner.s3.get_bucket_policy_status(Bucket=owned)["PolicyStatus"] == {"IsPublic": True}
    assert nobody.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"
    block = {"BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    owner.s3.put_public_access_block(Bucket=owned, PublicAccessBlockConfiguration=block)
    assert refusal(nobody.get_object, Bucket=owned, Key="key") == DENIED
    assert refusal(owner.s3.put_bucket_policy, Bucket=owned, Policy=text) == DENIED
    owner.s3.delete_public_access_block(Bucket=owned)
    assert nobody.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"


def test_who_does_not_own_a_bucket_with_requester_pays_says_that_he_pays(
    owner: Person, stranger: Person, nobody: Any, owned: str
) -> None:
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(statement(owned, ["s3:GetObject", "s3:ListBucket"])))
    assert owner.s3.get_bucket_request_payment(Bucket=owned)["Payer"] == "BucketOwner"
    owner.s3.put_bucket_request_payment(Bucket=owned, RequestPaymentConfiguration={"Payer": "Requester"})
    assert owner.s3.get_bucket_request_payment(Bucket=owned)["Payer"] == "Requester"
    named = {"Bucket": owned, "Key": "key"}
    assert refusal(nobody.get_object, **named, RequestPayer="requester") == DENIED
    assert refusal(stranger.s3.get_object, **named) == DENIED
    assert stranger.s3.get_object(**named, RequestPayer="requester")["RequestCharged"] == "requester"
    assert owner.s3.get_object(**named)["Body"].read() == b"x"
    owner.s3.put_bucket_request_payment(Bucket=owned, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert nobody.get_object(**named)["Body"].read() == b"x"


def test_a_form_is_told_from_other_requests(server: RunningServer, owner: Person, owned: str) -> None:
    def post() -> int:
        form = client_of(server, owner.key, signature_version="s3v4").generate_presigned_post(owned, "form")
        lines = [
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in form["fields"].items()
        ]
        lines += ['--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n']
        body = "".join(lines).encode()
        return send(
            server, "POST", f"/{owned}", body, key=None, **{"Content-Type": "multipart/form-data; boundary=b"}
        ).status

    assert post() == 204
    only = {"StringNotEquals": {"s3:authType": "POST"}, "NumericLessThan": {"s3:signatureAge": "600000"}}
    denied = statement(owned, "s3:PutObject", "Deny", Resource=f"arn:aws:s3:::{owned}/*", Condition=only)
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(denied))
    assert post() == 204
    assert refusal(owner.s3.put_object, Bucket=owned, Key="key", Body=b"x") == DENIED
    owner.s3.put_bucket_policy(
        Bucket=owned, Policy=policy(denied | {"Condition": {"StringEquals": {"s3:authType": "POST"}}})
    )
    assert post() == 403
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")


def test_a_rename_needs_rights_on_the_key_that_it_moves(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    """Those on the new name don't give him what is under another."""
    owner.s3.put_object(Bucket=owned, Key="secret/1", Body=b"x")
    actions = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    his = statement(owned, actions, Resource=f"arn:aws:s3:::{owned}/his/*")
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(his))
    headers = {"x-amz-rename-source": "secret/1"}
    assert send(server, "PUT", f"/{owned}/his/1?renameObject", key=stranger.key, **headers).refusal == DENIED
    missing = {"x-amz-rename-source": "secret/2"}
    assert send(server, "PUT", f"/{owned}/his/1?renameObject", key=stranger.key, **missing).refusal == DENIED
    assert owner.s3.get_object(Bucket=owned, Key="secret/1")["Body"].read() == b"x"
    both = his | {"Resource": f"arn:aws:s3:::{owned}/*"}
    owner.s3.put_bucket_policy(Bucket=owned, Policy=policy(both))
    assert send(server, "PUT", f"/{owned}/his/1?renameObject", key=stranger.key, **headers).status == 200
    assert refusal(owner.s3.head_object, Bucket=owned, Key="secret/1")[0] == 404
