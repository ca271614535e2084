"""Filtered lists and search: what is found, in which pages, and that nothing tells what the asker may not read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.access.policies import document, statement
from tests.api.askers import Person
from tests.api.files import Filed, people, share  # noqa: F401  (fixtures)
from tests.api.test_trash import new_bucket
from tests.servers import RunningServer

OK, INVALID = (200, ""), (422, "VALIDATION_ERROR")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
WHO = {
    "nobody": UNKNOWN,
    "stranger": HIDDEN,
    "reader": OK,
    "writer": OK,
    "prefix-reader": FORBIDDEN,
    "owner": OK,
    "auditor": FORBIDDEN,
    "admin": OK,
}


@pytest.fixture(scope="module")
def filed(people: dict[str, Person], api: httpx.Client, server: RunningServer) -> Filed:  # noqa: F811
    found = new_bucket(people, api, server)
    for kind, permission in (("reader", "read"), ("writer", "write")):
        share(found, kind, {"permission": permission})
    share(found, "prefix-reader", {"permission": "read", "prefix": "a/"})
    kinds: dict[str, tuple[bytes, dict[str, Any]]] = {
        "a/1.png": (b"x", {"ContentType": "image/png", "Tagging": "project=alpha&done="}),
        "a/2.txt": (b"x" * 5, {"ContentType": "text/plain; charset=utf-8", "Metadata": {"camera": "Leica M"}}),
        "b.jpg": (b"x" * 9, {"ContentType": "Image/JPEG", "Tagging": "project=beta", "Metadata": {"camera": "x100"}}),
        "c": (b"", {}),
        "secret": (b"x" * 3, {"ContentType": "image/png", "Tagging": "project=alpha", "Metadata": {"camera": "x100"}}),
    }
    for key, (body, more) in kinds.items():
        found.put(key, body, **more)
    deny = statement(
        "Deny", Action=["s3:GetObject", "s3:GetObjectTagging"], Resource=f"arn:aws:s3:::{found.name}/secret"
    )
    found.s3.put_bucket_policy(Bucket=found.name, Policy=document(deny))
    return found


def asked(filed: Filed, who: str = "owner", of: str = "files", **query: Any) -> dict[str, Any]:
    answer = filed.people[who].ask("GET", f"/buckets/{filed.id}/{of}", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def paths(page: dict[str, Any]) -> list[str]:
    return [item["file_path"] for item in page["items"]]


# `secret` is found by nothing that only who may read it knows.
FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "image/*"}, ["a/1.png", "b.jpg"]),
    ({"type": "image/png"}, ["a/1.png"]),
    ({"type": "TEXT/plain"}, ["a/2.txt"]),
    ({"type": "binary/octet-stream"}, ["c"]),
    ({"type": "%"}, []),
    ({"min_size": 3}, ["a/2.txt", "b.jpg", "secret"]),
    ({"min_size": 1, "max_size": 5}, ["a/1.png", "a/2.txt", "secret"]),
    ({"tag": "project"}, ["a/1.png", "b.jpg"]),
    ({"tag": "project=alpha"}, ["a/1.png"]),
    ({"tag": ["project=alpha", "done="]}, ["a/1.png"]),
    ({"tag": ["project=alpha", "done=x"]}, []),
    ({"metadata": "Camera"}, ["a/2.txt", "b.jpg"]),
    ({"metadata": "camera=Leica M"}, ["a/2.txt"]),
    ({"changed_after": "2000-01-01T00:00:00Z", "max_size": 0}, ["c"]),
    ({"changed_before": "2000-01-01T00:00:00Z"}, []),
    ({"type": "image/*", "prefix": "a/"}, ["a/1.png"]),
    ({"type": "image/*", "delimiter": "/"}, ["b.jpg"]),
    ({"min_size": 0, "delimiter": "/", "prefix": "a/"}, ["a/1.png", "a/2.txt"]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_a_filter_finds_what_may_be_known(filed: Filed, query: dict[str, Any], expected: list[str]) -> None:
    page = asked(filed, **query)
    assert paths(page) == expected
    assert (page["total"], page["total_is_lower_bound"], page["folders"]) == (len(expected), False, [])


def test_a_filter_by_owner_finds_what_is_his(filed: Filed) -> None:
    assert len(paths(asked(filed, owner_id=filed.owner.id))) == 5
    assert paths(asked(filed, owner_id=filed.people["reader"].id)) == []


@pytest.mark.parametrize("of", ["files?min_size=0", "search?q=a"])
@pytest.mark.parametrize("who", WHO)
def test_who_may_list_looks_for_files(filed: Filed, who: str, of: str) -> None:
    assert filed.ask(who, "GET", f"/buckets/{filed.id}/{of}") == WHO[who]


def test_who_was_given_a_prefix_looks_below_it(filed: Filed) -> None:
    assert paths(asked(filed, "prefix-reader", min_size=2, prefix="a/")) == ["a/2.txt"]
    found = until(lambda: asked(filed, "prefix-reader", "search", q="leica", prefix="a/"), 1)
    assert paths(found) == ["a/2.txt"]


def test_filtered_pages_follow_one_another(filed: Filed) -> None:
    everything = paths(asked(filed, min_size=0))
    assert [paths(asked(filed, min_size=0, per_page=2, page=page)) for page in (1, 2, 3, 4)] == [
        everything[:2],
        everything[2:4],
        everything[4:],
        [],
    ]
    then, found = asked(filed, min_size=0, per_page=2), []
    while True:
        found.append((then["page"], then["total"], *paths(then)))
        if then["next_cursor"] is None:
            break
        then = asked(filed, min_size=0, per_page=2, cursor=then["next_cursor"])
    assert found == [(1, 5, *everything[:2]), (2, 5, *everything[2:4]), (3, 5, *everything[4:])]


@pytest.mark.parametrize(
    "query",
    [
        {"min_size": -1},
        {"max_size": 2**63},
        {"owner_id": "x"},
        {"changed_after": "yesterday"},
        {"tag": ""},
        {"tag": ["a"] * 11},
        {"metadata": "\0"},
        {"type": "x" * 256},
        {"type": "a", "deleted": "true"},
        {"type": "a", "cursor": "MTpub25l"},
        {"type": "a", "per_page": 1000, "page": 11},
    ],
)
def test_what_is_no_filter_is_refused(filed: Filed, query: dict[str, Any]) -> None:
    assert filed.ask("owner", "GET", filed.path, params=query) == INVALID


def until(ask: Callable[[], dict[str, Any]], many: int) -> dict[str, Any]:
    """The index follows."""
    deadline = time.monotonic() + 20
    while len((page := ask())["items"]) < many and time.monotonic() < deadline:
        time.sleep(0.1)
    return page


# What tags and metadata say of `secret` doesn't find it, its name does.
SEARCHES = {
    "png": ["a/1.png"],
    "SECR": ["secret"],
    "alpha": ["a/1.png"],
    "x100": ["b.jpg"],
    "leica m": ["a/2.txt"],
    "secret x100": [],
    "beta camera jpg": ["b.jpg"],
    "nothing": [],
}


def test_words_find_what_may_be_known(filed: Filed) -> None:
    until(lambda: asked(filed, of="search", q="secret"), 1)
    for words, expected in SEARCHES.items():
        page = asked(filed, "reader", "search", q=words)
        assert (paths(page), page["total"], page["next_cursor"]) == (expected, len(expected), None), words
    assert paths(asked(filed, of="search", q="png", prefix="b")) == []
    for wrong in ("", "/ -", "\0", "x" * 201):
        assert filed.ask("owner", "GET", f"/buckets/{filed.id}/search", params={"q": wrong}) == INVALID
    assert filed.ask("owner", "GET", f"/buckets/{filed.id}/search") == INVALID


def test_pages_of_a_search_follow_one_another(filed: Filed) -> None:
    for number in range(3):
        filed.put(f"paged/{number}")
    until(lambda: asked(filed, of="search", q="paged"), 3)
    first = asked(filed, of="search", q="paged", per_page=2)
    second = asked(filed, of="search", q="paged", per_page=2, cursor=first["next_cursor"])
    assert (len(first["items"]), first["total"], second["total"], second["next_cursor"]) == (2, 3, 3, None)
    assert sorted(paths(first) + paths(second)) == [f"paged/{number}" for number in range(3)]
    assert paths(asked(filed, of="search", q="paged", per_page=2, page=2)) == paths(second)
    filed.s3.delete_object(Bucket=filed.name, Key="paged/0")
    assert "paged/0" not in paths(asked(filed, of="search", q="paged")), "though the index may not know it yet"
