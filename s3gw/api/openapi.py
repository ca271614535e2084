"""The API's document: what FastAPI derives from the routes, and what it can't know of them.

That is what they refuse (refusals.py), an example of every body (examples.py), the headers of answers, and how
Swagger's Authorize gets a token. `python -m s3gw.api` prints it; docs/openapi.json is what it printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

import s3gw
from s3gw.api.error_reference import ERROR_CODES
from s3gw.api.examples import OF_MODELS, OF_PARAMETERS
from s3gw.api.refusals import refusals_of
from s3gw.api.users import Login, LoginForm

PREFIX = "/api/v1"
TITLE = "s3gw API"
Document = dict[str, Any]

_ABOUT = """Users, sessions, access keys, grants and the audit log of an s3gw: what S3's own protocol has no words for.

Log in by `POST /api/v1/users/login`, and send the access token that it answers with each request as
`Authorization: Bearer …`. Every answer has an `X-Request-Id`, which the server's log has too. Refusals all have the
form of `Error`. Fields that a body doesn't have here are refused."""
TAGS = {
    "users": "Registering, logging in and out, and looking after users.",
    "links": "Links that work once: an address that is confirmed, a forgotten password, an invitation.",
    "second factor": "Codes of an authenticator app, asked for beside the password.",
    "groups": "Users of an account whom policies and grants name together.",
    "service accounts": "Users for programs, under the user who makes them.",
    "buckets": "Buckets, what is set for them, and how much is in them.",
    "access": "Who has access to a bucket, a prefix or a file, and why.",
    "files": "What is in a bucket: uploaded, listed, downloaded, changed and deleted.",
    "uploads": "Uploads that are gone on with where they broke off (TUS 1.0.0), and URLs to S3 itself.",
    "previews": "Small pictures of files, and pictures without what isn't seen.",
    "share links": "Links by which whoever has one gets a file or a folder, or sends files.",
    "events": "Whom buckets tell what becomes of their objects, and what.",
    "reports": "Who uses how much, as files in a bucket.",
    "jobs": "Work that takes longer than a request: how far it has come, and what came of it.",
    "virus scanning": "What the virus scanner found, and what is done with it.",
    "scrub": "Reading every stored chunk again, and those that were found damaged.",
    "nodes": "How busy and how full the server is, which processes serve, on which machines, and what they were told.",
    "keys": "Access keys, with which S3 requests are signed.",
    "audit": "Who changed what, when and from where.",
    "health": "How the server is.",
}
# Where the name of the function, in words, says too little.
SUMMARIES = {
    "refresh": "Get the next tokens",
    "me": "Show who one is",
    "verify_email": "Confirm an address",
    "send_verification": "Ask for another link that confirms it",
    "forgot_password": "Ask for a link that sets a password",
    "reset_password": "Set a forgotten password",
    "ways_in": "Show how one gets in",
    "begin_oidc_login": "Log in at an OpenID Connect issuer",
    "finish_oidc_login": "Come back from the issuer",
    "invite": "Invite somebody",
    "stream_events": "Follow what becomes of objects",
    "scan_status": "Show how virus scanning is",
    "list_scans": "List what was scanned",
    "release_scan": "Let a content through",
    "delete_infected": "Delete the files that have an infected content",
    "verify_audit_log": "Verify the audit log",
    "begin_audit_verification": "Have the audit log verified by a job",
    "get_dashboard": "Show the dashboard",
    "list_dead_events": "List what a target couldn't be told",
    "retry_dead_events": "Tell a target again what it couldn't be told",
    "retry_dead_event": "Tell a target again one thing that it couldn't be told",
    "drop_dead_event": "Forget one thing that a target couldn't be told",
    "get_notifications": "Show what a bucket tells whom",
    "get_policy": "Show a bucket's policy, and what it says in words",
    "put_policy": "Set a bucket's policy",
    "delete_policy": "Take a bucket's policy away",
    "check_policy": "Tell what a policy would say, and what is wrong with it",
    "list_user_policies": "List a user's policies",
    "get_user_policy": "Show a user's policy, and what it says in words",
    "put_user_policy": "Set a user's policy",
    "delete_user_policy": "Take a user's policy away",
    "list_group_policies": "List a group's policies",
    "get_group_policy": "Show a group's policy, and what it says in words",
    "put_group_policy": "Set a group's policy",
    "delete_group_policy": "Take a group's policy away",
    "check_identity_policy": "Tell what a policy of a user or a group would say",
    "get_cors": "Show what web pages of other origins may ask of a bucket",
    "put_cors": "Set what web pages of other origins may ask of a bucket",
    "get_ownership": "Show whose a bucket's files are, and whether it has ACLs",
    "put_ownership": "Set whose a bucket's files are, and whether it has ACLs",
    "get_public_access_block": "Show what of public access a bucket blocks",
    "put_public_access_block": "Set what of public access a bucket blocks",
    "get_acl": "Show a bucket's ACL",
    "put_acl": "Set a bucket's ACL",
    "get_file_acl": "Show a file's ACL",
    "put_file_acl": "Set a file's ACL",
    "put_notifications": "Set what a bucket tells whom",
    "add_member": "Add a member to a group",
    "remove_member": "Remove a member of a group",
    "share": "Share a bucket",
    "get_file": "Show a file",
    "find_file": "Find a file by its path",
    "upload_file": "Upload a file",
    "unpack": "Unpack an archive into files",
    "unpack_file": "Unpack a file that is an archive",
    "update_file": "Rename or describe a file",
    "copy_file": "Copy a file",
    "create_view_url": "Create a URL that shows a file in a frame",
    "get_page": "Show a page of a PDF",
    "get_table": "Show the first rows of a Parquet file",
    "share_file": "Share a file",
    "list_files": "List files and folders",
    "download_file": "Download a file",
    "list_entries": "List the entries of a zip",
    "download_entry": "Download one entry of a zip",
    "download_folder": "Download a folder as a zip",
    "download_files": "Download several files as a zip",
    "make_report": "Make a report once",
    "save_report": "Save a report",
    "list_reports": "List saved reports",
    "get_report": "Show a saved report",
    "put_report": "Change a saved report",
    "delete_report": "Delete a saved report",
    "run_report": "Make a saved report now",
    "batch_files": "Do the same to many files",
    "presign": "Sign URLs of S3",
    "begin_upload": "Begin an upload that resumes",
    "show_upload": "Show how far an upload has come",
    "append_to_upload": "Go on with an upload",
    "end_upload": "End an upload",
    "explain": "Explain who may do what",
    "show_totp": "Show the second factor",
    "enrol_totp": "Begin a second factor",
    "confirm_totp": "Turn the second factor on",
    "disable_totp": "Turn the second factor off",
    "reset_totp": "Take away a user's second factor",
    "health": "Show how the server is",
}
_HEADERS: dict[str, tuple[str, Document]] = {
    "X-Request-Id": ("The request's id, which the log has too.", {"type": "string", "pattern": "^[0-9A-F]{16}$"}),
    "RateLimit-Limit": ("Requests that the window admits.", {"type": "integer", "minimum": 1}),
    "RateLimit-Remaining": ("Requests that are left in the window.", {"type": "integer", "minimum": 0}),
    "RateLimit-Reset": ("Seconds until the next window.", {"type": "integer", "minimum": 1}),
    "RateLimit-Policy": ("The limit and its window in seconds: `600;w=60`.", {"type": "string"}),
    "ETag": ("Of what is answered: for `If-Match` of a change.", {"type": "string", "pattern": '^"[^"]+"$'}),
    "Idempotent-Replayed": ("`true`: what was done before under the key.", {"type": "string", "enum": ["true"]}),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to authenticate.", {"type": "string", "enum": ["Bearer"]}),
    "Location": ("Where to go on.", {"type": "string"}),
}
_ALWAYS = ("X-Request-Id",)
_IF_LIMITED = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")  # unless it is off
_OF_STATUS = {201: ("Idempotent-Replayed",), 302: ("Location",), 401: ("WWW-Authenticate",)}
_OF_STATUS |= dict.fromkeys((429, 503), ("Retry-After",))
_REQUIRED = {*_ALWAYS, "Location", "WWW-Authenticate", "Retry-After"}
# The models of what can be changed.
_WITH_ETAG = (
    "Access",
    "Bucket",
    "EventTarget",
    "File",
    "Group",
    "Key",
    "KeyWithSecret",
    "Link",
    "Notifications",
    "BucketPolicy",
    "BucketCors",
    "BucketOwnership",
    "BucketBlock",
    "BucketAcl",
    "FileAcl",
    "IdentityPolicy",
    "ServiceAccount",
    "User",
    "UserQuota",
)
_SCHEMES: Document = {
    "oauth2": {
        "type": "oauth2",
        "description": "By name and password; a code of the second factor goes into the client secret.",
        "flows": {"password": {"tokenUrl": f"{PREFIX}/users/login", "scopes": {}}},
    },
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token."},
}


