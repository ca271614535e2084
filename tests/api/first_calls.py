"""What makes the example of each operation of the API's document one that succeeds: who asks, and what is real.

The examples name a user, a bucket and so on that aren't there. Each row makes those that its operation needs, and says
what stands for them.
"""

from __future__ import annotations

import base64
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from s3gw.api.examples import OF_MODELS, OF_PARAMETERS
from s3gw.cli.command import session
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import jobs, scans
from tests.api.first_world import NUMBERS, Call, World, new_name
from tests.api.people import Person
from tests.previews.odd_files import odd

_USER, _BUCKET = OF_PARAMETERS["user_id"], OF_PARAMETERS["bucket_id"]
_NAME, _OTHER_NAME = OF_MODELS["Register"]["username"], OF_MODELS["NewUser"]["username"]
_LINK, _REFRESH = OF_MODELS["LinkToken"]["token"], OF_MODELS["RefreshToken"]["refresh_token"]
_SERVICE = OF_MODELS["CreateServiceAccount"]["username"]
_CODE = OF_MODELS["Confirm"]["totp"]
_FILE, _COPY = OF_PARAMETERS["file_id"], OF_MODELS["CopyFile"]["file_path"]


# What needs an issuer, and a browser's cookie: test_oidc.py. What has no end: test_events.py. What needs a file that
# went bad: test_scrub.py.
ELSEWHERE = {"begin_oidc_login", "finish_oidc_login", "stream_events", "get_damaged_chunk"}
ELSEWHERE |= {"retry_dead_event", "drop_dead_event"}  # what couldn't be told: test_event_targets.py


def _as_admin(world: World) -> Call:
    return Call(world.admin.bearer)


def _as_user(world: World) -> Call:
    return Call(world.user.bearer)


def _of_user(world: World) -> Call:
    somebody = world.person()
    return Call(world.admin.bearer, {_USER: somebody.id} | world.renaming(new_name()))


def _of_oneself(world: World) -> Call:
    somebody = world.person()
    return Call(somebody.bearer, {_USER: somebody.id})


def _of_session(world: World) -> Call:
    somebody = world.person()
    (session,) = somebody.http.get(f"/users/{somebody.id}/sessions").json()["items"]
    return Call(world.admin.bearer, {_USER: somebody.id, OF_PARAMETERS["session_id"]: session["id"]})


def _of_refresh_token(world: World) -> Call:
    return Call(real={_REFRESH: world.person().tokens["refresh_token"]})


def _of_bucket(world: World) -> Call:
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _OTHER_NAME: world.person().name})


def _of_policy(world: World) -> Call:
    named = {"arn:aws:s3:::pictures/*": f"arn:aws:s3:::{world.bucket}/*"}
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, **named})


def _of_acl(world: World) -> Call:
    world.user.http.put(f"/buckets/{world.bucket_id}/ownership", json={"object_ownership": "ObjectWriter"})
    return _of_bucket(world)


def _of_new_bucket(world: World) -> Call:
    return Call(world.user.bearer, {OF_MODELS["NewBucket"]["name"]: f"new-{next(NUMBERS)}-{world.user.id[:8]}"})


def _of_empty_bucket(world: World) -> Call:
    made = world.user.http.post("/buckets", json={"name": f"empty-{next(NUMBERS)}-{world.user.id[:8]}"})
    return Call(world.user.bearer, {_BUCKET: made.json()["id"]})


def _of_deleted_bucket(world: World) -> Call:
    call = _of_empty_bucket(world)
    assert world.user.http.delete(f"/buckets/{call.real[_BUCKET]}").status_code == 204
    return call


def _of_grant(world: World) -> Call:
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _USER: world.grant().id})


def _of_file(world: World) -> Call:
    """The user's own, also where the bucket has ACLs and an object is its writer's."""
    params = {"path": OF_PARAMETERS["key"], "overwrite": "true"}
    made = world.user.http.post(f"/buckets/{world.bucket_id}/files", params=params, content=b"x").json()
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _FILE: made["id"]})


def _of_picture(world: World, body: bytes = b"") -> Call:
    key = f"{new_name()}.png"
    world.put(world.bucket, key, body or odd("palette.png"))
    found = world.user.http.get(f"/buckets/{world.bucket_id}/file", params={"key": key}).json()
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _FILE: found["id"]})


def _of_preview_url(world: World) -> Call:
    file_id = _of_picture(world).real[_FILE]
    made = world.user.http.post(f"/buckets/{world.bucket_id}/files/{file_id}/preview-url", json={})
    return Call(real={OF_PARAMETERS["token"]: made.json()["url"].partition("=")[2]})


