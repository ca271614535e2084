"""The parts of docs/ that are made from the code and from the tests' tables: `make docs` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from s3gw.api.app import build_app
from s3gw.api.error_reference import ERROR_CODES
from tests.api import (
    test_access,
    test_buckets,
    test_download,
    test_file_list,
    test_files,
    test_groups,
    test_identity_policies,
    test_keys,
    test_roles,
    test_service_accounts,
    test_share_links,
    test_trash,
    test_upload,
    test_versions,
)

DOCS = Path(__file__).parent.parent / "docs"
# Rows that ask about what isn't there: for these a 404 means no more than that.
_NOT_THERE: dict[tuple[str, str], tuple[str, ...]] = {
    ("DELETE", "/users/{user_id}/sessions/{session_id}"): ("self", "admin"),
    ("DELETE", "/invitations/{invitation_id}"): ("admin",),
}
_OF_ACCESS = {
    "share": "POST /buckets/{bucket_id}/share",
    "list": "GET /buckets/{bucket_id}/access",
    "get": "GET /buckets/{bucket_id}/access/{user_id}",
    "change": "PUT /buckets/{bucket_id}/access/{user_id}",
    "revoke": "DELETE /buckets/{bucket_id}/access/{user_id}",
    "explain": "GET /access/explain",
}
_OF_BUCKETS = {
    "create": "POST /buckets",
    "list": "GET /buckets",
    "by name": "GET /buckets/by-name/{name}",
    "get": "GET /buckets/{bucket_id}",
    "update": "PUT /buckets/{bucket_id}",
    "delete": "DELETE /buckets/{bucket_id}",
    "storage": "GET /buckets/{bucket_id}/storage",
}
_OF_KEYS = {
    "create": "POST /keys",
    "list": "GET /keys",
    "show": "GET /keys/{access_key_id}",
    "change": "PUT /keys/{access_key_id}",
    "delete": "DELETE /keys/{access_key_id}",
}
_FILES = "/buckets/{bucket_id}/files"
_FILE = f"{_FILES}/{{file_id}}"
_OF_FILES: dict[str, Mapping[str, tuple[int, str]]] = {
    f"GET {_FILES}": test_file_list.WHO,
    f"POST {_FILES}": test_upload.WHO,
    f"GET {_FILE}": test_files.SHOWN,
    f"GET {_FILE}/download": {"nobody": test_download.UNKNOWN, **test_download.WHO},
}
# Of these the tests say who may, and refuse all others as a file is shown to them.
_WHO_MAY = {
    f"PUT {_FILE}": set(test_files.WHO) - set(test_files.MAY["change"]),
    f"DELETE {_FILE}": set(test_files.WHO) - set(test_files.MAY["delete"]),
    f"POST {_FILE}/share": set(test_files.WHO) - set(test_files.MAY["delete"]),
    f"POST {_FILE}/restore": test_trash.MAY["restore"],
    f"DELETE {_FILE}?permanent=true": test_trash.MAY["permanent"],
    f"GET {_FILE}/versions": test_versions.MAY["list"],
    f"POST {_FILE}/versions/{{version_id}}/restore": test_versions.MAY["restore"],
    f"DELETE {_FILE}/versions/{{version_id}}": test_versions.MAY["delete"],
}
_WORDS = {401: "log in", 403: "no", 404: "hidden"}


def errors() -> Iterable[str]:
    yield from table("status", "error_code", "when", "what helps")
    for error in ERROR_CODES:
        yield row(error.status, f"`{error.code}`", error.told.meaning, error.told.advice)


def routes() -> Iterable[str]:
    document: dict[str, Any] = build_app().openapi()
    for tag in document["tags"]:
        yield from ("", f"**{tag['name'].capitalize()}.** {tag['description']}", "")
        yield from table("route", "what it does", "more")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    more = operation["description"].replace("\n", " ").partition(". ")[0].rstrip(".")
                    yield row(f"`{method.upper()} {path.removeprefix('/api/v1')}`", operation["summary"], more)


def permissions() -> Iterable[str]:
    yield "About users; *self* is whom it is about, a *stranger* another user:"
    yield ""
    yield from table("route", *test_roles.WHO)
    for (method, path), statuses in test_roles.TABLE.items():
        may = _NOT_THERE.get((method, path), ())
        words = [
            "yes" if who in may or len(set(statuses)) == 1 else word_of(status)
            for who, status in zip(test_roles.WHO, statuses, strict=True)
        ]
        yield row(f"`{method} {path}`", *words)
    yield ""
    yield "About a bucket; *reader*, *writer* and *manager* were granted read, write and admin on it:"
    yield ""
    yield from matrix(_OF_ACCESS, test_access.OUTCOMES)
    yield ""
    yield "About the bucket itself; *prefix-reader* was granted read on a prefix. Each makes buckets of his own, and"
    yield "a *manager* sets versioning, CORS, trash and types of files too:"
    yield ""
    yield from matrix(_OF_BUCKETS, test_buckets.OUTCOMES)
    yield ""
    yield "About files of a bucket that isn't public; *prefix-reader* was granted read on another prefix. In a"
    yield "public one what is there is told and downloaded without a token:"
    yield ""
    shown = {who: test_files.FORBIDDEN if found == test_files.OK else found for who, found in test_files.SHOWN.items()}
    of_files = _OF_FILES | {route: shown | dict.fromkeys(may, test_files.OK) for route, may in _WHO_MAY.items()}
    yield from matrix({route: route for route in of_files}, of_files)
    yield ""
    yield "About share links of a bucket, made by its owner; a *reader* makes and sees his own:"
    yield ""
    yield from table("route", *test_share_links.WHO)
    for route, statuses in test_share_links.TABLE.items():
        yield row(f"`{route}`", *map(word_of, statuses))
    yield ""
    yield "About a group of the account of *root*, of which *member* is a user, and policies of both:"
    yield ""
    outcomes = test_groups.OUTCOMES | test_identity_policies.OUTCOMES
    groups = {name: dict(zip(test_groups.ROLES, row, strict=True)) for name, row in outcomes.items()}
    yield from matrix({route: route for route in groups}, groups)
    yield ""
    yield "About a service account under *root*; *member* is another user of that account:"
    yield ""
    services = test_service_accounts.OUTCOMES
    of_services = {name: dict(zip(test_service_accounts.ROLES, row, strict=True)) for name, row in services.items()}
    yield from matrix({route: route for route in of_services}, of_services)
    yield ""
    yield "About the keys of a user whose account is *root*'s; one's own keys are one's own:"
    yield ""
    keys = {name: dict(zip(test_keys.ROLES, row, strict=True)) for name, row in test_keys.OUTCOMES.items()}
    yield from matrix(_OF_KEYS, keys)


def matrix(names: Mapping[str, str], outcomes: Mapping[str, Mapping[str, tuple[int, str]]]) -> Iterable[str]:
    who = [*outcomes[next(iter(names))]]
    yield from table("route", *("nobody" if one == "none" else one for one in who))
    for name, route in names.items():
        yield row(f"`{route}`", *(word_of(outcomes[name][one][0]) for one in who))


def word_of(status: int) -> str:
    return _WORDS.get(status, "yes")


def table(*heads: str) -> Sequence[str]:
    return row(*heads), row(*("---" for _ in heads))


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


SECTIONS: dict[str, dict[str, Callable[[], Iterable[str]]]] = {
    "API.md": {"errors": errors, "routes": routes},
    "AUTHENTICATION.md": {"permissions": permissions},
}


def renewed(name: str) -> str:
    """The document with its parts as they are to be."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for section, made in SECTIONS[name].items():
        whole = re.compile(rf"(<!-- {section}: begin .*? -->\n).*?(<!-- {section}: end -->)", re.DOTALL)
        lines = "".join(f"{line}\n" for line in made()).lstrip("\n")
        text, count = whole.subn(lambda found, lines=lines: f"{found[1]}\n{lines}\n{found[2]}", text)
        assert count == 1, f"{name} has no place for {section}"
    return text


if __name__ == "__main__":
    for document in SECTIONS:
        (DOCS / document).write_text(renewed(document), encoding="utf-8")
