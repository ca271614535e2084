"""Whether a bucket's policy is public: GetBucketPolicyStatus, BlockPublicPolicy and RestrictPublicBuckets ask.

Amazon S3 User Guide, "The meaning of public": a policy is, unless each Allow is limited to named principals or to fixed
values, without wildcards or variables, of certain condition keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from s3gw.access.operators import read_network
from s3gw.access.policy import Condition, Policy, Statement

# "values broader than /8 for IPv4 and /32 for IPv6"
_BROADEST = {4: 8, 6: 32}
_FIXED_ACCOUNT = re.compile(r"arn:aws[a-z-]*:s3:[^:]*:[0-9]{12}:accesspoint/.*", re.ASCII | re.DOTALL)


def _is_fixed(value: str) -> bool:
    return not ("*" in value or "?" in value or "${" in value)


def _is_narrow(value: str) -> bool:
    network = read_network(value)
    return network is not None and network.prefix_length >= _BROADEST[network.version]


def _has_fixed_account(value: str) -> bool:
    return _is_fixed(value) or _FIXED_ACCOUNT.fullmatch(value) is not None


_LIMITING: dict[str, Callable[[str], bool]] = {
    "aws:SourceIp": _is_narrow,
    "aws:PrincipalOrgID": _is_fixed,
    "aws:PrincipalOrgPaths": _is_fixed,
    "aws:PrincipalArn": _is_fixed,
    "aws:PrincipalAccount": _is_fixed,
    "aws:SourceArn": _is_fixed,
    "aws:SourceVpc": _is_fixed,
    "aws:SourceVpce": _is_fixed,
    "aws:SourceOwner": _is_fixed,
    "aws:SourceAccount": _is_fixed,
    "aws:userid": _is_fixed,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": _is_fixed,
    "s3:DataAccessPointArn": _has_fixed_account,
    "s3:DataAccessPointAccount": _is_fixed,
}
_NAMING = frozenset(("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"))


def is_public(policy: Policy) -> bool:
    return any(is_public_statement(statement) for statement in policy.statements)


def is_public_statement(statement: Statement) -> bool:
    principals = statement.principals
    if statement.effect == "Deny" or principals is None or not (principals.everybody or principals.has_federated):
        return False
    return not any(map(_limits, (*statement.conditions, *statement.unknowable)))


def _limits(condition: Condition) -> bool:
    """Only where an absent key doesn't fulfil it."""
    is_fixed = _LIMITING.get(condition.key.name)
    operator = condition.operator
    names = ("IpAddress",) if condition.key.name == "aws:SourceIp" else _NAMING
    if is_fixed is None or operator.name not in names or operator.if_exists or operator.quantifier == "ForAllValues":
        return False
    return all(map(is_fixed, condition.written))
