"""Previews at both doors: pictures that a job has made, for whoever may read the object, and for nobody else."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from s3gw.previews.recipes import OPTIMIZE
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import PASSWORD
from tests.api.test_scans import set_policy
from tests.gateways import UNANSWERED, client_of
from tests.gateways import Person as S3Person
from tests.previews.odd_files import SVG, bomb, odd, opened
from tests.servers import ROOT_KEY, RunningServer

OK = (200, "")
UNKNOWN, HIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND")
REFUSED, NO_TYPE = (422, "PREVIEW_REFUSED"), (415, "UNSUPPORTED_MEDIA_TYPE")
WHO = {
    "nobody": UNKNOWN,
    "stranger": HIDDEN,
    "reader": OK,
    "prefix-reader": HIDDEN,
    "owner": OK,
    "auditor": (403, "PERMISSION_DENIED"),
    "admin": OK,
}
GIF = odd("animated.gif")


def thumbnail(filed: Filed, file: dict[str, Any], who: str = "owner", **more: Any) -> httpx.Response:  # noqa: F811
    """When it was made."""
    for _ in range(20):
        answer = filed.people[who].ask("GET", f"{filed.path}/{file['id']}/thumbnail", **more)
        if answer.status_code != 202:
            return answer
        assert answer.headers["Retry-After"] == "2"
    raise AssertionError("it is never made")


def test_a_file_has_a_thumbnail_that_is_asked_about_again(filed: Filed) -> None:  # noqa: F811
    file = filed.put("a.jpg", odd("rgb.jpg"))
    answer = thumbnail(filed, file, params={"size": 128})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
    assert opened(answer.content).size == (128, 85)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    seen = {"If-None-Match": answer.headers["ETag"]}
    again = thumbnail(filed, file, params={"size": 128}, headers=seen)
    assert (again.status_code, again.content) == (304, b"")
    assert thumbnail(filed, file, params={"size": 64}, headers=seen).status_code == 200
    assert filed.ask("owner", "GET", f"{filed.path}/{file['id']}/thumbnail", params={"size": 100})[0] == 422


def test_what_has_no_preview_says_why(filed: Filed) -> None:  # noqa: F811
    """However it is called."""
    given = {"text": b"hello", "empty": b"", "picture.svg": SVG, "broken.jpg": odd("truncated.jpg")}
    told = {}
    for key, body in given.items():
        answer = thumbnail(filed, filed.put(key, body, ContentType="image/png"))
        told[key] = answer.status_code, answer.json()["error_code"]
    assert told == {"text": NO_TYPE, "empty": NO_TYPE, "picture.svg": NO_TYPE, "broken.jpg": REFUSED}
    assert "isn't whole" in answer.json()["detail"]


def test_an_optimized_picture_is_of_its_own_format(filed: Filed) -> None:  # noqa: F811
    file = filed.put("told.jpg", odd("told.jpg"))
    answer = filed.owner.ask("GET", f"{filed.path}/{file['id']}/optimized")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert b"Secret" not in answer.content and opened(answer.content).size == (300, 200)
    page = filed.put("page.pdf", odd("page.pdf"))
    assert filed.ask("owner", "GET", f"{filed.path}/{page['id']}/optimized") == NO_TYPE


@pytest.mark.parametrize("who", WHO)
def test_who_may_read_a_file_sees_its_preview(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    file = shared_bucket.put("b/a.gif", GIF)
    assert thumbnail(shared_bucket, file).status_code == 200
    path = f"{shared_bucket.path}/{file['id']}"
    assert shared_bucket.ask(who, "GET", f"{path}/thumbnail") == WHO[who]
    assert shared_bucket.ask(who, "GET", f"{path}/optimized") in (WHO[who], REFUSED)
    expected = UNKNOWN if who == "nobody" else WHO[who]
    assert shared_bucket.ask(who, "POST", f"{path}/preview-url", json={}) == expected


def test_the_preview_of_a_version_is_that_of_what_it_was(filed: Filed) -> None:  # noqa: F811
    assert filed.ask("owner", "PUT", f"/buckets/{filed.id}", json={"versioning": "enabled"}) == OK
    first = filed.put("a", odd("rgb.jpg"))
    second = filed.put("a", odd("16-bit.png"))
    assert first["id"] == second["id"]
    now, before = thumbnail(filed, second), thumbnail(filed, second, params={"version_id": first["version_id"]})
    assert (opened(now.content).size, opened(before.content).size) == ((100, 50), (256, 171))


def test_what_is_held_by_the_scanner_has_no_preview_at_any_door(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    file = filed.put("a.gif", GIF + UNANSWERED)
    url, of_s3 = url_of(filed, file), presigned(server, ROOT_KEY, f"{filed.name}/a.gif?x-s3gw-preview=256")
    assert thumbnail(filed, file).status_code == 200
    assert set_policy(filed, "hold") == OK
    assert status_of(thumbnail(filed, file)) == status_of(filed.api.get(url)) == (403, "SCAN_PENDING")
    assert code_of(get(of_s3)) == (403, "AccessDenied")
    assert set_policy(filed, "off") == OK
    assert filed.api.get(url).status_code == get(of_s3).status_code == 200


def url_of(filed: Filed, file: dict[str, Any], who: str = "owner", **body: Any) -> str:  # noqa: F811
    answer = filed.people[who].ask("POST", f"{filed.path}/{file['id']}/preview-url", json=body)
    assert answer.status_code == 200, answer.text
    url = urlsplit(answer.json()["url"])
    return f"{url.path.removeprefix('/api/v1')}?{url.query}"


def status_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"] if answer.status_code >= 400 else ""


def test_a_url_shows_the_preview_without_a_token_of_its_own(filed: Filed) -> None:  # noqa: F811
    file = filed.put("a.gif", GIF)
    shown = filed.api.get(url_of(filed, file, recipe="64"))
    assert shown.status_code == 200 and opened(shown.content).size == (60, 40)
    assert filed.api.get(url_of(filed, file), headers={"If-None-Match": shown.headers["ETag"]}).status_code == 304
    assert status_of(filed.api.get(url_of(filed, file, recipe=OPTIMIZE))) == REFUSED
    assert filed.ask("owner", "POST", f"{filed.path}/{file['id']}/preview-url", json={"recipe": "65"})[0] == 422


def test_a_url_that_was_changed_is_nobodys(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    """Neither is another kind of token one, nor is it another kind."""
    path, _, token = url_of(filed, filed.put("a.gif", GIF)).partition("?token=")
    head, claims, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    told["of"][-1] = "512"
    other = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    access = filed.owner.headers["Authorization"].removeprefix("Bearer ")
    for changed in (f"{head}.{other}.{signature}", access, "x", f"{head}.{claims}."):
        assert status_of(filed.api.get(f"{path}?token={changed}")) == UNKNOWN
    bearer = {"Authorization": f"Bearer {token}"}
    assert status_of(filed.api.get("/users/me", headers=bearer)) == UNKNOWN
    assert token not in server.log.read_text()


def test_a_url_ends_with_its_version(filed: Filed) -> None:  # noqa: F811
    """Though the next one has the same id, `null`."""
    file = filed.put("a.gif", GIF)
    url = url_of(filed, file)
    assert filed.api.get(url).status_code == 200
    filed.put("a.gif", GIF)
    assert status_of(filed.api.get(url)) == HIDDEN


def test_a_url_ends_with_the_right_and_with_the_session(
    filed: Filed,  # noqa: F811
    api: httpx.Client,
) -> None:
    file, reader = filed.put("a.gif", GIF), filed.people["reader"]
    body = {"user_id": reader.id, "permission": "read"}
    assert filed.owner.ask("POST", f"/buckets/{filed.id}/share", json=body).status_code == 201
    session = api.post("/users/login", json={"username": reader.name, "password": PASSWORD}).json()
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    mine = url_of(filed, file, "reader")
    answer = api.post(f"{filed.path}/{file['id']}/preview-url", json={}, headers=bearer)
    other = answer.json()["url"].partition("/api/v1")[2]
    assert [api.get(url).status_code for url in (mine, other)] == [200, 200]
    assert api.post("/users/logout", json={"refresh_token": session["refresh_token"]}).status_code == 204
    assert [status_of(api.get(url)) for url in (mine, other)] == [OK, UNKNOWN]
    assert filed.owner.ask("DELETE", f"/buckets/{filed.id}/access/{reader.id}").status_code == 204
    assert status_of(api.get(mine)) == HIDDEN


@pytest.fixture(scope="module")
def own(owner: S3Person) -> str:
    """A bucket of somebody's who is no admin."""
    owner.s3.create_bucket(Bucket="previews-of-objects")
    owner.s3.put_object(Bucket="previews-of-objects", Key="a.gif", Body=GIF)
    return "previews-of-objects"


