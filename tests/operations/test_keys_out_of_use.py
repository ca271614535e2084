"""Keys that were disabled or have expired, and those of disabled users: an admin's own may do nothing any more."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3gw.operations.table import OPERATIONS
from s3gw.wire.model import operations
from tests.gateways import client_of
from tests.operations.test_unused import ask
from tests.servers import RunningServer

# How a key goes out of use, the command's words in front of its id or its user's name; and what AWS answers then.
_WAYS = {
    "disabled": (("key", "disable"), "InvalidAccessKeyId"),
    "expired": (("key", "update", "--expires", "2020-01-01"), "InvalidAccessKeyId"),
    "of a disabled user": (("user", "disable"), "AccountProblem"),
}
_WITHOUT_BODY = {"HeadBucket", "HeadObject"}  # nor a code therefore
_OF_OTHER_SERVICES = {"ListDirectoryBuckets", "WriteGetObjectResponse"}  # boto3 signs them for these


@pytest.mark.parametrize("way", _WAYS)
def test_a_key_out_of_use_may_do_nothing_in_a_public_bucket_either(
    server: RunningServer, s3: Any, bucket: str, way: str
) -> None:
    command, code = _WAYS[way]
    name = f"admin-{'-'.join(command[:2])}-{way.split()[0]}"
    server.command("user", "create", name, "--role", "admin")
    key = server.command("key", "create", name)
    client = client_of(server, (key["access_key_id"], key["secret_access_key"]), inject_host_prefix=False)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    server.command(*command, name if command[0] == "user" else key["access_key_id"])
    asked = (OPERATIONS.keys() & operations().keys()) - _OF_OTHER_SERVICES
    outcomes = {operation: _code_of(client, operation, bucket) for operation in sorted(asked)}
    assert len(outcomes) > 100
    expected = {operation: "403" if operation in _WITHOUT_BODY else code for operation in outcomes}
    assert outcomes == expected
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


def _code_of(client: Any, operation: str, bucket: str) -> str:
    try:
        ask(client, operation, bucket)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"
