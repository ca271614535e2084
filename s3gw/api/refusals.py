"""What each route may refuse: derived from what the route asks for, and a row for those that refuse more than that.

The API's document is made from it, and so is held to what is really answered by every request that the tests make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from s3gw.api.caller import admin_of, caller_of, viewer_of


class Asks(NamedTuple):
    """What a route asks for."""

    is_open: bool  # it asks nobody who he is
    wants_role: bool
    names_something: bool  # in its path
    has_body: bool
    creates: bool
    writes: bool
    takes_if_match: bool


def asks_of(route: APIRoute) -> Asks:
    dependant = route.dependant
    headers = _headers(dependant)
    has_body = route.body_field is not None or "requestBody" in (route.openapi_extra or {})
    return Asks(
        is_open=not _depends(dependant, caller_of),
        wants_role=_depends(dependant, admin_of) or _depends(dependant, viewer_of),
        names_something="{" in route.path,
        has_body=has_body,
        creates=route.status_code == 201,
        writes=route.methods != {"GET"},
        takes_if_match="if-match" in headers,
    )


_COMMON: tuple[tuple[Callable[[Asks], bool], tuple[str, ...]], ...] = (
    (lambda asks: not asks.is_open, ("AUTHENTICATION_FAILED",)),
    (lambda asks: asks.wants_role, ("PERMISSION_DENIED",)),
    (lambda asks: asks.names_something, ("NOT_FOUND",)),
    (lambda asks: asks.creates, ("CONFLICT", "IDEMPOTENCY_MISMATCH")),
    (lambda asks: asks.takes_if_match, ("PRECONDITION_FAILED",)),
    (lambda asks: asks.has_body, ("TOO_LARGE",)),
    (lambda asks: asks.writes, ("STORAGE_FULL",)),
    # VALIDATION_ERROR: at least of headers that are too long.
    (lambda asks: True, ("VALIDATION_ERROR", "RATE_LIMITED", "INTERNAL_ERROR", "STORAGE_UNAVAILABLE")),
)

_SESSION = ("AUTHENTICATION_FAILED",)  # by what the body has in it
_NOT_ALL_MAY = ("PERMISSION_DENIED",)  # whom the resource is shown, or who is an auditor
_WITHHELD = ("SCAN_PENDING", "INFECTED")  # what the virus scanner keeps from being read
_OF_PREVIEWS = ("UNSUPPORTED_MEDIA_TYPE", "PREVIEW_REFUSED", "NOT_IMPLEMENTED", "STORAGE_FULL")
_OF_COPIES = ("FILE_ALREADY_EXISTS", "PRECONDITION_FAILED", "QUOTA_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE")
_OF_BODIES = (
    "FILE_ALREADY_EXISTS",
    "QUOTA_EXCEEDED",
    "UNSUPPORTED_CHECKSUM",
    "CHECKSUM_MISMATCH",
    "UNSUPPORTED_MEDIA_TYPE",
)
OWN: dict[str, tuple[str, ...]] = {
    "register": ("REGISTRATION_CLOSED",),
    "log_in": (*_SESSION, "TOTP_REQUIRED", "EMAIL_NOT_VERIFIED"),
    "refresh": _SESSION,
    "log_out": _SESSION,
    "update_user": (*_NOT_ALL_MAY, "CONFLICT"),
    "delete_user": (*_NOT_ALL_MAY, "CONFLICT"),
    "restore_user": ("CONFLICT",),
    "put_user_quota": ("CONFLICT",),
    "end_session": _NOT_ALL_MAY,
    "change_password": ("CONFLICT",),
    "create_bucket": _NOT_ALL_MAY,
    "list_buckets": _NOT_ALL_MAY,
    "update_bucket": (*_NOT_ALL_MAY, "CONFLICT"),
    "delete_bucket": (*_NOT_ALL_MAY, "BUCKET_NOT_EMPTY", "CONFLICT"),
    "restore_bucket": (*_NOT_ALL_MAY, "CONFLICT"),
    "batch_files": (*_NOT_ALL_MAY, "CONFLICT", "PRECONDITION_FAILED"),
    "list_jobs": ("NOT_FOUND", "PERMISSION_DENIED"),
    "cancel_job": (*_NOT_ALL_MAY, "CONFLICT"),
    "retry_job": (*_NOT_ALL_MAY, "CONFLICT"),
    "get_storage": _NOT_ALL_MAY,
    "measure_storage": (*_NOT_ALL_MAY, "CONFLICT"),
    "begin_audit_verification": ("CONFLICT",),
    "share": _NOT_ALL_MAY,
    "list_access": _NOT_ALL_MAY,
    "get_access": (*_NOT_ALL_MAY, "CONFLICT"),
    "change_access": (*_NOT_ALL_MAY, "CONFLICT"),
    "revoke_access": _NOT_ALL_MAY,
    "explain": (*_NOT_ALL_MAY, "NOT_FOUND"),
    "get_file": (*_SESSION, *_NOT_ALL_MAY),
    "find_file": (*_SESSION, *_NOT_ALL_MAY),
    "download_file": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, "PRECONDITION_FAILED"),
    "get_thumbnail": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, *_OF_PREVIEWS),
    "get_optimized": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, *_OF_PREVIEWS),
    "create_preview_url": _NOT_ALL_MAY,
    "create_view_url": _NOT_ALL_MAY,
    "get_page": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, *_OF_PREVIEWS),
    "get_table": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, *_OF_PREVIEWS),
    "show_preview": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, *_OF_PREVIEWS, "NOT_FOUND"),
    "list_entries": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, "PRECONDITION_FAILED"),
    "download_entry": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD, "PRECONDITION_FAILED"),
    "download_folder": (*_SESSION, *_NOT_ALL_MAY, "TOO_LARGE"),
    "download_files": (*_SESSION, *_NOT_ALL_MAY, *_WITHHELD),
    "update_file": (*_NOT_ALL_MAY, "FILE_ALREADY_EXISTS", "QUOTA_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE"),
    "copy_file": (*_NOT_ALL_MAY, *_WITHHELD, *_OF_COPIES),
    "delete_file": _NOT_ALL_MAY,
    "restore_file": (*_NOT_ALL_MAY, "CONFLICT", "FILE_ALREADY_EXISTS", "QUOTA_EXCEEDED"),
    "search_files": _NOT_ALL_MAY,
    "list_versions": _NOT_ALL_MAY,
    "restore_version": (*_NOT_ALL_MAY, "CONFLICT", "QUOTA_EXCEEDED"),
    "delete_version": _NOT_ALL_MAY,
    "empty_trash": _NOT_ALL_MAY,
    "share_file": _NOT_ALL_MAY,
    "list_files": _NOT_ALL_MAY,
    "upload_file": (
        *_NOT_ALL_MAY,
        "FILE_ALREADY_EXISTS",
        "QUOTA_EXCEEDED",
        "UNSUPPORTED_MEDIA_TYPE",
        "NOT_IMPLEMENTED",
    ),
    "unpack": (*_NOT_ALL_MAY, "CONFLICT", "FILE_ALREADY_EXISTS", "QUOTA_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE"),
    "unpack_file": (*_NOT_ALL_MAY, "CONFLICT", "TOO_LARGE"),
    "presign": (*_NOT_ALL_MAY, "CONFLICT"),
    "begin_upload": (
        *_NOT_ALL_MAY,
        *_OF_BODIES,
        "CONFLICT",
        "PRECONDITION_FAILED",
        "NOT_IMPLEMENTED",
    ),
    "show_upload": (*_NOT_ALL_MAY, "PRECONDITION_FAILED"),
    "append_to_upload": (
        *_NOT_ALL_MAY,
        *_OF_BODIES,
        "CONFLICT",
        "OFFSET_MISMATCH",
        "PRECONDITION_FAILED",
        "NOT_IMPLEMENTED",
    ),
    "end_upload": (*_NOT_ALL_MAY, "PRECONDITION_FAILED"),
    "create_link": _NOT_ALL_MAY,
    "update_link": (*_NOT_ALL_MAY, "CONFLICT"),
    "revoke_link": _NOT_ALL_MAY,
    "stream_events": ("NOT_FOUND",),
    "create_event_target": _NOT_ALL_MAY,
    "update_event_target": _NOT_ALL_MAY,
    "delete_event_target": _NOT_ALL_MAY,
    "list_dead_events": _NOT_ALL_MAY,
    "retry_dead_events": _NOT_ALL_MAY,
    "retry_dead_event": _NOT_ALL_MAY,
    "drop_dead_event": _NOT_ALL_MAY,
    **dict.fromkeys(("get_policy", "delete_policy", "check_policy"), _NOT_ALL_MAY),
    **dict.fromkeys(("put_user_policy", "put_group_policy"), (*_NOT_ALL_MAY, "CONFLICT")),
    **dict.fromkeys(("delete_user_policy", "delete_group_policy"), _NOT_ALL_MAY),
    **dict.fromkeys(
        ("get_cors", "put_cors", "get_acl", "get_file_acl", "get_ownership", "put_ownership"), _NOT_ALL_MAY
    ),
    **dict.fromkeys(("get_public_access_block", "put_public_access_block"), _NOT_ALL_MAY),
    **dict.fromkeys(("put_policy", "put_acl", "put_file_acl"), (*_NOT_ALL_MAY, "PUBLIC_ACCESS_BLOCKED")),
    "test_event_target": _NOT_ALL_MAY,
    "get_notifications": _NOT_ALL_MAY,
    "put_notifications": _NOT_ALL_MAY,
    "make_report": (*_NOT_ALL_MAY, "NOT_FOUND", "CONFLICT"),
    "save_report": (*_NOT_ALL_MAY, "NOT_FOUND"),
    "put_report": (*_NOT_ALL_MAY, "CONFLICT"),
    "delete_report": _NOT_ALL_MAY,
    "run_report": (*_NOT_ALL_MAY, "CONFLICT"),
    "release_scan": ("CONFLICT",),
    "delete_infected": ("CONFLICT",),
    "create_group": _NOT_ALL_MAY,
    "rename_group": (*_NOT_ALL_MAY, "CONFLICT"),
    "delete_group": _NOT_ALL_MAY,
    "add_member": _NOT_ALL_MAY,
    "remove_member": _NOT_ALL_MAY,
    "create_service_account": _NOT_ALL_MAY,
    "change_service_account": _NOT_ALL_MAY,
    "delete_service_account": _NOT_ALL_MAY,
    "create_key": ("NOT_FOUND",),
    "list_keys": ("NOT_FOUND",),
    "confirm_totp": ("CONFLICT",),
    "renew_recovery_codes": ("CONFLICT",),
    "disable_totp": ("CONFLICT",),
    "begin_oidc_login": ("NOT_FOUND", "ISSUER_UNAVAILABLE"),
    "finish_oidc_login": (*_SESSION, "REGISTRATION_CLOSED", "NOT_FOUND", "CONFLICT", "ISSUER_UNAVAILABLE"),
}


def refusals_of(route: APIRoute) -> frozenset[str]:
    """The error codes that the route may answer."""
    asks = asks_of(route)
    common = (code for applies, codes in _COMMON if applies(asks) for code in codes)
    return frozenset((*common, *OWN.get(route.name, ())))


def _depends(dependant: Dependant, on: Callable[..., object]) -> bool:
    return dependant.call is on or any(_depends(below, on) for below in dependant.dependencies)


def _headers(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.header_params}
    return own.union(*(_headers(below) for below in dependant.dependencies))
