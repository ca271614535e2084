"""Who may do what, and the rule that says so."""

from __future__ import annotations

import pytest

from s3gw.access.decide import Decision, Question, Resource, decide
from s3gw.auth.principal import ANONYMOUS, Principal

USER = Principal("1", "c", "123", "alice", "user", "AKIA", "1")
ADMIN = USER._replace(user_id="2", account_owner_id="2", name="root", role="admin")
HERS, OTHERS = Resource("pictures", "1", "cat.jpg"), Resource("books", "9")


@pytest.mark.parametrize(
    ("principal", "action", "resource", "decision"),
    [
        (ANONYMOUS, "s3:DeleteObject", Resource("b", ""), Decision(False, "no rule allows it")),
        (ANONYMOUS, "s3:ListAllMyBuckets", Resource(), Decision(False, "nothing is allowed to everybody")),
        (ADMIN, "s3:DeleteBucket", OTHERS, Decision(True, "an admin may do everything")),
        (USER, "s3:CreateBucket", Resource(), Decision(True, "the account's root may list and create its buckets")),
        (USER, "s3:Other", OTHERS, Decision(False, "no rule allows it")),
        (USER, "s3:DeleteObject", HERS, Decision(True, "the bucket is the user's own")),
        (USER, "s3:ListAllMyBuckets", OTHERS, Decision(False, "no rule allows it")),
    ],
)
def test_each_decision_names_its_rule(
    principal: Principal, action: str, resource: Resource, decision: Decision
) -> None:
    assert decide(Question(principal, action, resource, lambda name: ())) == decision
