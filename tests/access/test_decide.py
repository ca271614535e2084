"""Who may do what, and the rule that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3gw.access.acl import ALL_USERS, Grant
from s3gw.access.decide import Decision, Question, Resource, decide
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.policy import Policy
from s3gw.access.public_access_block import EVERYTHING_BLOCKED, PublicAccessBlock
from s3gw.access.rules import BucketRules, IdentityRules
from s3gw.auth.principal import ANONYMOUS, Principal
from tests.access.policies import document, of_identity, statement

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


EDITOR = Principal("3", "c", "123", "editor", "user", "AKIA", "1")
READS = replace(parse_identity_policy(document(of_identity(Sid="Read"))), title="policy 'r' of group 'staff'")
FORBIDS = replace(
    parse_identity_policy(document(of_identity("Deny", Sid="NoTemp"))), title="policy 'f' of user 'editor'"
)
NOTHING = parse_identity_policy(document(of_identity(Action="s3:PutObject")))
PUBLIC = parse_bucket_policy(document(statement(Sid="Every\x1b[2Jbody")), "pictures")


@pytest.mark.parametrize(
    ("identity", "rules", "decision"),
    [
        ((READS,), None, Decision(True, "allowed by statement 'Read' of policy 'r' of group 'staff'")),
        ((READS, FORBIDS), None, Decision(False, "denied by statement 'NoTemp' of policy 'f' of user 'editor'", True)),
        ((), PUBLIC, Decision(True, r"allowed by statement 'Every\x1b[2Jbody' of the bucket policy")),
    ],
)
def test_a_policy_is_named_with_its_holder(
    identity: tuple[Policy, ...], rules: Policy | None, decision: Decision
) -> None:
    resource = Resource("pictures", "1", "cat.jpg", BucketRules(rules, has_acls=False))
    asked = Question(EDITOR, "s3:GetObject", resource, lambda name: (), IdentityRules(identity))
    assert decide(asked) == decision


@pytest.mark.parametrize(
    ("of_key", "reason"),
    [
        (NOTHING, "no policy of the access key allows it"),
        (FORBIDS, "denied by statement 'NoTemp' of policy 'f' of user 'editor'"),
    ],
)
def test_what_a_key_is_too_narrow_for_is_told(of_key: Policy, reason: str) -> None:
    asked = Question(USER, "s3:GetObject", HERS, lambda name: (), IdentityRules(key=(of_key,)))
    assert decide(asked) == Decision(False, reason, True)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (
            BucketRules(PUBLIC, True, public_access_block=PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS),
            r"allowed by statement 'Every\x1b[2Jbody' of the bucket policy, but the bucket's public access block"
            " (RestrictPublicBuckets) lets a public policy allow nothing to other accounts",
        ),
        (
            BucketRules(
                acl=(Grant(ALL_USERS, "READ"),),
                public_access_block=EVERYTHING_BLOCKED,
                of_account=PublicAccessBlock.IGNORE_PUBLIC_ACLS,
            ),
            f"the ACL grants READ to {ALL_USERS},"
            " but the account's public access block (IgnorePublicAcls) ignores that",
        ),
        (BucketRules(acl=(Grant(ALL_USERS, "WRITE"),), public_access_block=EVERYTHING_BLOCKED), "no rule allows it"),
        (BucketRules(acl=(Grant(ALL_USERS, "READ"),)), f"the ACL grants READ to {ALL_USERS}"),
    ],
)
def test_what_a_public_access_block_takes_away_is_told(rules: BucketRules, reason: str) -> None:
    action = "s3:ListBucket" if rules.policy is None else "s3:GetObject"
    resource = Resource("pictures", "1", None if rules.policy is None else "cat.jpg", rules, stored=lambda: None)
    decision = decide(Question(ANONYMOUS, action, resource, lambda name: ()))
    assert decision.reason == reason
    assert decision.is_allowed == ("block" not in reason and "no rule" not in reason)


def test_the_statements_that_a_key_is_wide_enough_by_are_told() -> None:
    resource = HERS._replace(rules=BucketRules(has_acls=False))
    asked = Question(USER, "s3:GetObject", resource, lambda name: (), IdentityRules(key=(READS,), session=(READS,)))
    within = "statement 'Read' of policy 'r' of group 'staff'"
    assert decide(asked) == Decision(True, f"the bucket is the user's own, within {within} and {within}")
    others = asked._replace(resource=resource._replace(owner_id="9"))
    assert decide(others) == Decision(False, "no rule allows it")
