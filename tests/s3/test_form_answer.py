"""What a form is answered, without a server: which redirects are none, and that nothing of one ends a header."""

from __future__ import annotations

import pytest

from s3gw.s3.form_answer import form_answer
from s3gw.wire.encode import Encoded

TOLD = "bucket=b&key=a%2Fb+c%C3%BC&etag=%22e%22"


def answered(**fields: str) -> tuple[int, bytes]:
    """Status and Location."""
    stored = Encoded(200, [(b"etag", b'"e"'), (b"x-amz-version-id", b"v")], None)
    status, headers, _ = form_answer(fields, stored, "b", "a/b cü", "http://host/b/a/b%20c")
    assert headers[:2] == stored.headers
    return status, dict(headers)[b"location"]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("http://page.example", f"http://page.example?{TOLD}"),
        ("https://page.example:8443/a?x=%20y", f"https://page.example:8443/a?x=%20y&{TOLD}"),
        ("http://page.example/a?#top", f"http://page.example/a?{TOLD}#top"),
        ("http://page.example/Untitled copy?a=b c", f"http://page.example/Untitled%20copy?a=b%20c&{TOLD}"),
        ('http://page.example/ü"<>', f"http://page.example/%C3%BC%22%3C%3E?{TOLD}"),
        ("HTTP://[::1]/", f"http://[::1]/?{TOLD}"),
    ],
)
def test_what_was_stored_is_put_into_the_query(url: str, location: str) -> None:
    assert answered(success_action_redirect=url, success_action_status="201") == (303, location.encode())
    assert answered(redirect=url) == (303, location.encode())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "page.example",
        "//page.example",
        "javascript:alert(1)",
        "ftp://page.example",
        "http://",
        "http:///x",
        "http://[::1",
        "http://page.example/\r\nSet-Cookie: a=b",
        "http://page.example/\t",
        "http://page.example/\x00",
        "http://page.example/\x85",
        "http://page.example/\u2028",
    ],
)
def test_a_redirect_that_is_no_url_counts_as_none(url: str) -> None:
    assert answered(success_action_redirect=url) == (204, b"http://host/b/a/b%20c")
    assert answered(success_action_redirect=url, success_action_status="200")[0] == 200


def test_the_newer_name_of_a_redirect_counts_first() -> None:
    status, location = answered(redirect="http://old.example", success_action_redirect="http://new.example")
    assert (status, location.partition(b"?")[0]) == (303, b"http://new.example")