def presigned(
    server: RunningServer, key: tuple[str, str], path: str, method: str = "GET", signer: Any = S3SigV4QueryAuth
) -> str:
    request = AWSRequest(method, f"{server.s3}/{path}")
    credentials = Credentials(*key)
    sign = signer(credentials, 300) if signer is HmacV1QueryAuth else signer(credentials, "s3", "us-east-1", 300)
    sign.add_auth(request)
    url: str = request.prepare().url
    return url


def get(url: str, method: str = "GET", **more: Any) -> httpx.Response:
    for _ in range(20):
        answer = httpx.request(method, url, timeout=60, **more)
        if answer.status_code != 503:
            return answer
        assert b"SlowDown" in answer.content or method == "HEAD"
        time.sleep(0.2)
    raise AssertionError("it is never made")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_presigned_url_of_s3_gives_a_preview(server: RunningServer, owner: S3Person, own: str) -> None:
    url = presigned(server, owner.key, f"{own}/a.gif?x-s3gw-preview=64")
    answer = get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert opened(answer.content).size == (60, 40) and answer.headers["cache-control"].startswith("private")
    assert get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    head = get(presigned(server, owner.key, f"{own}/a.gif?x-s3gw-preview=64", "HEAD"), "HEAD")
    assert (head.headers["etag"], head.headers["content-length"]) == (
        answer.headers["etag"],
        answer.headers["content-length"],
    )
    assert get(url.replace("preview=64", "preview=128")).status_code == 403
    assert get(url.replace("x-s3gw-preview=64&", "")).status_code == 403