def _zip() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("pictures", b"hello")
    return body.getvalue()


def _of_archive(world: World) -> Call:
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, "bytes": _zip()}, {"overwrite": "true"})


def _of_zip(world: World) -> Call:
    key = f"{new_name()}.zip"
    world.put(world.bucket, key, _zip())
    found = world.user.http.get(f"/buckets/{world.bucket_id}/file", params={"key": key}).json()
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _FILE: found["id"]})


def _of_other_file(world: World) -> Call:
    """Under a name of its own, by which another call may rename it."""
    key = f"{new_name()}/a"
    world.put(world.bucket, key)
    found = world.user.http.get(f"/buckets/{world.bucket_id}/file", params={"key": key}).json()
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, _FILE: found["id"], _OTHER_NAME: world.person().name})


def _of_own_bucket(world: World, **fields: Any) -> str:
    """That keeps trash, by its id."""
    made = world.user.http.post("/buckets", json={"name": f"kept-{new_name()}", **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def _of_trashed(world: World) -> Call:
    bucket = _of_own_bucket(world)
    file_id = world.user.http.post(f"/buckets/{bucket}/files", params={"path": "a"}, content=b"x").json()["id"]
    assert world.user.http.delete(f"/buckets/{bucket}/files/{file_id}").status_code == 204
    return Call(world.user.bearer, {_BUCKET: bucket, _FILE: file_id})


def _of_version(world: World) -> Call:
    bucket = _of_own_bucket(world)
    assert world.user.http.put(f"/buckets/{bucket}", json={"versioning": "enabled"}).status_code == 200
    made = [
        world.user.http.post(f"/buckets/{bucket}/files", params={"path": "a", "overwrite": "true"}, content=b"x").json()
        for _ in range(2)
    ]
    version_id = made[0]["version_id"]
    return Call(world.user.bearer, {_BUCKET: bucket, _FILE: made[0]["id"], OF_PARAMETERS["version_id"]: version_id})


def _of_upload(world: World) -> Call:
    return Call(world.user.bearer, {_BUCKET: world.bucket_id}, {"path": new_name(), "overwrite": "true"})


_TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def _of_new_upload(world: World) -> Call:
    path = base64.b64encode(new_name().encode()).decode()
    more = {**_TUS, "Upload-Length": "9", "Upload-Metadata": f"path {path}"}
    return Call({**world.user.bearer, **more}, {_BUCKET: world.bucket_id})


def _of_begun_upload(world: World) -> Call:
    new = _of_new_upload(world)
    made = world.user.http.post(f"/buckets/{world.bucket_id}/uploads", headers=dict(new.headers))
    upload_id = made.headers["Location"].rpartition("/")[2]
    headers = {**world.user.bearer, **_TUS, "Upload-Offset": "0"}
    return Call(headers, {_BUCKET: world.bucket_id, OF_PARAMETERS["upload_id"]: upload_id})


def _of_link(world: World) -> Call:
    file = _of_other_file(world)
    made = world.user.http.post(f"/buckets/{world.bucket_id}/links", json={"file_id": file.real[_FILE]})
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, OF_PARAMETERS["link_id"]: made.json()["id"]})


def _of_job(world: World) -> Call:
    """One that was cancelled: before it was done, which may take several."""
    while True:
        job = world.user.http.delete(f"/buckets/{_of_own_bucket(world)}", params={"force": "true"}).json()["id"]
        world.user.http.post(f"/jobs/{job}/cancel")
        if world.user.http.get(f"/jobs/{job}").json()["state"] == "cancelled":
            return Call(world.user.bearer, {OF_PARAMETERS["job_id"]: job})


def _of_failed_job(world: World) -> Call:
    call = _of_job(world)

    def fail(conn: Connection) -> None:
        conn.execute(update(jobs).where(jobs.c.uuid == call.real[OF_PARAMETERS["job_id"]]).values(state="dead"))

    data = Path(world.server.facts["data"])
    with session(data, world.server.settings.get("S3GW_DATABASE_URL"), False) as metadata:
        metadata.write(fail)
    return call


def _of_event_target(world: World) -> Call:
    """Under a name of its own, and one under that of the example, which a configuration names."""
    named = {"name": OF_MODELS["NewEventTarget"]["name"], "url": "https://example.com/"}
    world.user.http.post("/event-targets", json=named)
    made = world.user.http.post("/event-targets", json={**named, "name": new_name()})
    return Call(world.user.bearer, {_BUCKET: world.bucket_id, OF_PARAMETERS["target_id"]: made.json()["id"]})


