"""What is entered into other programs so that they find this server."""

from __future__ import annotations

from typing import NamedTuple


class Program(NamedTuple):
    id: str
    name: str
    text: str


def programs(endpoint: str, host: str, region: str, key_id: str, secret: str) -> list[Program]:
    is_secure = endpoint.startswith("https:")
    # AWS's command line reads AWS_ENDPOINT_URL_S3 since 2.13; Debian 12 has 2.9, which would ask Amazon.
    aws = f"""export AWS_ACCESS_KEY_ID={key_id}
export AWS_SECRET_ACCESS_KEY={secret}
export AWS_DEFAULT_REGION={region}
aws --endpoint-url {endpoint} s3 ls"""
    boto3 = f"""import boto3

s3 = boto3.client(
    "s3",
    endpoint_url="{endpoint}",
    region_name="{region}",
    aws_access_key_id="{key_id}",
    aws_secret_access_key="{secret}",
)
print(s3.list_buckets()["Buckets"])"""
    rclone = f"""[s3gw]
type = s3
provider = Other
endpoint = {endpoint}
region = {region}
access_key_id = {key_id}
secret_access_key = {secret}
force_path_style = true"""
    s3fs = f"""(umask 077; echo {key_id}:{secret} > ~/.passwd-s3gw)
mkdir -p ~/BUCKET
s3fs BUCKET ~/BUCKET -o passwd_file=$HOME/.passwd-s3gw \\
  -o url={endpoint} -o use_path_request_style -o endpoint={region}"""
    duckdb = f"""INSTALL httpfs; LOAD httpfs;
CREATE SECRET s3gw (
    TYPE s3, KEY_ID '{key_id}', SECRET '{secret}', REGION '{region}',
    ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {str(is_secure).lower()}
);
SELECT * FROM read_parquet('s3://BUCKET/FILE.parquet');"""
    return [
        Program("aws", "AWS CLI", aws),
        Program("boto3", "boto3 (Python)", boto3),
        Program("rclone", "rclone (rclone.conf)", rclone),
        Program("s3fs", "s3fs", s3fs),
        Program("duckdb", "DuckDB", duckdb),
    ]
