"""boto3 with its default integrity protections: objects, transfer manager, presigned URLs, forms, versions; bucket
policies, ACLs.
"""

from __future__ import annotations

import io
import json
import urllib.request
from functools import partial

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from session import BUCKET, MIB, SAMPLE_NAMES, policy_for_all, post_form, refused, same, sample, version

s3 = boto3.client("s3")
anybody = boto3.client("s3", config=Config(signature_version=UNSIGNED))


def main() -> None:
    version(boto3.__version__)
    s3.create_bucket(Bucket=BUCKET)
    assert BUCKET in [row["Name"] for row in s3.list_buckets()["Buckets"]]
    objects()
    listings()
    multipart()
    presigned()
    conditions()
    copies()
    versions()
    policies()
    acls()
    s3.delete_bucket(Bucket=BUCKET)
    refused(ClientError, lambda: s3.head_bucket(Bucket=BUCKET), "404")


def objects() -> None:
    for seed, (name, size) in enumerate(SAMPLE_NAMES.items()):
        content = sample(size, seed)
        # A seekable body is sent whole, a stream in signed chunks with a trailing checksum.
        body = content if seed % 2 else io.BytesIO(content)
        s3.put_object(Bucket=BUCKET, Key=name, Body=body, Metadata={"n": name.encode().hex()})
        answer = s3.get_object(Bucket=BUCKET, Key=name, ChecksumMode="ENABLED")
        same(answer["Body"].read(), content, name)
        same(answer["Metadata"], {"n": name.encode().hex()}, f"metadata of {name}")
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        put = s3.put_object(Bucket=BUCKET, Key="sum", Body=b"summed", ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
        same(head[f"Checksum{algorithm}"], put[f"Checksum{algorithm}"], algorithm)
    wrong = lambda: s3.put_object(Bucket=BUCKET, Key="bad", Body=b"x", ChecksumCRC32="AAAAAA==")  # noqa: E731
    refused(ClientError, wrong, "BadDigest")
    refused(ClientError, lambda: s3.get_object(Bucket=BUCKET, Key="bad"), "NoSuchKey")
    answer = s3.get_object(Bucket=BUCKET, Key="large.bin", Range="bytes=-100")
    same(answer["Body"].read(), sample(SAMPLE_NAMES["large.bin"], 6)[-100:], "suffix range")
    s3.put_object_tagging(Bucket=BUCKET, Key="sum", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    same(s3.get_object_tagging(Bucket=BUCKET, Key="sum")["TagSet"], [{"Key": "k", "Value": "v"}], "tags")
    s3.delete_object(Bucket=BUCKET, Key="sum")


def listings() -> None:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 2})
    keys = [row["Key"] for page in pages for row in page["Contents"]]
    same(keys, sorted(SAMPLE_NAMES, key=lambda name: name.encode()), "keys in byte order, two a page")
    answer = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    same([row["Prefix"] for row in answer["CommonPrefixes"]], ["deep/", "with space/", "ümlaut/"], "prefixes")
    keys = [{"Key": key} for key in keys]
    same(len(s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})["Deleted"]), len(SAMPLE_NAMES), "deleted")
    same(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0, "nothing left")


def multipart() -> None:
    content = sample(23 * MIB + 5, 77)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(content), BUCKET, "big", Config=config)
    assert s3.head_object(Bucket=BUCKET, Key="big")["ETag"].endswith('-3"')
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, "big", back, Config=config)
    same(back.getvalue(), content, "by the transfer manager")
    wanted = ["ObjectParts", "ObjectSize", "Checksum"]
    parts = s3.get_object_attributes(Bucket=BUCKET, Key="big", ObjectAttributes=wanted)
    same((parts["ObjectSize"], parts["ObjectParts"]["TotalPartsCount"]), (len(content), 3), "attributes")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="never")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="never", UploadId=upload, PartNumber=1, Body=b"x")
    same([row["Key"] for row in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]], ["never"], "uploads")
    s3.abort_multipart_upload(Bucket=BUCKET, Key="never", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def presigned() -> None:
    for signature in (None, "s3v4"):  # by default boto3 still presigns with SigV2 in us-east-1
        client = boto3.client("s3", config=Config(signature_version=signature)) if signature else s3
        where = {"Bucket": BUCKET, "Key": "pre signed/ü"}
        put = client.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
        request = urllib.request.Request(put, data=b"presigned", method="PUT", headers={"Content-Type": ""})
        with urllib.request.urlopen(request) as answer:
            same(answer.status, 200, "PUT")
        with urllib.request.urlopen(client.generate_presigned_url("get_object", Params=where)) as answer:
            same(answer.read(), b"presigned", "GET")
        form = client.generate_presigned_post(BUCKET, "pre signed/ü", Conditions=[["content-length-range", 1, 9]])
        same(post_form(form["url"], form["fields"], b"of a form"), 204, "POST")
        same(s3.get_object(Bucket=BUCKET, Key="pre signed/ü")["Body"].read(), b"of a form", "what the form stored")
        same(post_form(form["url"], form["fields"], b"longer than 9"), 400, "POST of too much")
    s3.delete_object(Bucket=BUCKET, Key="pre signed/ü")


def conditions() -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="once", Body=b"1", IfNoneMatch="*")["ETag"]
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'}):
        again = partial(s3.put_object, Bucket=BUCKET, Key="once", Body=b"2", **condition)
        refused(ClientError, again, "PreconditionFailed")
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"3", IfMatch=etag)
    refused(ClientError, lambda: s3.get_object(Bucket=BUCKET, Key="once", IfMatch=etag), "PreconditionFailed")
    same(s3.get_object(Bucket=BUCKET, Key="once")["Body"].read(), b"3", "conditional write")