def _of_report(world: World) -> Call:
    """Under a name of its own, by which another call may rename it."""
    body = {"name": new_name(), "destination": {"bucket_id": world.bucket_id}}
    made = world.user.http.post("/reports/saved", json=body)
    real = {_BUCKET: world.bucket_id, OF_PARAMETERS["report_id"]: made.json()["id"], "usage": new_name()}
    return Call(world.user.bearer, real)


def _of_scan(world: World) -> Call:
    digest, data = os.urandom(32), Path(world.server.facts["data"])
    found = {"digest": digest, "same_bytes": digest, "size": 1, "state": "infected", "noted_at": 1, "due_at": 1}

    def add(conn: Connection) -> None:
        conn.execute(insert(scans).values(found | {"attempts": 1, "is_told": 1}))

    with session(data, world.server.settings.get("S3GW_DATABASE_URL"), False) as metadata:
        metadata.write(add)
    return Call(world.admin.bearer, {OF_PARAMETERS["digest"]: digest.hex()})


def _of_key(world: World) -> Call:
    return Call(world.user.bearer, {OF_PARAMETERS["access_key_id"]: world.key_id()})


def _of_group(world: World) -> Call:
    group, member = world.group()
    name = OF_MODELS["GroupName"]["name"]
    return Call(world.user.bearer, {OF_PARAMETERS["group_id"]: group, _USER: member, name: new_name()})


def _of_policy_of_user(world: World) -> Call:
    return _of_policy_of("users", _USER, world.group()[1], world)


def _of_policy_of_group(world: World) -> Call:
    return _of_policy_of("groups", OF_PARAMETERS["group_id"], world.group()[0], world)


def _of_policy_of(kind: str, stands_for: str, holder: str, world: World) -> Call:
    path = f"/{kind}/{holder}/policies/{OF_PARAMETERS['policy_name']}"
    assert world.user.http.put(path, json=OF_MODELS["PutIdentityPolicy"]).status_code == 200
    return Call(world.user.bearer, {stands_for: holder})


def _of_service_account(world: World) -> Call:
    made = world.user.http.post("/service-accounts", json={"username": new_name()})
    return Call(world.user.bearer, {_USER: made.json()["id"]})


def _of_invitation(world: World) -> Call:
    return Call(world.admin.bearer, {OF_PARAMETERS["invitation_id"]: world.invitation_id()})


def _with_code(made: tuple[Person, str]) -> Call:
    somebody, code = made
    return Call(somebody.bearer, {_CODE: code})


def _each(names: str, make: Callable[[World], Call]) -> dict[str, Callable[[World], Call]]:
    return dict.fromkeys(names.split(), make)


