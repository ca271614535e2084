"""The rows of a report: a table with the same columns whatever they are about, so that spreadsheets and databases read
one file.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.reports.spec import By

REST = "(others)"  # what isn't told one by one: no prefix and no type is called so


class Row(NamedTuple):
    """`by` says what it is about. `user` is the owner of the bucket. `name` is the prefix ("" of what lies in no
    folder), the type, or the age; of duplicates the first key. `files` are current, `versions` and `bytes` count all
    versions. `duplicate_bytes` would be saved if each content were there once. `places` are those of a duplicate:
    bucket/key.
    """

    by: By
    user: str
    bucket: str = ""
    name: str = ""
    files: int = 0
    versions: int = 0
    current_bytes: int = 0
    bytes: int = 0
    duplicate_bytes: int = 0
    places: tuple[str, ...] = ()


TEXTS = ("by", "user", "bucket", "name")
NUMBERS = ("files", "versions", "current_bytes", "bytes", "duplicate_bytes")
assert (*TEXTS, *NUMBERS, "places") == Row._fields
