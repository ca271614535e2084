"""Lists of files: pages by number and by cursor, folders, and what is told to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.policies import document, statement
from tests.api.files import Filed, filed, people, share, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal

OK = (200, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
WHO = {
    "nobody": UNKNOWN,
    "stranger": HIDDEN,
    "reader": OK,
    "writer": OK,
    "manager": OK,
    "prefix-reader": FORBIDDEN,
    "owner": OK,
    "auditor": FORBIDDEN,
    "admin": OK,
}


def listed(filed: Filed, who: str = "owner", **query: Any) -> dict[str, Any]:  # noqa: F811
    answer = filed.people[who].ask("GET", filed.path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def paths(page: dict[str, Any]) -> list[str]:
    return [item["file_path"] for item in page["items"]]


@pytest.mark.parametrize("who", WHO)
def test_who_may_list_is_shown_the_list(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    shared_bucket.put("a/1")
    assert shared_bucket.ask(who, "GET", shared_bucket.path) == WHO[who]


def test_who_was_given_a_prefix_lists_what_is_below_it(shared_bucket: Filed) -> None:  # noqa: F811
    shared_bucket.put("a/1")
    shared_bucket.put("b/1")
    assert paths(listed(shared_bucket, "prefix-reader", prefix="a/")) == ["a/1"]
    assert shared_bucket.ask("prefix-reader", "GET", f"{shared_bucket.path}?prefix=b/") == FORBIDDEN


def test_a_file_is_listed_as_it_is_shown(filed: Filed) -> None:  # noqa: F811
    found = filed.put("a", ContentType="text/plain", Metadata={"a": "b"}, Tagging="c=d", ChecksumAlgorithm="SHA256")
    page = listed(filed)
    assert page == {
        "items": [found],
        "folders": [],
        "total": 1,
        "total_is_lower_bound": False,
        "page": 1,
        "per_page": 50,
        "next_cursor": None,
    }


def test_pages_follow_one_another_by_number_and_by_cursor(filed: Filed) -> None:  # noqa: F811
    keys = [f"{number:02}" for number in range(7)]
    for key in keys:
        filed.put(key)
    numbered = [paths(listed(filed, per_page=3, page=page)) for page in (1, 2, 3, 4)]
    assert numbered == [keys[:3], keys[3:6], keys[6:], []]
    first = listed(filed, per_page=3)
    filed.put("000")  # before the next page: it shifts none
    second = listed(filed, per_page=3, cursor=first["next_cursor"])
    assert (paths(second), second["page"], second["total"]) == (keys[3:6], 2, 8)
    third = listed(filed, per_page=3, cursor=second["next_cursor"])
    assert (paths(third), third["next_cursor"]) == (keys[6:], None)


def test_folders_are_told_once_and_counted(filed: Filed) -> None:  # noqa: F811
    for key in ("a/1", "a/2", "b/1", "c", "d"):
        filed.put(key)
    page = listed(filed, delimiter="/")
    assert (paths(page), page["folders"], page["total"]) == (["c", "d"], ["a/", "b/"], 4)
    page = listed(filed, delimiter="/", prefix="a/")
    assert (paths(page), page["folders"], page["total"]) == (["a/1", "a/2"], [], 2)
    assert listed(filed, prefix="a")["total"] == 2
    second = listed(filed, delimiter="/", per_page=1, cursor=listed(filed, delimiter="/", per_page=1)["next_cursor"])
    assert (second["folders"], second["total"]) == (["b/"], 4)
    assert paths(listed(filed, delimiter="/", per_page=2, page=2)) == ["c", "d"]


def test_pages_beyond_10000_need_a_cursor(filed: Filed) -> None:  # noqa: F811
    assert paths(listed(filed, per_page=1000, page=10)) == []
    answer = filed.owner.ask("GET", filed.path, params={"per_page": 1000, "page": 11})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert refusal(filed.owner.ask("GET", filed.path, params={"cursor": "MTpub25l"})) == (422, "VALIDATION_ERROR")


def test_a_total_that_is_not_counted_is_a_bound(filed: Filed) -> None:  # noqa: F811
    for path in ("a", "b/1", "b/2", "c"):
        filed.put(path)
    page = listed(filed, per_page=2, delimiter="/", counted="false")
    assert (page["total"], page["total_is_lower_bound"], paths(page)) == (2, True, ["a"])
    rest = listed(filed, per_page=2, delimiter="/", counted="false", cursor=page["next_cursor"])
    assert (rest["total"], rest["total_is_lower_bound"], paths(rest)) == (1, True, ["c"])
    whole = listed(filed, delimiter="/", counted="false")
    assert (whole["total"], whole["total_is_lower_bound"], whole["folders"]) == (3, False, ["b/"])


def test_of_what_may_not_be_read_only_the_list_is_told(filed: Filed) -> None:  # noqa: F811
    share(filed, "reader", {"permission": "read"})
    filed.put("a", Metadata={"a": "b"}, Tagging="c=d")
    filed.put("b", Metadata={"a": "b"}, Tagging="c=d")
    deny = statement("Deny", Action="s3:GetObject", Resource=f"arn:aws:s3:::{filed.name}/a")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    hidden, shown = listed(filed, "reader")["items"]
    members = ("mime_type", "metadata", "checksum", "checksum_value")
    assert [hidden[name] for name in members] == [None] * 4
    assert (shown["metadata"], shown["tags"]) == ({"a": "b"}, {"c": "d"})
    deny = statement("Deny", Action="s3:GetObjectTagging", Resource=f"arn:aws:s3:::{filed.name}/*")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    assert [item["tags"] for item in listed(filed, "reader")["items"]] == [None, None]
