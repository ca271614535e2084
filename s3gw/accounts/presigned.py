"""URLs of S3 that are signed for who is logged in, each by a hidden access key that may do what the URL does alone.

A key never may more than its user, so the URL is refused as soon as the user may not do it any more; and it ends with
the session.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import NamedTuple

from s3gw.access.templates import plain
from s3gw.accounts.login import Caller
from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.auth.presign import Signer
from s3gw.metadata import audit, hidden_keys
from s3gw.metadata.database import Connection
from s3gw.metadata.hidden_keys import HiddenKey
from s3gw.services import Services

LONGEST = 12 * 3600  # seconds


class Narrowed(NamedTuple):
    """What the key may do: IAM's actions on one object."""

    actions: Sequence[str]
    bucket: str
    key: str

    def policy(self) -> str:
        """What looks like a wildcard or variable in a name is itself."""
        name = plain(self.key)
        statement = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": f"arn:aws:s3:::{self.bucket}/{name}",
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, ensure_ascii=False)


async def signer_for(services: Services, caller: Caller, narrowed: Narrowed, lifetime: int) -> Signer:
    """Raises NotAuthenticated and Conflict."""
    at = int(time.time())
    secret = new_secret_access_key()
    expires_at = (at + lifetime) * 1_000_000
    user_id = caller.principal.user_id
    key = HiddenKey(new_access_key_id(), user_id, caller.session_id, narrowed.policy(), expires_at)
    await services.database.write(_create, services.credentials, caller, narrowed, key, secret)
    return Signer(key.access_key_id, secret, services.settings.region, at, lifetime)


def _create(
    conn: Connection, credentials: Credentials, caller: Caller, narrowed: Narrowed, key: HiddenKey, secret: str
) -> None:
    hidden_keys.create(conn, key, credentials.seal_in(conn, key.access_key_id, secret))
    after = {"actions": list(narrowed.actions), "access_key_id": key.access_key_id, "expires_at": key.expires_at}
    audit.record(conn, caller.actor, "object.presign", "object", f"{narrowed.bucket}/{narrowed.key}", None, after)