def copies() -> None:
    changed = {"Metadata": {"a": "b"}, "MetadataDirective": "REPLACE"}
    s3.copy({"Bucket": BUCKET, "Key": "big"}, BUCKET, "copied", ExtraArgs=changed)
    head = s3.head_object(Bucket=BUCKET, Key="copied")
    same((head["ContentLength"], head["Metadata"]), (23 * MIB + 5, {"a": "b"}), "copy")
    small = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.copy({"Bucket": BUCKET, "Key": "big"}, BUCKET, "by part", Config=small)
    same(s3.get_object(Bucket=BUCKET, Key="by part")["Body"].read(), sample(23 * MIB + 5, 77), "copied by part")


def versions() -> None:
    bucket = boto3.resource("s3").Bucket(BUCKET)
    bucket.Versioning().enable()
    first = s3.put_object(Bucket=BUCKET, Key="v", Body=b"first")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="v", Body=b"second")
    s3.delete_object(Bucket=BUCKET, Key="v")
    refused(ClientError, lambda: s3.get_object(Bucket=BUCKET, Key="v"), "NoSuchKey")
    same(s3.get_object(Bucket=BUCKET, Key="v", VersionId=first)["Body"].read(), b"first", "by version")
    same(len(list(bucket.object_versions.filter(Prefix="v"))), 3, "two versions and a marker")
    bucket.object_versions.delete()


def policies() -> None:
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"a")
    put = partial(s3.put_bucket_policy, Bucket=BUCKET)
    text = policy_for_all("open/")
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))
    refused(ClientError, partial(put, Policy=text), "AccessDenied")
    s3.delete_public_access_block(Bucket=BUCKET)
    refused(ClientError, partial(put, Policy=text.replace("s3:GetObject", "s3:NoSuchAction")), "MalformedPolicy")
    put(Policy=text)
    same(json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]), json.loads(text), "policy")
    same(s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"], {"IsPublic": True}, "status")
    same(anybody.get_object(Bucket=BUCKET, Key="open/a")["Body"].read(), b"a", "anonymous GET")
    refused(ClientError, lambda: anybody.get_object(Bucket=BUCKET, Key="closed/a"), "AccessDenied")
    refused(ClientError, lambda: anybody.put_object(Bucket=BUCKET, Key="open/b", Body=b"b"), "AccessDenied")
    # Who may read is limited to an address, so this isn't public; an explicit deny binds the owner too.
    document = json.loads(text)
    document["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    keep = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/closed/*",
    }
    document["Statement"].append(keep)
    put(Policy=json.dumps(document))
    same(s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"], {"IsPublic": False}, "status")
    refused(ClientError, lambda: anybody.get_object(Bucket=BUCKET, Key="open/a"), "AccessDenied")
    refused(ClientError, lambda: s3.delete_object(Bucket=BUCKET, Key="closed/a"), "AccessDenied")
    s3.delete_bucket_policy(Bucket=BUCKET)
    refused(ClientError, lambda: s3.get_bucket_policy(Bucket=BUCKET), "NoSuchBucketPolicy")


def acls() -> None:
    def own(mode: str) -> None:
        s3.put_bucket_ownership_controls(Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": mode}]})

    bucket = boto3.resource("s3").Bucket(BUCKET)
    own("BucketOwnerEnforced")
    public = partial(s3.put_object_acl, Bucket=BUCKET, Key="closed/a", ACL="public-read")
    refused(ClientError, public, "AccessControlListNotSupported")
    own("ObjectWriter")
    public()
    grants = s3.get_object_acl(Bucket=BUCKET, Key="closed/a")["Grants"]
    same(sorted(row["Permission"] for row in grants), ["FULL_CONTROL", "READ"], "permissions")
    same(anybody.get_object(Bucket=BUCKET, Key="closed/a")["Body"].read(), b"a", "anonymous GET by the ACL")
    bucket.Acl().put(ACL="public-read")
    same(len(anybody.list_objects_v2(Bucket=BUCKET)["Contents"]), 2, "anonymous list by the bucket's ACL")
    bucket.object_versions.delete()


main()
