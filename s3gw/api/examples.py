"""What the API's document shows as examples: one of each model, from which those of every route are made."""

from __future__ import annotations

from typing import Any

from s3gw.api.example_settings import OF_SETTINGS, STATEMENT
from s3gw.api.examples_of_admins import OF_ADMINS

_BUCKET = "7d0c3f3e-9d52-4a53-8f0a-2f1a4b8f6c11"
_USER = "3f2b8c1e-6a4d-4b7e-9c58-0d9e7a1f5b20"
_OTHER = "b6a1d0f4-2c3e-4f5a-8b7c-9d8e7f6a5b4c"
_GROUP = "5e1f7c9a-8d2b-4c3d-a6e4-7f8091a2b3c4"
_FILE = "0198f4c2-7a10-7c3e-9b51-4d2e8f6a7b90"
_UPLOAD = "6c1e2f3a-4b5d-4e6f-8a9b-0c1d2e3f4a5b"
_GRANT = "0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d"
_SESSION = "c4d5e6f7-0819-4a2b-8c3d-4e5f60718293"
_INVITATION = "d1c2b3a4-9586-4776-a5b4-c3d2e1f00112"
_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
_PASSWORD = "correct horse battery"
_MADE = "2026-11-27T09:30:00Z"
_CHANGED = "2026-11-27T10:15:00Z"
_UNTIL = "2027-11-27T09:30:00Z"
_TOKEN = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiIzZjJiOGMxZSJ9.c2lnbmF0dXJl"
_REFRESH = "kq3N0u5Zr2Wf8yB1xH7cT4vD6jL9mP0aS"
_LINK = "Qm5vdGhpbmcgdG8gc2VlIGhlcmU"
_JOB = "f3a21b4c-5d6e-4f70-8b9c-0d1e2f3a4b5c"
_LINK_ID = "e2f10a3b-4c5d-4e6f-8a7b-9c0d1e2f3a4b"
_CODE = "492039"
_COLUMN = {"name": "id", "type": "int64"}
_LOCATION = "0663f1c2a9b84d77e3a1905c66-0000002a"
_TARGET = "8b1d2c3e-4f50-4a6b-9c7d-8e9f0a1b2c3d"
_REPORT = "2d4f6a8c-1b3d-4e5f-9a7b-c8d0e2f4a6b8"
_ARN = "arn:aws:sqs:us-east-1:123456789012:thumbnails"
_EVENTS = ["s3:ObjectCreated:*"]
_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*"}],
}
_KEY = {
    "access_key_id": _KEY_ID,
    "user_id": _USER,
    "description": "backup of the laptop",
    "is_active": True,
    "expires_at": _UNTIL,
    "created_at": _MADE,
    "last_used_at": _CHANGED,
    "policies": [{"name": "scope", "document": _POLICY, "statements": [STATEMENT]}],
}
_CORS = {"allowed_origins": ["https://app.example.com"], "allowed_methods": ["GET", "PUT"], "allowed_headers": ["*"]}
_OF_BUCKET = {
    "id": _BUCKET,
    "name": "pictures",
    "is_public": False,
    "storage_quota": 10_000_000_000,
    "object_quota": None,
    "versioning": "enabled",
    "trash_seconds": 604_800,
    "allowed_types": ["image/*"],
    "scan_policy": "hold",
    "cors": [_CORS | {"id": None, "expose_headers": ["ETag"], "max_age_seconds": 600}],
    "owner_id": _USER,
    "created_at": _MADE,
    "updated_at": _CHANGED,
    "is_deleted": False,
    "deleted_at": None,
    "restorable_until": None,
}
_OF_JOB: dict[str, Any] = {
    "id": _JOB,
    "kind": "delete_bucket",
    "priority": "asked",
    "state": "running",
    "attempts": 1,
    "progress": {"done": 12_000, "total": 50_000},
    "rate": 400.0,
    "seconds_left": 95.0,
    "result": None,
    "error": None,
    "fault": None,
    "lines": ["2026-11-27T09:31:12Z others have written into the bucket meanwhile: it is emptied once more"],
    "created_at": _MADE,
    "begun_at": _MADE,
    "updated_at": _CHANGED,
}
_FILE_MODEL = {
    "id": _FILE,
    "bucket_id": _BUCKET,
    "owner_id": _USER,
    "filename": "1.jpg",
    "file_path": "2026/1.jpg",
    "file_size": 48213,
    "storage_class": "STANDARD",
    "mime_type": "image/jpeg",
    "checksum": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "checksum_algorithm": "SHA256",
    "checksum_value": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
    "is_deleted": False,
    "deleted_at": None,
    "expires_at": None,
    "trash_id": None,
    "url": f"https://files.example.com/api/v1/buckets/{_BUCKET}/files/{_FILE}/download",
    "created_at": _MADE,
    "updated_at": _CHANGED,
    "tags": {"project": "holidays"},
    "metadata": {"camera": "x100"},
    "version_id": None,
    "scan_status": "clean",
}
_VERSION = "__m8H0VwBq2hWc8Gm1Zk4nT0yRrXUeJd"
_FILE_VERSION = _FILE_MODEL | {
    "version_id": _VERSION,
    "is_current": True,
    "url": f"{_FILE_MODEL['url']}?version_id={_VERSION}",
}
_LOGIN = {"username": "alice", "password": _PASSWORD}

