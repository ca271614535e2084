"""Who makes a request: a user known by an access key, or nobody. What they may do is decided in access/."""

from __future__ import annotations

from typing import NamedTuple


class Principal(NamedTuple):
    """`canonical_id` is S3's `Owner.ID` (64 hex digits), `account_id` has 12 digits; roles: user, auditor, admin."""

    user_id: str
    canonical_id: str
    account_id: str
    name: str
    role: str
    access_key_id: str

    @property
    def is_anonymous(self) -> bool:
        return not self.user_id


ANONYMOUS = Principal("", "", "", "anonymous", "anonymous", "")
