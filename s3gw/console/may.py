"""What the visitor may do, asked of the API before a page shows the forms for it: GET /access/explain about oneself.

A page that shows less is no refusal: what is sent is decided by the API all the same. What can't be asked is shown.
"""

from __future__ import annotations

from starlette.requests import Request

from s3gw.console.api_call import ApiRefusal, path_of
from s3gw.console.session import Visitor
from s3gw.console.visit import ask


async def may(request: Request, visitor: Visitor, bucket_id: str, key: str, *actions: str) -> frozenset[str]:
    """Those of the actions, such as s3:PutObject, that the visitor may do with this key from where he asks."""
    first, *others = actions
    query = {"bucket": bucket_id, "key": key, "user": visitor.claims.user_id, "action": first, "also": others}
    try:
        told = (await ask(request, visitor, "GET", path_of("access", "explain"), query=query)).json()
    except ApiRefusal as error:
        if error.status in (403, 404, 422):
            return frozenset(actions)
        raise
    return frozenset(name for name, is_allowed in ({first: told["allowed"]} | told["also"]).items() if is_allowed)