_DIGEST = "6f1c0e9b7a5d4c3b2a190817f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c4b"
_SCANNED_FILE = {"bucket_id": _BUCKET, "bucket": "pictures", "file_path": "2026/1.zip", "version_id": None}
_SCAN = {
    "digest": _DIGEST,
    "state": "infected",
    "threat": "Eicar-Test-Signature",
    "size": 68,
    "scanner": "ClamAV 1.4.6/27800/Thu Nov 26 09:24:11 2026",
    "scanned_at": _CHANGED,
    "noted_at": _MADE,
    "attempts": 1,
    "error": None,
    "files": [_SCANNED_FILE],
}

OF_MODELS: dict[str, Any] = {
    **OF_SETTINGS,
    "Access": {
        "id": _GRANT,
        "resource_type": "prefix",
        "resource_id": "2026/",
        "user_id": _OTHER,
        "group_id": None,
        "grantee": "bob",
        "permission": "read",
        "expires_at": _UNTIL,
        "created_at": _MADE,
    },
    "Address": {"email": "alice@example.com"},
    "AuditLine": {
        "id": 4711,
        "at": _CHANGED,
        "actor_id": _USER,
        "actor": "alice",
        "door": "api",
        "address": "192.0.2.7",
        "request_id": "5F0C2A9B71D3E846",
        "action": "user.update",
        "outcome": "done",
        "resource_type": "user",
        "resource": "alice",
        "before": {"email": "alice@example.org"},
        "after": {"email": "alice@example.com"},
        "count": 1,
        "position": 4692,
        "mac": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "Batch": {"action": "move", "query": {"prefix": "2026/"}, "destination": {"prefix": "archive/2026/"}},
    "Bucket": _OF_BUCKET,
    "ListedBucket": _OF_BUCKET | {"etag": '"9b2cf535f27731c974343645a3985328"', "storage": None},
    "Both": {"password": _PASSWORD, "totp": _CODE},
    "ChangeBody": {"permission": "write", "expires_at": None},
    "ChangeKey": {"description": "backup of the old laptop", "is_active": False, "policy": _POLICY},
    "ChangeServiceAccount": {"is_active": False, "policy": _POLICY},
    "ChangePassword": {"current_password": _PASSWORD, "new_password": "staple the battery horse"},
    "Confirm": {"totp": _CODE},
    "CopyFile": {"file_path": "archive/1.jpg"},
    "CreateKey": {"description": "backup of the laptop", "expires_at": _UNTIL, "policy": _POLICY},
    "CreateServiceAccount": {"username": "backup", "policy": _POLICY},
    "DeleteUser": {"password": _PASSWORD},
    "Enrol": {"password": _PASSWORD},
    "Enrolment": {
        "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "uri": "otpauth://totp/s3gw:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=s3gw",
    },
    "DeadEvent": {
        "id": 4711,
        "event": "ObjectCreated:Put",
        "key": "2026/1.jpg",
        "attempts": 27,
        "error": "it answered 500",
        "message": {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]},
        "created_at": _CHANGED,
    },
    "Schedule": {
        "kind": "warn_of_quotas",
        "cron": "0 8 * * MON-FRI",
        "time_zone": "Europe/Berlin",
        "is_enabled": True,
        "last_run": _CHANGED,
        "next_run": _UNTIL,
        "updated_at": _MADE,
    },
    "ScheduleLine": {"cron": "0 8 * * MON-FRI", "time_zone": "Europe/Berlin"},
    "EventTarget": {
        "id": _TARGET,
        "owner_id": _USER,
        "name": "thumbnails",
        "arn": _ARN,
        "kind": "webhook",
        "address": "https://app.example.com/hooks/s3",
        "is_shared": False,
        "is_enabled": True,
        "failing_since": None,
        "last_error": None,
        "waiting": 0,
        "dead": 0,
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "created_at": _MADE,
        "updated_at": _CHANGED,
    },
    "NewEventTarget": {"name": "thumbnails", "url": "https://app.example.com/hooks/s3"},
    "UpdateEventTarget": {"url": "https://app.example.com/hooks/s4", "new_secret": True},
    "Retried": {"retried": 12},
    "Notifications": {
        "rules": [{"id": "pictures", "target": "thumbnails", "events": _EVENTS, "prefix": "2026/", "suffix": ".jpg"}]
    },
    "Emptied": {"files": 12, "bytes": 310_000, "is_empty": True},
    "Explained": {
        "allowed": True,
        "reason": "granted read on the bucket by alice",
        "principal": "bob",
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::pictures/2026/1.jpg",
        "found": None,
        "facts": {},
        "notes": [],
        "also": {"s3:PutObject": False},
    },
    "File": _FILE_MODEL,
    "FileVersion": _FILE_VERSION,
    "FileVersions": {
        "items": [_FILE_VERSION],
        "total": 1,
        "total_is_lower_bound": False,
        "page": 1,
        "per_page": 50,
        "next_cursor": None,
    },
    "Files": {
        "items": [_FILE_MODEL],
        "folders": ["2025/"],
        "total": 2,
        "total_is_lower_bound": False,
        "page": 1,
        "per_page": 50,
        "next_cursor": None,
    },
    "Group": {
        "id": _GROUP,
        "name": "editors",
        "owner_id": _USER,
        "members": [{"user_id": _OTHER, "username": "bob"}],
        "created_at": _MADE,
    },
    "GroupName": {"name": "editors"},
    "HealthModel": {
        "status": "ok",
        "version": "0.1.0",
        "database": "ok",
        "reading": "ok",
        "writing": "ok",
        "scanning": "ok",
        "node": "ok",
        "clock": "ok",
    },
    "Scan": _SCAN,
    "ScannedFile": _SCANNED_FILE,
    "ScanStatus": {
        "policy": "hold",
        "scanner": "clamd",
        "is_down": False,
        "error": None,
        "signatures": _SCAN["scanner"],
        "contents": {"pending": 2, "clean": 48_211, "infected": 1, "unscannable": 0, "released": 0},
    },
    "DeletedFiles": {"deleted": 3, "refused": 0, "is_truncated": False},
    "Invitation": {"id": _INVITATION, "invitation": _LINK, "email": "bob@example.com", "expires_at": _UNTIL},
    "Job": _OF_JOB,
    "StartedJob": _OF_JOB
    | {"job_id": _JOB, "state": "queued", "attempts": 0, "progress": {"done": 0, "total": None}}
    | {"rate": None, "seconds_left": None, "lines": None, "begun_at": None},
    "Key": _KEY,
    "KeyWithSecret": _KEY | {"last_used_at": None, "secret_access_key": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"},
    "Link": {
        "id": _LINK_ID,
        "url": f"https://share.example.com/{_LINK}",
        "bucket_id": _BUCKET,
        "kind": "file",
        "file_id": _FILE,
        "prefix": None,
        "created_by": _USER,
        "has_password": True,
        "max_downloads": 10,
        "max_bytes": None,
        "max_uploads": None,
        "expires_at": _UNTIL,
        "revoked_at": None,
        "downloads": 2,
        "uploads": 0,
        "uploaded_bytes": 0,
        "last_used_at": _CHANGED,
        "created_at": _MADE,
        "updated_at": _MADE,
    },
    "LinkToken": {"token": _LINK},
    "Login": _LOGIN,
    "LoginForm": _LOGIN | {"grant_type": "password"},
    "NewBucket": {"name": "pictures", "storage_quota": 10_000_000_000},
    "NewInvitation": {"email": "bob@example.com"},
    "NewLink": {"kind": "file", "file_id": _FILE, "password": "open sesame", "max_downloads": 10, "expires_at": _UNTIL},
    "NewPassword": {"token": _LINK, "new_password": _PASSWORD},
    "NewUser": {"username": "bob", "email": "bob@example.com", "password": _PASSWORD, "role": "user"},
    "OpenInvitation": {
        "id": _INVITATION,
        "email": "bob@example.com",
        "created_by": "alice",
        "created_at": _MADE,
        "expires_at": _UNTIL,
    },
    "RecoveryCodes": {"recovery_codes": ["k7m2-q9xd-4wvt", "p3hn-8rzc-6jyf"]},
    "RefreshToken": {"refresh_token": _REFRESH},
    "Register": {"username": "alice", "email": "alice@example.com", "password": _PASSWORD},
    "ServiceAccount": {
        "id": _OTHER,
        "username": "backup",
        "owner_id": _USER,
        "is_active": True,
        "policies": [{"name": "service", "document": _POLICY, "statements": [STATEMENT]}],
        "created_at": _MADE,
        "updated_at": _CHANGED,
    },
    "SessionModel": {
        "id": _SESSION,
        "address": "192.0.2.7",
        "user_agent": "Mozilla/5.0",
        "created_at": _MADE,
        "last_used_at": _CHANGED,
        "expires_at": _UNTIL,
        "is_current": True,
    },
    "ShareFile": {"username": "bob", "permission": "read", "expires_at": _UNTIL},
    "ShareBody": {"username": "bob", "permission": "read", "prefix": "2026/", "expires_at": _UNTIL},
    "State": {"enabled": True, "confirmed_at": _MADE, "recovery_codes": 9},
    "RestoreBucket": {"name": "pictures-again"},
    "Storage": {
        "objects": 1200,
        "versions": 1300,
        "delete_markers": 4,
        "bytes": 4_100_000_000,
        "parts": 3,
        "part_bytes": 24_000_000,
        "trash_files": 12,
        "trash_bytes": 310_000,
        "storage_quota": 10_000_000_000,
        "object_quota": None,
        "bytes_left": 5_876_000_000,
        "objects_left": None,
        "prefixes": [
            {"prefix": "2026/", "storage_quota": 5_000_000_000, "object_quota": None, "bytes": 900, "objects": 2}
        ],
        "details": {
            "measured_at": _CHANGED,
            "physical_bytes": 2_900_000_000,
            "exclusive_bytes": 2_100_000_000,
            "by_prefix": [{"name": "2026/", "files": 1100, "bytes": 4_000_000_000}],
            "by_type": [{"name": "image/jpeg", "files": 1100, "bytes": 4_000_000_000}],
        },
    },
    "TokenPair": {"access_token": _TOKEN, "refresh_token": _REFRESH, "token_type": "bearer", "expires_in": 900},
    "WaysIn": {"registration": "invite", "oidc": True},
    "UpdateBucket": {"storage_quota": 5_000_000_000, "versioning": "enabled", "cors": [_CORS]},
    "UpdateFile": {"filename": "1-small.jpg", "tags": {"project": "holidays"}, "metadata": {"camera": "x100"}},
    "UpdateLink": {"password": None, "max_downloads": 20},
    "UpdateUser": {"email": "alice@example.com"},
    "User": {
        "id": _USER,
        "username": "alice",
        "email": "alice@example.com",
        "email_verified": True,
        "is_active": True,
        "role": "user",
        "owner_id": None,
        "created_at": _MADE,
        "updated_at": _CHANGED,
    },
}

# Of what must be given; what may be left out is left out, as the pages send the examples that they show.
OF_MODELS |= {
    "FilesOfArchive": {"files": [_FILE]},
    "FilesStored": {"items": [_FILE_MODEL]},
    "ZipEntry": {
        "name": "2026/1.jpg",
        "size": 48213,
        "compressed_size": 47990,
        "modified_at": _MADE,
        "is_folder": False,
        "is_encrypted": False,
    },
    "TableHead": {"columns": [_COLUMN], "rows": [["1"], [None]], "column_count": 1, "row_count": 2},
    "WantedView": {"version_id": None},
    "WantedPreview": {"recipe": "256"},
    "PreviewUrl": {
        "url": "https://files.example.com/api/v1/preview?token=eyJhbGciOiJIUzI1NiIsImtpZCI6IjFmIn0.eyJvZiI6W119.c2ln",
        "expires_at": _UNTIL,
    },
    "Presign": {"operation": "put", "path": "2026/1.jpg", "expires_in": 900, "mime_type": "image/jpeg"}
    | {"endpoint": "https://s3.example.com"},
    "Presigned": {
        "expires_at": _UNTIL,
        "request": {
            "method": "PUT",
            "url": "https://s3.example.com/pictures/2026/1.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "headers": {"Content-Type": "image/jpeg"},
        },
        "upload_id": None,
        "parts": None,
        "complete": None,
        "abort": None,
    },
}
_DAMAGED = {
    "location": _LOCATION,
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size": 8_388_608,
    "state": "damaged",
    "fault": "changed",
    "detail": "the block at 65536 isn't what was stored",
    "is_kept": True,
    "found_at": _CHANGED,
    "healed_at": None,
    "named_at": _CHANGED,
    "needed_by": 1,
}
_NEEDING = {"kind": "version", "bucket": "pictures", "key": "2026/1.jpg", "version_id": "null"}
OF_MODELS |= {
    "DamagedChunk": _DAMAGED,
    "DamagedChunkDetails": _DAMAGED | {"names": [_NEEDING | {"upload_id": None, "part_number": None}]},
    "ScrubStatus": {
        "damaged": 1,
        "job": None,
        "last_run": {
            "began_at": _MADE,
            "ended_at": _CHANGED,
            "chunks": 120_000,
            "bytes": 900_000_000_000,
            "damaged": 1,
        },
        "next_run": _UNTIL,
    },
}
OF_MODELS |= {
    "Manifest": {"path": "manifest.csv", "etag": '"9b2cf535f27731c974343645a3985328"'},
    "CompletionReport": {"prefix": "reports/", "only_failed": True},
}
_NEW_REPORT = {"name": "usage", "formats": ["csv"], "destination": {"bucket_id": _BUCKET, "prefix": "reports/"}}
_CRON = {"cron": "0 6 * * MON", "time_zone": "Europe/Berlin"}
OF_MODELS |= {
    "NewReport": _NEW_REPORT,
    "SaveReport": _NEW_REPORT | _CRON,
    "Report": _NEW_REPORT
    | _CRON
    | {"id": _REPORT, "owner_id": _USER, "bucket_id": None, "everyone": False, "prefix": "", "by": ["bucket", "type"]}
    | {"is_enabled": True, "last_run": None, "next_run": _UNTIL, "created_at": _MADE, "updated_at": _CHANGED},
}
OF_MODELS |= OF_ADMINS
OF_PARAMETERS: dict[str, str] = {
    "access_key_id": _KEY_ID,
    "action": "s3:GetObject",
    "bucket_id": _BUCKET,
    "digest": _DIGEST,
    "file_id": _FILE,
    "event_id": "4711",
    "upload_id": _UPLOAD,
    "group_id": _GROUP,
    "job_id": _JOB,
    "kind": "warn_of_quotas",
    "link_id": _LINK_ID,
    "location": _LOCATION,
    "invitation_id": _INVITATION,
    "name": "pictures",
    "policy_name": "read-pictures",
    "key": "2026/1.jpg",
    "q": "holidays",
    "report_id": _REPORT,
    "session_id": _SESSION,
    "token": "eyJhbGciOiJIUzI1NiIsImtpZCI6IjFmIn0.eyJvZiI6W119.c2ln",
    "target_id": _TARGET,
    "user_id": _USER,
    "version_id": _VERSION,
}