def routes_of(routers: Iterable[APIRouter]) -> Iterator[tuple[str, str, APIRoute]]:
    """Method, path below PREFIX, and route of everything that the document tells."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                yield from ((method, route.path, route) for method in route.methods or ())


def document_of(app: FastAPI, routers: Iterable[APIRouter]) -> Document:
    document = get_openapi(
        title=TITLE,
        version=s3gw.__version__,
        description=_ABOUT,
        routes=app.routes,
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        separate_input_output_schemas=False,
    )
    operations = {(method, PREFIX + path): route for method, path, route in routes_of(routers)}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, operations[method.upper(), path])
    used = {
        tag for methods in document["paths"].values() for operation in methods.values() for tag in operation["tags"]
    }
    document["tags"] = [{"name": name, "description": about} for name, about in TAGS.items() if name in used]
    document["components"] = _components(document["components"]["schemas"], operations.values())
    return document


def _complete(operation: Document, route: APIRoute) -> None:
    operation["operationId"] = route.name
    operation["summary"] = SUMMARIES.get(route.name) or route.name.replace("_", " ").capitalize()
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            parameter["name"] = parameter["name"].title()  # If-Match, as RFC 9110 writes it
        if parameter["required"]:
            parameter["example"] = OF_PARAMETERS[parameter["name"]]
    if "requestBody" in operation:
        _show(operation["requestBody"]["content"])
    if "security" in operation:
        operation["security"] = [{name: []} for name in _SCHEMES]
    operation["responses"].pop("422", None)  # the library's, of another form
    for status, response in operation["responses"].items():
        _complete_answer(response, int(status))
    for name, codes in _grouped(refusals_of(route)).items():
        operation["responses"].setdefault(str(codes[0].status), {"$ref": f"#/components/responses/{name}"})
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _complete_answer(response: Document, status: int) -> None:
    content = response.get("content", {})
    if content.get("application/json") == {"schema": {}}:
        content = {}  # of an answer that has no body
        del response["content"]
    if response["description"] == "Successful Response":
        response["description"] = HTTPStatus(status).phrase
    _show(content)
    models = [_name(kind["schema"]) for kind in content.values()]
    own = response.get("headers", {})
    response["headers"] = own | _headers(status, has_etag=any(model in _WITH_ETAG for model in models))


def _show(content: Document) -> None:
    for kind in content.values():
        if kind.setdefault("schema", {"type": "string"}).get("type") != "string" and "example" not in kind:
            kind["example"] = _example(kind["schema"])


def _example(schema: Document) -> Any:
    if schema.get("type") == "array":
        return [_example(schema["items"])]
    if "anyOf" in schema:  # or null
        return _example(schema["anyOf"][0])
    name = _name(schema)
    if name.startswith("Page_"):
        item = OF_MODELS[name.removeprefix("Page_").removesuffix("_")]
        return {"items": [item], "total": 1, "page": 1, "per_page": 50, "next_cursor": None}
    return OF_MODELS[name]


def _name(schema: Document) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _headers(status: int, *, has_etag: bool = False) -> Document:
    names = (*_ALWAYS, *(("ETag",) if has_etag else ()), *_OF_STATUS.get(status, ()), *_IF_LIMITED)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _grouped(codes: Iterable[str]) -> dict[str, list[Any]]:
    """Those of one status are one answer, which is named by them."""
    wanted, found = set(codes), dict[int, list[Any]]()
    for error in ERROR_CODES:
        if error.code in wanted:
            found.setdefault(error.status, []).append(error)
    return {".".join(error.code for error in errors): errors for errors in found.values()}


def _components(schemas: Document, routes: Iterable[APIRoute]) -> Document:
    more = models_json_schema(
        [(model, "validation") for model in (Login, LoginForm)], ref_template="#/components/schemas/{model}"
    )
    kept = {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
    answers = {name: errors for route in routes for name, errors in _grouped(refusals_of(route)).items()}
    return {
        "schemas": dict(sorted({**kept, **more[1]["$defs"], "Error": _error_schema()}.items())),
        "responses": {name: _refusal(errors) for name, errors in sorted(answers.items())},
        "headers": {
            name: {"description": about, "schema": schema} | ({"required": True} if name in _REQUIRED else {})
            for name, (about, schema) in _HEADERS.items()
        },
        "securitySchemes": _SCHEMES,
    }


def _error_schema() -> Document:
    text = {"type": "string"}
    fault = {"type": "object", "properties": {"field": text, "message": text}, "required": ["field", "message"]}
    members: Document = {
        "detail": text | {"description": "For people."},
        "error_code": text | {"enum": sorted(error.code for error in ERROR_CODES), "description": "For programs."},
        "timestamp": text | {"format": "date-time"},
        "request_id": text | {"description": "As in X-Request-Id."},
        "errors": {"type": "array", "items": fault, "description": "What is wrong with which field."},
    }
    required = [name for name in members if name != "errors"]
    return {"type": "object", "properties": members, "required": required, "description": "What every refusal says."}


def _refusal(errors: list[Any]) -> Document:
    codes = [error.code for error in errors]
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            {"properties": {"error_code": {"enum": codes}}},
        ]
    }
    examples = {error.code: {"summary": error.told.meaning, "value": _refusal_example(error)} for error in errors}
    return {
        "description": " ".join(f"{error.code}: {error.told.meaning}" for error in errors),
        "headers": _headers(errors[0].status),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _refusal_example(error: Any) -> Document:
    faults = {"errors": [{"field": "username", "message": "Field required"}]}
    return {
        "detail": error.told.detail,
        "error_code": error.code,
        "timestamp": "2026-11-27T10:15:00.123Z",
        "request_id": "5F0C2A9B71D3E846",
        **(faults if error.code == "VALIDATION_ERROR" else {}),
    }


def as_text(document: Document) -> str:
    """In an order that is always the same: that of the routes, which FastAPI keeps."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
