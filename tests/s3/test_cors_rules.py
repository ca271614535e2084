"""What CORS rules match, without a server: wildcards, names of headers, hostile origins, and how long it takes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from s3gw.s3.cors_rules import headers_of, parse_rules, read_asked


def answered(rules: list[dict[str, Any]], origin: str, method: str = "GET", **headers: str) -> dict[str, str]:
    named = {"origin": origin} | {name.replace("_", "-"): value for name, value in headers.items()}
    asked = read_asked(method, named)
    found = [] if asked is None else headers_of(parse_rules(json.dumps({"CORSRules": rules})), asked)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names)
    return {name.decode().removeprefix("access-control-"): value.decode("ascii") for name, value in found}


def allowed_origin(*patterns: str, origin: str) -> str | None:
    return answered([{"AllowedMethods": ["GET"], "AllowedOrigins": list(patterns)}], origin).get("allow-origin")


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("http://a.example", ["http://a.example"], ["https://a.example", "http://a.example:80", "http://a.example.b"]),
        ("http://*.example", ["http://a.example", "http://a.b.example", "http://.example"], ["http://example"]),
        ("start*end", ["startend", "start1end"], ["0startend", "startend0", "startnd", "staend"]),
        ("aba*aba", ["abaaba", "aba aba".replace(" ", "-")], ["aba", "ababa"]),
        ("prefix*", ["prefix", "prefix.suffix"], ["bla.prefix"]),
        ("*suffix", ["suffix", "a.suffix"], ["suffix.a"]),
        ("http://[::1]:8080", ["http://[::1]:8080"], ["http://[::1]:8081"]),
        ("null", ["null"], ["nul"]),
        ("a.example", ["a.example"], ["aXexample", "a\\.example"]),
    ],
)
def test_an_origin_is_echoed_where_a_pattern_matches_all_of_it(
    pattern: str, matching: list[str], other: list[str]
) -> None:
    assert [allowed_origin(pattern, origin=origin) for origin in matching] == matching
    assert [allowed_origin(pattern, origin=origin) for origin in other] == [None] * len(other)


def test_a_star_alone_is_answered_by_a_star_and_without_credentials() -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    headers = answered([rule], "http://a.example")
    assert headers["allow-origin"] == "*" and "allow-credentials" not in headers
    echoed = answered([rule | {"AllowedOrigins": ["http*"]}], "http://a.example")
    assert (echoed["allow-origin"], echoed["allow-credentials"]) == ("http://a.example", "true")


def test_the_first_rule_that_matches_origin_method_and_headers_answers() -> None:
    rules = [
        {"AllowedMethods": ["PUT"], "AllowedOrigins": ["http://a"], "MaxAgeSeconds": 1},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://b"], "MaxAgeSeconds": 2},
        {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["http://a"], "MaxAgeSeconds": 3},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["x-a"], "MaxAgeSeconds": 0},
    ]
    assert answered(rules, "http://a")["max-age"] == "3"
    assert answered(rules, "http://a")["allow-methods"] == "GET, HEAD"
    assert answered(rules, "http://a", access_control_request_headers="x-a")["max-age"] == "0"
    assert answered(rules, "http://a", "DELETE") == {}


def test_the_requested_method_counts_in_every_request() -> None:
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    assert answered(rules, "http://a", "PUT", access_control_request_method="GET")["allow-methods"] == "GET"
    assert answered(rules, "http://a", "GET", access_control_request_method="PUT") == {}
    assert answered(rules, "http://a", "GET", access_control_request_method="get") == {}


@pytest.mark.parametrize(
    ("allowed", "requested", "answer"),
    [
        (["X-Amz-Meta-A", "content-type"], "Content-Type,x-AMZ-meta-a", "content-type, x-amz-meta-a"),
        (["x-amz-*"], "x-amz-meta-a , x-amz-", "x-amz-meta-a, x-amz-"),
        (["*"], "authorization,,b", "authorization, b"),
        (["*"], "b,b", "b"),
        (["*-md5"], "content-md5", "content-md5"),
        (["x-amz-*"], "x-amz-a, y", None),
        ([], "x-amz-a", None),
        (["x.y"], "xzy", None),
        (["*"], "a b", None),
        (["*"], "a\x00", None),
        (["*"], "\xe9", None),
        (["*"], "a\r\nb", None),
    ],
)
def test_every_requested_header_must_be_allowed_and_is_answered_in_lower_case(
    allowed: list[str], requested: str, answer: str | None
) -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": allowed}
    assert answered([rule], "http://a", access_control_request_headers=requested).get("allow-headers") == answer


def test_no_headers_are_answered_where_none_are_requested() -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    headers = answered([rule], "http://a", access_control_request_headers=" ")
    assert set(headers) == {"allow-methods", "allow-origin", "vary"}
    assert headers["vary"] == "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@pytest.mark.parametrize("origin", ["", "a b", "a\tb", "a\r\nX: y", "a\x00", "\xe9", "http://a,http://b", "a\x7f"])
def test_an_origin_that_cannot_be_one_matches_nothing(origin: str) -> None:
    assert allowed_origin("*", origin=origin) is None
    assert allowed_origin(origin, origin=origin) is None


def test_an_origin_has_1024_characters_at_most() -> None:
    assert allowed_origin("a*", origin="a" * 1024) == "a" * 1024
    assert allowed_origin("a*", origin="a" * 1025) is None


def test_100_headers_of_8192_characters_may_be_requested() -> None:
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}]

    def requested(names: list[str]) -> bool:
        return bool(answered(rules, "a", access_control_request_headers=",".join(names)))

    assert requested([f"x-{number}" for number in range(100)])
    assert not requested([f"x-{number}" for number in range(101)])
    assert requested(["x" * 8192])
    assert not requested(["x" * 8193])


def test_names_that_cannot_be_a_headers_are_exposed_to_nobody() -> None:
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    exposed = ["ETag", "a\r\nSet-Cookie: b", "", "ü", "x-amz-id-2"]
    assert answered([rule | {"ExposeHeaders": exposed}], "a")["expose-headers"] == "ETag, x-amz-id-2"
    assert "expose-headers" not in answered([rule | {"ExposeHeaders": ["a b"]}], "a")


def test_the_most_hostile_rules_are_matched_at_once() -> None:
    """As many patterns as 64 KiB hold, each of which nearly matches, and as many headers as may be requested."""
    patterns = [f"{'a' * 10}*{number}" for number in range(1500)]
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": [*patterns, "*"], "AllowedHeaders": [*patterns, "*x"]}
    names = ",".join(f"{'a' * 20}{number}x" for number in range(100))
    answered([rule], "a" * 1024, access_control_request_headers=names)  # parsed from now on
    started_at = time.process_time()
    assert answered([rule], "a" * 1024, access_control_request_headers=names)
    assert time.process_time() - started_at < 0.2


def test_the_most_hostile_headers_are_matched_at_once() -> None:
    """As many patterns as a document has room for, of which the last one fits each name of a preflight."""
    patterns = [f"x*{number}" for number in range(1800)] + ["x*y"]
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": patterns}]
    requested = {"access_control_request_headers": ",".join(f"x{number}y" for number in range(100))}
    answered(rules, "http://a")
    started = time.process_time()
    assert "allow-headers" in answered(rules, "http://a", **requested)
    assert time.process_time() - started < 0.03  # 2 ms; one after the other they took 70


def test_rules_are_parsed_once() -> None:
    document = json.dumps({"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["once"]}]})
    assert parse_rules(document) is parse_rules(json.dumps(json.loads(document)))
