"""The language of form policies: what is one, what it lets through, and in which words it refuses."""

from __future__ import annotations

import base64
import gc
import json
import time
from typing import Any

import pytest

from s3gw.auth.post_policy import PostPolicy, SizeRange, parse_post_policy
from s3gw.errors import AccessDenied, EntityTooLarge, EntityTooSmall, InvalidPolicyDocument, S3Error

EXPIRATION = "2030-01-01T12:00:00.000Z"
NOON = 1_893_499_200
BUCKET = {"bucket": "b"}


def encoded(document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(text.encode()).decode()


def policy(*conditions: Any, expiration: Any = EXPIRATION) -> PostPolicy:
    return parse_post_policy(encoded({"expiration": expiration, "conditions": [BUCKET, *conditions]}))


def refused(condition: Any, now: float = NOON - 1, **fields: str) -> str:
    """What a form with these fields is told; "" when it keeps to the policy."""
    try:
        policy(condition).check("b", {name.replace("__", "-"): value for name, value in fields.items()}, now)
    except AccessDenied as error:
        return error.message.removeprefix("Invalid according to Policy: ")
    return ""


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"acl": "private"}, "private", True),
        ({"acl": "private"}, "Private", False),
        ({"ACL": "private"}, "private", True),
        (["eq", "$acl", "private"], "private", True),
        (["EQ", "$AcL", "private"], "private", True),
        (["eq", "$acl", "priv"], "private", False),
        (["eq", "acl", "private"], "private", False),
        (["starts-with", "$acl", "pri"], "private", True),
        (["StArTs-WiTh", "$acl", "Pri"], "private", False),
        (["starts-with", "$acl", ""], "", True),
        (["starts-with", "$acl", "a"], "a,b", True),
        (["starts-with", "$acl", "private"], "pri", False),
    ],
)
def test_a_field_must_keep_to_each_condition_on_it(condition: Any, value: str, holds: bool) -> None:
    assert (refused(condition, acl=value) == "") is holds


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({"AcL": 'a"ü'}, '["eq", "$AcL", "a\\"ü"]'),
        (["starts-with", "$acl", "x"], '["starts-with", "$acl", "x"]'),
        (["eq", "acl", "x"], '["eq", "acl", "x"]'),
        ({"bucket": "other"}, '["eq", "$bucket", "other"]'),
        (["starts-with", "$x-amz-meta-a", ""], '["starts-with", "$x-amz-meta-a", ""]'),
    ],
)
def test_a_condition_that_fails_is_told_as_it_was_written(condition: Any, text: str) -> None:
    assert refused(condition, acl="private") == f"Policy Condition failed: {text}"


def test_content_types_with_commas_are_a_list_of_which_each_must_begin_so() -> None:
    condition = ["starts-with", "$Content-Type", "image/"]
    assert refused(condition, content__type="image/jpg, image/png,image/gif") == ""
    assert "Condition failed" in refused(condition, content__type="image/jpg,text/plain")


def test_a_field_of_the_buckets_name_does_not_stand_for_the_bucket() -> None:
    parsed = parse_post_policy(encoded({"expiration": EXPIRATION, "conditions": [BUCKET]}))
    parsed.check("b", {"bucket": "other"}, 0)
    with pytest.raises(AccessDenied):
        parsed.check("other", {"bucket": "b"}, 0)


def test_a_policy_names_its_bucket() -> None:
    parsed = parse_post_policy(encoded({"expiration": EXPIRATION, "conditions": [{"acl": "a"}]}))
    with pytest.raises(AccessDenied, match="Extra input fields: bucket"):
        parsed.check("b", {"acl": "a"}, 0)


@pytest.mark.parametrize("name", ["x-amz-signature", "Signature", "FILE", "policy", "AWSAccessKeyId", "x-ignore-a"])
def test_some_fields_need_no_condition(name: str) -> None:
    policy().check("b", {name: "x"}, 0)


def test_all_other_fields_need_one_and_are_named_as_they_were_sent() -> None:
    assert refused({"acl": "a"}, acl="a", Submit="x", x__amz__date="y") == "Extra input fields: Submit, x-amz-date"
    assert refused(["content-length-range", 0, 1], content__length__range="1") != ""


def test_a_policy_expires_at_its_second() -> None:
    assert refused({"acl": "a"}, NOON - 0.001, acl="a") == ""
    assert refused({"acl": "a"}, NOON, acl="a") == "Policy expired."
    assert refused({"acl": "wrong"}, NOON, acl="a") == "Policy expired."


@pytest.mark.parametrize("expiration", ["2030-01-01T12:00:00Z", "2030-01-01T12:00:00.123456Z"])
def test_fractions_of_a_second_may_be_left_out(expiration: str) -> None:
    assert policy(expiration=expiration).expiration == NOON


@pytest.mark.parametrize(
    "expiration",
    [
        "2030-01-01 12:00:00Z",
        "2030-01-01T12:00:00+02:00",
        "2030-01-01T12:00:00",
        "2030-02-30T12:00:00Z",
        "٢٠٣٠-01-01T12:00:00Z",
        "soon",
        "",
    ],
)
def test_an_expiration_that_is_no_utc_instant_is_told(expiration: str) -> None:
    with pytest.raises(InvalidPolicyDocument) as told:
        policy(expiration=expiration)
    assert told.value.message == f"Invalid Policy: Invalid 'expiration' value: '{expiration}'"


