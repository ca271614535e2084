"""Examples of what is set for a bucket about access, and of policies in words."""

from __future__ import annotations

import json
from typing import Any

_OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
_TEXT = (
    '{"Version": "2012-10-17", "Statement": [{"Sid": "read", "Effect": "Allow", "Principal": "*",'
    ' "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*",'
    ' "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}'
)
_DOCUMENT: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "read",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::pictures/*",
            "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        }
    ],
}
STATEMENT: dict[str, Any] = {
    "name": "read",
    "effect": "Allow",
    "is_public": False,
    "is_never_applied": False,
    "who": [{"kind": "everybody", "name": ""}],
    "who_but": False,
    "does": ["read"],
    "on": [{"kind": "files", "name": ""}],
    "on_but": False,
    "when": [{"key": "aws:SourceIp", "operator": "IpAddress", "values": ["10.0.0.0/8"]}],
    "text": "Everybody, without a login too may read files: all files, when the address that it comes from is in"
    ' "10.0.0.0/8"',
}
_CHECKED: dict[str, Any] = {"is_valid": True, "is_public": False, "statements": [STATEMENT], "findings": []}
_SWITCHES = {
    "block_public_acls": True,
    "ignore_public_acls": True,
    "block_public_policy": True,
    "restrict_public_buckets": True,
}
_OF_IDENTITY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*"},
    ],
}
_OF_WHOEVER: dict[str, Any] = STATEMENT | {
    "who": [{"kind": "holder", "name": ""}],
    "on": [{"kind": "files", "name": "pictures"}],
    "when": [],
    "text": 'Whoever has this policy may read files: all files "pictures"',
}
OF_SETTINGS: dict[str, Any] = {
    "PutIdentityPolicy": {"policy": _OF_IDENTITY},
    "IdentityPolicy": {
        **_CHECKED,
        "statements": [_OF_WHOEVER],
        "name": "read-pictures",
        "policy": _OF_IDENTITY,
        "text": json.dumps(_OF_IDENTITY),
        "created_at": "2026-11-27T09:30:00Z",
    },
    "PutPolicy": {"policy": _DOCUMENT},
    "CheckedPolicy": _CHECKED,
    "BucketPolicy": {**_CHECKED, "policy": _DOCUMENT, "text": _TEXT},
    "BucketCors": {
        "rules": [
            {
                "id": "app",
                "allowed_origins": ["https://app.example.com"],
                "allowed_methods": ["GET", "PUT"],
                "allowed_headers": ["*"],
                "expose_headers": ["ETag"],
                "max_age_seconds": 600,
            }
        ]
    },
    "BucketOwnership": {"object_ownership": "BucketOwnerEnforced"},
    "Switches": _SWITCHES,
    "BucketBlock": {**_SWITCHES, "of_account": dict.fromkeys(_SWITCHES, False)},
    "PutAcl": {"canned": "private"},
    "BucketAcl": {
        "owner": _OWNER,
        "owner_name": "alice",
        "is_disabled": True,
        "is_public": False,
        "grants": [
            {
                "group": None,
                "canonical_id": _OWNER,
                "name": "alice",
                "permission": "FULL_CONTROL",
                "is_public": False,
            }
        ],
    },
}
OF_SETTINGS["FileAcl"] = OF_SETTINGS["BucketAcl"] | {"is_disabled": False}
