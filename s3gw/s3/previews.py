"""`GET /bucket/key?x-s3gw-preview=256`: a preview of the object, for who may get the object. AWS has no such thing.

Only SigV4 signs all of a query: SigV2's signature would be good for any recipe. Unsigned nobody is given one.
"""

from __future__ import annotations

from s3gw.auth import sigv4
from s3gw.errors import AccessDenied, InvalidArgument
from s3gw.operations.call import Call
from s3gw.operations.previews import GET_PREVIEW, HEAD_PREVIEW
from s3gw.operations.table import Row
from s3gw.previews.recipes import RECIPES
from s3gw.wire.request import Request

ARGUMENT = "x-s3gw-preview"
_ROWS = {"GetObject": GET_PREVIEW, "HeadObject": HEAD_PREVIEW}


def row_of(call: Call, request: Request, row: Row) -> Row:
    """Of a request with the argument; another's is what it was. Raises AccessDenied."""
    found = _ROWS.get(call.operation)
    if found is None:
        return row
    if call.context.signature_version != sigv4.ALGORITHM:
        raise AccessDenied("A preview is asked for with Signature Version 4.")
    recipe = request.arguments[ARGUMENT]
    if recipe not in RECIPES and call.problem is None:
        allowed = ", ".join(RECIPES)
        call.problem = InvalidArgument(f"{ARGUMENT} is one of {allowed}", ArgumentName=ARGUMENT, ArgumentValue=recipe)
    call.input["Recipe"] = recipe
    return found
