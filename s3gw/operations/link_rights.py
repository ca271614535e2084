"""What a share link needs of who made it: the rights for the operations of S3's that do the same.

They are asked when the link is made, and again at each use, as if its maker asked: so no link outlives them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from s3gw.operations.call import Call, Input, Output
from s3gw.operations.files import HEAD_FILE
from s3gw.operations.table import OPERATIONS, Row


class Needed(NamedTuple):
    """A call that succeeds where the maker has the right."""

    operation: str
    input: Input
    row: Row


async def _nothing(call: Call, input: Any) -> Output:
    """Where there is no object, no rule of its own forbids anything."""
    for on in tuple(call.checks):
        call.check(on, None)
    return {}


_MAY_LIST = replace(OPERATIONS["ListObjectsV2"], handler=_nothing)
_MAY_PUT = Row(_nothing, OPERATIONS["PutObject"].needs)


def needed(kind: str, prefix: str, found: Input) -> Needed:
    """`found` is, of a file, where it is now."""
    if kind == "file":
        return Needed("HeadObject", found, HEAD_FILE)
    if kind == "folder":
        return Needed("ListObjectsV2", {"Prefix": prefix}, _MAY_LIST)
    return Needed("PutObject", {"Key": f"{prefix}file"}, _MAY_PUT)
