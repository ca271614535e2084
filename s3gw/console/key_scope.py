"""The policy that narrows an access key, made of what a form says: which rights, in which bucket and folder."""

from __future__ import annotations

import json
from typing import Any

from s3gw.access.templates import plain
from s3gw.console.forms import Fields, first
from s3gw.console.language import marked as _
from s3gw.problems import Invalid

LIST = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
LOCATE = ["s3:GetBucketLocation", "s3:GetBucketVersioning"]
READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectTagging"]
WRITE = [
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]
_RIGHTS = {"read": READ, "upload": [*READ, *WRITE]}


def scope_of(fields: Fields) -> dict[str, Any] | None:
    """None: the key may what its user may. Raises Invalid."""
    may = first(fields, "may")
    if may == "policy":
        return _written(first(fields, "policy"))
    if may in ("", "all"):
        return None
    if may not in _RIGHTS:
        raise Invalid(_("Choose what the key may."))
    bucket, prefix = first(fields, "bucket").strip(), first(fields, "prefix")
    if prefix and not bucket:
        raise Invalid(_("A path is one of a bucket: name that too."))
    where = f"arn:aws:s3:::{plain(bucket) if bucket else '*'}"
    listing: dict[str, Any] = {"Effect": "Allow", "Action": LIST, "Resource": where}
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{plain(prefix)}*"]}}
    statements: list[dict[str, Any]] = [
        listing,
        {"Effect": "Allow", "Action": LOCATE, "Resource": where},
        {"Effect": "Allow", "Action": _RIGHTS[may], "Resource": f"{where}/{plain(prefix)}*"},
    ]
    if not bucket:
        statements.append({"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements}


def _written(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Invalid(f"policy: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise Invalid(_("The policy isn't an object of JSON.")) from None
    if not isinstance(document, dict):
        raise Invalid(_("The policy isn't an object of JSON."))
    return document
