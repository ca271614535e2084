"""What a report is to count, and where it is written: as somebody asks for it, and as it is kept."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, get_args

By = Literal["user", "bucket", "prefix", "type", "age", "duplicates"]
Format = Literal["csv", "json", "parquet"]
BY: tuple[By, ...] = get_args(By)
FORMATS: tuple[Format, ...] = get_args(Format)
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # of a report: it becomes a part of keys
_is_name = re.compile(NAME).fullmatch


def is_name(text: str) -> bool:
    return _is_name(text) is not None


class Spec(NamedTuple):
    """`bucket_id` is the bucket that it is about; None: all of its owner's, or those of all where it `is_of_all`.
    `prefix` is what the keys begin with. `to_prefix` is what the key of the result begins with. Ids are UUIDs.
    """

    bucket_id: str | None
    is_of_all: bool
    prefix: str
    by: tuple[By, ...]
    formats: tuple[Format, ...]
    to_bucket_id: str
    to_prefix: str

    def dumped(self) -> dict[str, Any]:
        return self._asdict()

    @classmethod
    def loaded(cls, document: Any) -> Spec:
        return cls(**{**document, "by": tuple(document["by"]), "formats": tuple(document["formats"])})