def test_sizes_are_within_every_range_ends_included() -> None:
    (sizes,) = policy(["content-length-range", 5, "10"]).sizes
    assert sizes == SizeRange(5, 10)
    for size in (5, 10):
        sizes.check_least(size)
        sizes.check_most(size)
    with pytest.raises(EntityTooLarge) as large:
        sizes.check_most(11)
    assert large.value.details == {"ProposedSize": "11", "MaxSizeAllowed": "10"}
    with pytest.raises(EntityTooSmall) as small:
        sizes.check_least(4)
    assert small.value.details == {"ProposedSize": "4", "MinSizeAllowed": "5"}


def test_a_range_that_is_not_of_numbers_fails_as_a_condition() -> None:
    with pytest.raises(AccessDenied, match=r'Policy Condition failed: \["content-length-range", "test", "10"\]'):
        policy(["content-length-range", "test", "10"])


NOT_JSON = "Invalid JSON."
SIMPLE = "Invalid Simple-Condition: "


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "Invalid 'conditions' value: must be a List."),
        (None, "Invalid 'conditions' value: must be a List."),
        ([True], "Invalid condition test: must be a List or Object."),
        ([[]], "Invalid Condition: missing operation identifier."),
        ([[1, "$a", "b"]], NOT_JSON),
        ([["ends-with", "$a", "b"]], "Invalid Condition: unknown operation 'ends-with'."),
        ([["eq", "$a"]], "Invalid eq: wrong number of arguments."),
        ([["eq", "$a", "b", "c"]], "Invalid eq: wrong number of arguments."),
        ([["content-length-range", 0]], "Invalid content-length-range: wrong number of arguments."),
        ([["eq", False, "b"]], NOT_JSON),
        ([["starts-with", "$a", 1]], NOT_JSON),
        ([["content-length-range", 0, 512.0]], NOT_JSON),
        ([["content-length-range", 0, True]], NOT_JSON),
        ([["content-length-range", -1, 0]], "Invalid content-length-range value: '-1'"),
        ([["content-length-range", 0, 10**19]], f"Invalid content-length-range value: '{10**18}'"),
        ([{}], SIMPLE + "Simple-Conditions must have exactly one property specified."),
        ([{"a": "b", "c": "d"}], SIMPLE + "Simple-Conditions must have exactly one property specified."),
        ([{"a": 1}], SIMPLE + "value must be a string."),
        ([{"a": None}], SIMPLE + "value must be a string."),
    ],
)
def test_a_condition_that_is_none_makes_the_document_invalid(conditions: Any, message: str) -> None:
    with pytest.raises(InvalidPolicyDocument) as told:
        parse_post_policy(encoded({"expiration": EXPIRATION, "conditions": conditions}))
    assert told.value.message == f"Invalid Policy: {message}"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"conditions": []}, "Policy missing expiration."),
        ({"expiration": EXPIRATION}, "Policy missing conditions."),
        ({"EXPIRATION": EXPIRATION, "conditions": []}, "Unexpected: 'expiration'"),
        ({"expiration": EXPIRATION, "CONDITIONS": []}, "Unexpected: 'conditions'"),
        ({"expiration": EXPIRATION, "conditions": [], "Statement": []}, "Unexpected: 'statement'"),
        ({"expiration": 1, "conditions": []}, NOT_JSON),
        ([], NOT_JSON),
        ("", NOT_JSON),
        ("{", NOT_JSON),
        ('{"expiration": NaN}', NOT_JSON),
        ("[" * 15_000, NOT_JSON),
        ('{"expiration": ' + "9" * 10_000 + "}", NOT_JSON),
    ],
)
def test_a_document_that_is_no_policy_is_told_why(document: Any, message: str) -> None:
    text = encoded(document)
    gc.disable()  # at the deepest place of a deep one, what others' objects do at their end would fail
    try:
        with pytest.raises(InvalidPolicyDocument) as told:
            parse_post_policy(text)
    finally:
        gc.enable()
    assert told.value.message == f"Invalid Policy: {message}"


@pytest.mark.parametrize("text", ["{policy}", "=", "e30", "\x00", "é"])
def test_what_is_no_base64_is_told(text: str) -> None:
    with pytest.raises(InvalidPolicyDocument, match="Base64"):
        parse_post_policy(text)


def test_what_is_no_utf_8_is_no_json() -> None:
    with pytest.raises(InvalidPolicyDocument, match="JSON"):
        parse_post_policy(base64.b64encode(b'"\xff"').decode())


def test_base64_may_have_line_ends() -> None:
    text = encoded({"expiration": EXPIRATION, "conditions": [BUCKET]})
    assert parse_post_policy(f"{text[:20]}\r\n{text[20:]}\n").conditions[0].value == "b"


def test_awss_own_escapes_are_read_beside_those_of_json() -> None:
    r"""A \\$ is a backslash and a dollar sign, as in any JSON."""
    conditions = r'[["eq", "$a", "\$x\v\n"], ["eq", "$b", "\\$x"]]'
    text = f'{{"expiration": "{EXPIRATION}", "conditions": {conditions}}}'
    first, second = parse_post_policy(encoded(text)).conditions
    assert (first.value, second.value) == ("$x\v\n", "\\$x")


def test_a_hostile_policy_of_the_largest_size_is_refused_at_once() -> None:
    conditions = [["starts-with", "$key", ""]] * 700
    fields = {f"f{number}": "x" for number in range(200)} | {"key": "a" * 10_000}
    text = encoded({"expiration": EXPIRATION, "conditions": [BUCKET, *conditions]})
    assert len(text) > 20_000
    started_at = time.process_time()
    with pytest.raises(S3Error):
        parse_post_policy(text).check("b", fields, 0)
    assert time.process_time() - started_at < 0.2