FIRST_CALLS: dict[str, Callable[[World], Call]] = {
    "register": lambda world: Call(real=world.renaming(new_name())),
    "log_in": lambda world: Call(real=world.renaming(world.person().name)),
    "ways_in": lambda world: Call(),
    "refresh": _of_refresh_token,
    "log_out": _of_refresh_token,
    "verify_email": lambda world: Call(real={_LINK: world.link("Confirm your address")}),
    "send_verification": _as_user,
    "forgot_password": lambda world: Call(),
    "reset_password": lambda world: Call(real={_LINK: world.link("Set a new password")}),
    "invite": _as_admin,
    "list_invitations": _as_admin,
    "revoke_invitation": _of_invitation,
    "me": _as_user,
    "list_users": _as_admin,
    "create_user": lambda world: Call(world.admin.bearer, world.renaming(new_name(), _OTHER_NAME)),
    "get_user": _of_user,
    "update_user": _of_user,
    "delete_user": _of_user,
    "get_user_quota": _of_oneself,
    "put_user_quota": lambda world: Call(world.admin.bearer, {_USER: world.user.id}),
    "restore_user": lambda world: Call(world.admin.bearer, {_USER: world.deleted().id}),
    "list_sessions": _of_oneself,
    "end_session": _of_session,
    "change_password": _of_oneself,
    "show_totp": _as_user,
    "enrol_totp": lambda world: Call(world.person().bearer),
    "confirm_totp": lambda world: _with_code(world.enrolled()),
    "renew_recovery_codes": lambda world: _with_code(world.two_factors()),
    "disable_totp": lambda world: _with_code(world.two_factors()),
    "reset_totp": lambda world: Call(world.admin.bearer, {_USER: world.two_factors()[0].id}),
    **_each("create_group get_group rename_group delete_group add_member remove_member", _of_group),
    "list_groups": _as_user,
    **_each("list_user_policies get_user_policy put_user_policy delete_user_policy", _of_policy_of_user),
    **_each("list_group_policies get_group_policy put_group_policy delete_group_policy", _of_policy_of_group),
    "check_identity_policy": _as_user,
    "create_bucket": _of_new_bucket,
    "list_buckets": _as_user,
    "get_bucket_by_name": lambda world: Call(world.user.bearer, {OF_PARAMETERS["name"]: world.bucket}),
    "get_bucket": _of_bucket,
    "update_bucket": _of_bucket,
    "delete_bucket": _of_empty_bucket,
    "restore_bucket": _of_deleted_bucket,
    "get_storage": _of_bucket,
    "measure_storage": _of_bucket,
    "share": _of_bucket,
    "list_access": _of_bucket,
    "get_access": _of_grant,
    "change_access": _of_grant,
    "revoke_access": _of_grant,
    "explain": lambda world: Call(world.user.bearer, query={"bucket": world.bucket, "key": "a"}),
    "get_file": _of_file,
    "find_file": _of_file,
    "upload_file": _of_upload,
    "unpack": _of_archive,
    "unpack_file": _of_zip,
    "presign": _of_bucket,
    "begin_upload": _of_new_upload,
    "show_upload": _of_begun_upload,
    "append_to_upload": _of_begun_upload,
    "end_upload": _of_begun_upload,
    "list_files": _of_bucket,
    "create_link": _of_other_file,
    "list_links": _of_bucket,
    "get_link": _of_link,
    "update_link": _of_link,
    "revoke_link": _of_link,
    "batch_files": _of_bucket,
    "list_jobs": _as_user,
    "get_job": _of_job,
    "cancel_job": _of_job,
    "retry_job": _of_failed_job,
    "list_schedules": _as_admin,
    "get_schedule": _as_admin,
    "put_schedule": _as_admin,
    "run_schedule": _as_admin,
    "make_report": _of_report,
    "save_report": _of_report,
    "list_reports": _of_report,
    "get_report": _of_report,
    "put_report": _of_report,
    "delete_report": _of_report,
    "run_report": _of_report,
    **_each("get_scrub_status list_damaged_chunks list_nodes get_dashboard list_settings", _as_admin),
    "update_file": _of_other_file,
    "copy_file": lambda world: (found := _of_other_file(world))._replace(real={**found.real, _COPY: new_name()}),
    "delete_file": _of_other_file,
    "share_file": _of_other_file,
    "download_file": _of_file,
    "get_thumbnail": _of_picture,
    "get_optimized": _of_picture,
    "create_preview_url": _of_file,
    "create_view_url": _of_file,
    "get_page": lambda world: _of_picture(world, odd("page.pdf")),
    "get_table": lambda world: _of_picture(world, odd("table.parquet")),
    "show_preview": _of_preview_url,
    "restore_file": _of_trashed,
    "empty_trash": _of_trashed,
    "download_folder": _of_bucket,
    "list_entries": _of_zip,
    "download_entry": _of_zip,
    "download_files": _of_file,
    "search_files": _of_bucket,
    **_each("list_versions restore_version delete_version", _of_version),
    "create_event_target": lambda world: Call(world.user.bearer, {OF_MODELS["NewEventTarget"]["name"]: new_name()}),
    **_each("get_event_target update_event_target delete_event_target list_dead_events", _of_event_target),
    **_each("retry_dead_events test_event_target get_notifications put_notifications", _of_event_target),
    **_each("get_policy put_policy delete_policy check_policy", _of_policy),
    **_each("get_cors put_cors get_acl get_ownership put_ownership", _of_bucket),
    **_each("get_public_access_block put_public_access_block", _of_bucket),
    "put_acl": _of_acl,
    "get_file_acl": _of_file,
    "put_file_acl": lambda world: (_of_acl(world), _of_file(world))[1],
    "scan_status": _as_admin,
    **_each("list_scans release_scan delete_infected", _of_scan),
    "create_service_account": lambda world: Call(world.user.bearer, {_SERVICE: new_name()}),
    **_each("get_service_account change_service_account delete_service_account", _of_service_account),
    **_each("create_key list_keys list_service_accounts list_event_targets", _as_user),
    **_each("get_key change_key delete_key", _of_key),
    **_each("list_audit_log export_audit_log verify_audit_log", _as_admin),
    "health": lambda world: Call(),
} | dict.fromkeys(("get_dashboard", "list_settings", "begin_audit_verification"), _as_admin)


def made_real(value: Any, real: Mapping[str, Any]) -> Any:
    """What an example says, with what is real in its place."""
    if isinstance(value, dict):
        return {name: made_real(member, real) for name, member in value.items()}
    if isinstance(value, list):
        return [made_real(member, real) for member in value]
    return real.get(value, value) if isinstance(value, str) else value