def test_by_boto3_an_argument_is_added(server: RunningServer, owner: S3Person, own: str) -> None:
    client = client_of(server, owner.key)

    def ask(request: AWSRequest, **_: Any) -> None:
        request.url += "?x-s3gw-preview=64"

    client.meta.events.register("before-sign.s3.GetObject", ask)
    found = client.get_object(Bucket=own, Key="a.gif")
    assert (found["ContentType"], opened(found["Body"].read()).size) == ("image/webp", (60, 40))


def test_who_may_not_get_the_object_gets_no_preview_of_its_content(
    server: RunningServer, owner: S3Person, stranger: S3Person, own: str
) -> None:
    """Though he has the same content, and knows the name of the other's."""
    stranger.s3.create_bucket(Bucket="previews-of-a-stranger")
    stranger.s3.put_object(Bucket="previews-of-a-stranger", Key="a.gif", Body=GIF)
    asked = "a.gif?x-s3gw-preview=64"
    assert get(presigned(server, stranger.key, f"previews-of-a-stranger/{asked}")).status_code == 200
    assert code_of(get(presigned(server, stranger.key, f"{own}/{asked}"))) == (403, "AccessDenied")


def test_only_signature_version_4_asks_for_previews(server: RunningServer, owner: S3Person, s3: Any) -> None:
    """What everybody may read too."""
    bucket = "previews-of-everybody"
    owner.s3.create_bucket(Bucket=bucket)
    owner.s3.put_object(Bucket=bucket, Key="a.gif", Body=GIF, ACL="public-read")
    path = f"{bucket}/a.gif?x-s3gw-preview=64"
    assert httpx.get(f"{server.s3}/{bucket}/a.gif").status_code == 200
    assert code_of(httpx.get(f"{server.s3}/{path}")) == (403, "AccessDenied")
    v2 = presigned(server, owner.key, f"{bucket}/a.gif", signer=HmacV1QueryAuth)
    assert httpx.get(v2).status_code == 200
    assert code_of(httpx.get(f"{v2}&x-s3gw-preview=64")) == (403, "AccessDenied")
    assert get(presigned(server, owner.key, path)).status_code == 200


@pytest.mark.parametrize(
    ("key", "recipe", "expected"),
    [
        ("a.gif", "65", (400, "InvalidArgument")),
        ("a.gif", "", (400, "InvalidArgument")),
        ("a.gif", OPTIMIZE, (422, "PreviewRefused")),
        ("text", "64", (415, "UnsupportedMediaType")),
        ("none", "64", (404, "NoSuchKey")),
    ],
)
def test_what_can_not_be_asked_for_is_refused(
    server: RunningServer, owner: S3Person, own: str, key: str, recipe: str, expected: tuple[int, str]
) -> None:
    owner.s3.put_object(Bucket=own, Key="text", Body=b"hello")
    assert code_of(get(presigned(server, owner.key, f"{own}/{key}?x-s3gw-preview={recipe}"))) == expected


def test_a_version_needs_the_right_to_get_versions(server: RunningServer, owner: S3Person, stranger: S3Person) -> None:
    bucket = "previews-of-versions"
    owner.s3.create_bucket(Bucket=bucket)
    owner.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = owner.s3.put_object(Bucket=bucket, Key="a.gif", Body=GIF)["VersionId"]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": stranger.account_id},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    owner.s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    asked = f"{bucket}/a.gif?x-s3gw-preview=64"
    assert get(presigned(server, stranger.key, asked)).status_code == 200
    of_version = f"{asked}&versionId={version}"
    assert code_of(get(presigned(server, stranger.key, of_version))) == (403, "AccessDenied")
    assert get(presigned(server, owner.key, of_version)).status_code == 200


@pytest.mark.soak
def test_what_takes_long_is_asked_for_again(filed: Filed) -> None:  # noqa: F811
    file = filed.put("bomb.png", bomb(9900, 9900))
    answers = [filed.owner.ask("GET", f"{filed.path}/{file['id']}/optimized") for _ in range(10)]
    assert answers[0].status_code == 202 and answers[0].headers["Retry-After"] == "2"
    assert answers[-1].status_code == 200
