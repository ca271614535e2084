"""Of which changes of objects somebody may know: of those whose key he may list, and whose object he may read.

Each is asked for as ListObjectsV2 with the key for its prefix, and as GetObject of what is there by now. Where nothing
is there, what rules say of an object's own (its ACL, its tags) can't be asked for, and who may list the key is told.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from s3gw.errors import AccessDenied
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.authorize import may_be_told
from s3gw.operations.call import Call, Output
from s3gw.operations.files import READ_EACH
from s3gw.operations.table import Row

_TURN = 0.005  # seconds; then other requests have theirs


async def know_each(call: Call, input: Any) -> Output:
    """Of `Changes`, each a key and its current version or None, whether it may be told."""
    allowed: list[bool] = []
    began_at = time.perf_counter()
    for key, version in input["Changes"]:
        allowed.append(_may_list(call, key) and _may_read(call, key, version))
        if time.perf_counter() - began_at > _TURN:
            await asyncio.sleep(0)
            began_at = time.perf_counter()
    return {"Allowed": allowed}


def _may_list(call: Call, key: str) -> bool:
    return may_be_told(replace(call, input={**call.input, "Key": key}))


def _may_read(call: Call, key: str, version: ObjectVersion | None) -> bool:
    assert call.may is not None, "the row has needs on keys"
    try:
        call.may(key, {})(version)
    except AccessDenied:
        return False
    return True


KNOW_EACH = Row(know_each, READ_EACH.needs)
