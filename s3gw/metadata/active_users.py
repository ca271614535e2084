"""Which users are active: neither disabled nor deleted, nor in the account of somebody disabled.

Who owns an account answers for all its users. Disabling the owner stops them too, so that nobody goes on with a service
account that he made before.
"""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from s3gw.metadata.schema import users

_owners = users.alias("account_owners")
_active_owners = select(_owners.c.id).where(_owners.c.is_enabled == 1)
IS_ACTIVE = and_(
    users.c.is_enabled == 1,
    users.c.deleted_at.is_(None),
    or_(users.c.account_owner_id.is_(None), users.c.account_owner_id.in_(_active_owners)),
)
