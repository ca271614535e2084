"""Who makes a request: a user known by an access key, or nobody. What they may do is decided in access/."""

from __future__ import annotations

from typing import NamedTuple


class Principal(NamedTuple):
    """`canonical_id` is S3's `Owner.ID` (64 hex digits), `account_id` has 12 digits; roles: user, auditor, admin.

    Both are those of the account that the user is in, which belongs to the user `account_owner_id`: to the user itself
    or to another. The revisions are those of the rules about the user and about its key (metadata/access_rules.py).
    """

    user_id: str
    canonical_id: str
    account_id: str
    name: str
    role: str
    access_key_id: str
    account_owner_id: str
    rules_revision: str = ""
    key_rules_revision: str = ""

    @property
    def is_anonymous(self) -> bool:
        return not self.user_id

    @property
    def is_root(self) -> bool:
        """Of its account: what belongs to the account belongs to it."""
        return self.account_owner_id == self.user_id

    @property
    def sees_all(self) -> bool:
        """Whosever it is, though admins alone may change it."""
        return self.role in ("admin", "auditor")

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:" + ("root" if self.is_root else f"user/{self.name}")


ANONYMOUS = Principal("", "", "", "anonymous", "anonymous", "", "")
