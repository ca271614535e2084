"""Which types of files a bucket takes, by what is in them and not by what they are called.

The first bytes tell the type. Some of their types say little: text, which is also CSV or JSON, XML, and zip, which is
also what office programs write; of these what is said counts, if it is of a kind that can be that. And what is said of
a file must be allowed too, as it is what browsers are told.
"""

from __future__ import annotations

from collections.abc import Sequence

from s3gw.metadata import allowed_types
from s3gw.operations.call import Call
from s3gw.operations.file_type import TEXT, UNKNOWN, type_of
from s3gw.problems import UnsupportedMediaType

_UNKNOWN = ("", UNKNOWN, "binary/octet-stream")
_TEXTS = frozenset(f"application/{kind}" for kind in ("json", "x-ndjson", "yaml", "toml", "sql", "x-sh"))
_ACTING = frozenset(("text/html", "text/javascript", "text/xml"))
_OF_OFFICES = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")


async def patterns_of(call: Call) -> list[str]:
    """As `image/png` or `image/*`; none where all types are allowed."""
    return await call.services.database.read(allowed_types.find, call.the_bucket.id)


def require_allowed(patterns: Sequence[str], said: str, first: bytes | None) -> None:
    """`said` is the Content-Type, of which "" is none; `first`: None where it is said anew of what is there. Raises
    UnsupportedMediaType.
    """
    for kind in (_essence(said),) if first is None else kinds_of(said, first):
        if patterns and not any(_matches(kind, pattern) for pattern in patterns):
            raise UnsupportedMediaType(f"the bucket takes no files of the type {kind}")


def kinds_of(said: str, first: bytes) -> tuple[str, ...]:
    """What has to be allowed of a file: what is in it, and what it is said to be."""
    found, told = _essence(type_of(first)), _essence(said)
    if told in _UNKNOWN:
        return (found,)
    return (told,) if _may_be(told, found) else (found, told)


def _may_be(told: str, found: str) -> bool:
    if found == _essence(TEXT):
        return (told.startswith("text/") and told not in _ACTING) or told in _TEXTS or told.endswith("+json")
    if found == "application/xml":
        return told.endswith("+xml")
    return found == "application/zip" and (told.endswith("+zip") or told.startswith(_OF_OFFICES))


def _matches(kind: str, pattern: str) -> bool:
    return kind == pattern or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def _essence(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()
