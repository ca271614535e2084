"""Every screen that docs/console.md names, as somebody whose files they are, somebody to whom they were granted, an
auditor and an admin: who may not see one is told so in words, the browser has nothing to say against any, and nothing
keeps anybody from using it, in either theme, on a phone and on a desk.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.console.pages import Open, axe, judge, log_in, put

pytestmark = pytest.mark.soak
_DOCUMENT = Path(__file__).parents[2] / "docs/console.md"
_BEFORE_LOGIN = {"login", "forgotten", "reset", "verify", "register", "login/oidc"}
# What lies below the screens of the table, or is another state of one.
_BELOW = (
    "buckets/{bucket_id}?prefix=folder/&sort=-size",
    "buckets/{bucket_id}?q=folder",
    "buckets/{bucket_id}/links?file={file_id}",
    "buckets/{bucket_id}/access?user={owner}&does=s3:GetObject&key=folder/a.csv",
    "keys/{key_id}",
    "admin/users/{user_id}",
    "admin/users/{member_id}",
    "admin/groups/{group_id}/policy?name=reads",
    "admin/groups/{group_id}/policy?begin=write",
    "admin/groups/{group_id}",
    "admin/targets/{target_id}",
    "admin/jobs/{job_id}",
    "admin/audit/verification?head=",
    "nowhere",
)
# Who is refused what, with which status; all else there is for everybody, if only to be told that it is empty.
_OF_THE_SERVER = ("", "/users", "/jobs", "/scrub", "/scans", "/audit", "/nodes")
_OF_ADMINS = ("/invitations", "/schedules", "/settings")
_OF_SOMEBODY = ("/users/{user_id}", "/groups/{group_id}", "/targets/{target_id}", "/jobs/{job_id}")
_OF_SOMEBODY += ("/users/{user_id}/policy", "/groups/{group_id}/policy", "/users/{member_id}")
_OF_SOMEBODY += tuple(f"/groups/{{group_id}}/policy?{query}" for query in ("name=reads", "begin=write"))
_NO_ADMIN = {f"admin{place}": 403 for place in (*_OF_THE_SERVER, *_OF_ADMINS)}
_NO_ADMIN |= {f"admin{place}": 404 for place in _OF_SOMEBODY}
_WHO_MAY = ("/access", "/access/policy", "/access?user={owner}&does=s3:GetObject&key=folder/a.csv")
_CONTENTS = ("", "/trash", "/files/{file_id}/about", "/access/policy", "?prefix=folder/&sort=-size", "?q=folder")
_REFUSED = {
    "owner": _NO_ADMIN,
    "grantee": _NO_ADMIN
    | {f"buckets/{{bucket_id}}{place}": 403 for place in (*_WHO_MAY, "/events")}
    | dict.fromkeys(("keys/{key_id}", "buckets/{bucket_id}/links/{link_id}"), 404),
    "auditor": {f"admin{place}": 403 for place in _OF_ADMINS}
    | {f"buckets/{{bucket_id}}{place}": 403 for place in (*_CONTENTS, "/events", "/links?file={file_id}")}
    | {"keys/{key_id}": 404},
    "admin": {},
}


def screens() -> list[str]:
    """Their addresses below /console/, as the table's first column has them."""
    table = _DOCUMENT.read_text().partition("## Screens")[2].partition("\n## ")[0]
    firsts = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = [place for first in firsts for place in re.findall(r"`/console/([^`]+)`", first)]
    return [place for place in named if place not in _BEFORE_LOGIN] + list(_BELOW)


@pytest.fixture(scope="module")
def people(api: httpx.Client, ask: Ask) -> dict[str, Person]:
    roles = {"owner": "user", "grantee": "user", "auditor": "auditor", "admin": "admin"}
    return {name: new_person(api, ask, f"walking-{name}", role=role) for name, role in roles.items()}


@pytest.fixture(scope="module")
def known(people: dict[str, Person], ask: Ask) -> dict[str, str]:
    """What stands for the words in braces; of each there is one of the owner's, or of the admin's."""
    owner, admin = people["owner"], people["admin"]
    bucket = owner.ask("POST", "/buckets", json={"name": f"walked-{owner.id[:13]}"}).json()["id"]
    owner.ask("PUT", f"/buckets/{bucket}", json={"versioning": "enabled", "trash_seconds": 86400})
    file = put(owner, bucket, "folder/a.csv", b"a,b\n1,2\n", "text/csv")["id"]
    gone = put(owner, bucket, "gone.txt", b"gone", "text/plain")["id"]
    owner.ask("DELETE", f"/buckets/{bucket}/files/{gone}")
    link = owner.ask("POST", f"/buckets/{bucket}/links", json={"file_id": file}).json()["id"]
    granted = {"user_id": people["grantee"].id, "permission": "read"}
    assert owner.ask("POST", f"/buckets/{bucket}/share", json=granted).is_success
    member = ask("user", "create", f"walked-member-of-{admin.name}", "--account", admin.name)["id"]
    group = admin.ask("POST", "/groups", json={"name": f"group-of-{admin.name}"}).json()["id"]
    reads = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::walked/*"}}
    for holder in (f"users/{member}", f"groups/{group}"):
        assert admin.ask("PUT", f"/{holder}/policies/reads", json={"policy": reads}).is_success
    hook = {"name": f"hook-of-{admin.name}", "url": "https://hooks.example.com/"}
    return {
        "bucket_id": bucket,
        "file_id": file,
        "link_id": link,
        "owner": owner.name,
        "key_id": owner.ask("POST", "/keys", json={"description": "walked"}).json()["access_key_id"],
        "user_id": admin.id,
        "member_id": member,
        "group_id": group,
        "target_id": admin.ask("POST", "/event-targets", json=hook).json()["id"],
        "job_id": admin.ask("POST", "/schedules/warn_of_quotas/run").json()["id"],
    }


@pytest.fixture(params=list(_REFUSED))
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@axe
def test_everybody_can_use_every_screen(
    open_page: Open, people: dict[str, Person], known: dict[str, str], role: str
) -> None:
    page: Any = open_page(reduced_motion="reduce")  # or colours are judged on their way from one theme to the other
    log_in(page, people[role].name)
    refused = {}
    for place in screens():
        answer = page.goto("/console/" + re.sub(r"\{(\w+)\}", lambda word: known[word[1]], place))
        if answer.status >= 400:
            refused[place] = answer.status
            assert page.get_by_role("heading", level=1).is_visible(), place
            assert page.locator("main code").first.is_visible(), place  # the id of the request
        for frame in page.frames:
            frame.wait_for_load_state()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width in (360, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                judge(page, f"{place}, {theme}, {width} px, {role}")
    assert refused == _REFUSED[role] | {"nowhere": 404}
