"""PutBucketCors, GetBucketCors, DeleteBucketCors: which rules a bucket may have. What they do to requests: s3/cors.py.

Limits: API Reference, PutBucketCors and CORSRule. Messages are those of S3's servers where they are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from s3gw.errors import InvalidRequest, MalformedXML, NoSuchCORSConfiguration
from s3gw.metadata import configurations
from s3gw.metadata.cors import KIND
from s3gw.operations.call import Call, Output

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        CORSRuleUnionTypeDef,
        DeleteBucketCorsRequestTypeDef,
        GetBucketCorsRequestTypeDef,
        PutBucketCorsRequestTypeDef,
    )

METHODS = frozenset(("GET", "PUT", "HEAD", "POST", "DELETE"))
_MOST_RULES = 100
_LONGEST_ID = 255


async def put_bucket_cors(call: Call, input: PutBucketCorsRequestTypeDef) -> Output:
    configuration = input["CORSConfiguration"]
    check_rules(configuration["CORSRules"])
    await call.change([call.bucket_lock], configurations.put, KIND, configuration)
    return {}


def check_rules(rules: Sequence[CORSRuleUnionTypeDef]) -> None:
    """Raises what is wrong with them."""
    if len(rules) > _MOST_RULES:
        raise InvalidRequest(f"The number of CORS rules should not exceed allowed limit of {_MOST_RULES} rules.")
    for rule in rules:
        _check(rule)


def _check(rule: CORSRuleUnionTypeDef) -> None:
    """Origins and exposed headers are kept as they were written: AWS checks no more of them than this."""
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    _check_wildcards("AllowedOrigin", rule["AllowedOrigins"])
    _check_wildcards("AllowedHeader", rule.get("AllowedHeaders", ()))
    for name in rule.get("ExposeHeaders", ()):
        if "*" in name:
            raise InvalidRequest(
                f'ExposeHeader "{name}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
            )
    if len(rule.get("ID", "")) > _LONGEST_ID:
        raise InvalidRequest(f"ID length should not exceed allowed limit of {_LONGEST_ID}")
    if rule.get("MaxAgeSeconds", 0) < 0:
        raise MalformedXML()


def _check_wildcards(element: str, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if pattern.count("*") > 1:
            raise InvalidRequest(f'{element} "{pattern}" can not have more than one wildcard.')


async def get_bucket_cors(call: Call, input: GetBucketCorsRequestTypeDef) -> Output:
    configuration = await call.services.database.read(configurations.find, call.the_bucket.id, KIND)
    if configuration is None:
        raise NoSuchCORSConfiguration(BucketName=call.the_bucket.name)
    return {"CORSRules": configuration["CORSRules"]}


async def delete_bucket_cors(call: Call, input: DeleteBucketCorsRequestTypeDef) -> Output:
    await call.change([call.bucket_lock], configurations.remove, KIND)
    return {}
