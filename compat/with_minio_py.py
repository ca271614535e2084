"""minio-py: objects, multipart from a stream, presigned URLs, forms, bucket policy, composed objects, bulk removal."""

from __future__ import annotations

import io
import json
import urllib.request
from datetime import UTC, datetime, timedelta

import minio
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from session import (
    ACCESS_KEY,
    BUCKET,
    HOST,
    MIB,
    REGION,
    SAMPLE_NAMES,
    SECRET_KEY,
    WORK,
    curl,
    policy_for_all,
    post_form,
    read_folder,
    refused,
    same,
    sample,
    sample_folder,
    version,
)

client = minio.Minio(HOST, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, region=REGION)


def main() -> None:
    version(minio.__version__)
    client.make_bucket(BUCKET)
    assert client.bucket_exists(BUCKET)
    assert BUCKET in [bucket.name for bucket in client.list_buckets()]
    files = sample_folder(WORK / "source")
    for name in files:
        client.fput_object(BUCKET, name, str(WORK / "source" / name), metadata={"origin": "folder"}, part_size=5 * MIB)
    for name in files:
        client.fget_object(BUCKET, name, str(WORK / "copy" / name))
    same(read_folder(WORK / "copy"), files, "got back")
    same(client.stat_object(BUCKET, "readme.txt").metadata["x-amz-meta-origin"], "folder", "metadata")
    same({row.object_name for row in client.list_objects(BUCKET, recursive=True)}, set(SAMPLE_NAMES), "list")
    assert "deep/" in [row.object_name for row in client.list_objects(BUCKET)]
    part = client.get_object(BUCKET, "large.bin", offset=5 * MIB, length=1000)
    same(part.read(), files["large.bin"][5 * MIB : 5 * MIB + 1000], "range")
    part.release_conn()
    streams_and_copies(files)
    forms()
    policies()
    tags = Tags.new_object_tags()
    tags["a"] = "b"
    client.set_object_tags(BUCKET, "readme.txt", tags)
    same(dict(client.get_object_tags(BUCKET, "readme.txt")), {"a": "b"}, "tags")
    names = [DeleteObject(row.object_name) for row in client.list_objects(BUCKET, recursive=True)]
    same(list(client.remove_objects(BUCKET, names)), [], "errors of removal")
    client.remove_bucket(BUCKET)
    assert not client.bucket_exists(BUCKET)


def forms() -> None:
    policy = PostPolicy(BUCKET, datetime.now(UTC) + timedelta(minutes=1))
    policy.add_starts_with_condition("key", "form/")
    policy.add_equals_condition("Content-Type", "text/plain")
    policy.add_content_length_range_condition(1, 9)
    fields = {**client.presigned_post_policy(policy), "key": "form/ü", "Content-Type": "text/plain"}
    same(post_form(f"http://{HOST}/{BUCKET}", fields, b"of a form"), 204, "POST")
    same(client.get_object(BUCKET, "form/ü").read(), b"of a form", "what the form stored")
    same(post_form(f"http://{HOST}/{BUCKET}", {**fields, "key": "other"}, b"of a form"), 403, "POST of another key")


def policies() -> None:
    nobody = minio.Minio(HOST, secure=False, region=REGION)
    text = policy_for_all("form/")
    refused(minio.S3Error, lambda: client.get_bucket_policy(BUCKET), "NoSuchBucketPolicy")
    curl("DELETE", f"/{BUCKET}", query="publicAccessBlock=")  # for which minio-py has no call
    refused(minio.S3Error, lambda: client.set_bucket_policy(BUCKET, text.replace("Allow", "allow")), "MalformedPolicy")
    client.set_bucket_policy(BUCKET, text)
    same(json.loads(client.get_bucket_policy(BUCKET)), json.loads(text), "policy")
    same(nobody.get_object(BUCKET, "form/ü").read(), b"of a form", "anonymous GET")
    refused(minio.S3Error, lambda: nobody.get_object(BUCKET, "readme.txt"), "AccessDenied")
    refused(minio.S3Error, lambda: nobody.put_object(BUCKET, "form/x", io.BytesIO(b"x"), 1), "AccessDenied")
    client.delete_bucket_policy(BUCKET)
    refused(minio.S3Error, lambda: nobody.get_object(BUCKET, "form/ü"), "AccessDenied")


def streams_and_copies(files: dict[str, bytes]) -> None:
    content = sample(11 * MIB, 5)
    client.put_object(BUCKET, "stream", io.BytesIO(content), -1, part_size=5 * MIB)  # length unknown: multipart
    same(client.get_object(BUCKET, "stream").read(), content, "stream")
    client.copy_object(BUCKET, "copied", CopySource(BUCKET, "ümlaut/日本語.bin"))
    same(client.get_object(BUCKET, "copied").read(), files["ümlaut/日本語.bin"], "copy")
    client.compose_object(BUCKET, "composed", [ComposeSource(BUCKET, "stream"), ComposeSource(BUCKET, "readme.txt")])
    same(client.get_object(BUCKET, "composed").read(), content + files["readme.txt"], "composed of two")
    url = client.presigned_put_object(BUCKET, "pre signed", expires=timedelta(minutes=1))
    urllib.request.urlopen(urllib.request.Request(url, data=b"presigned", method="PUT")).close()
    with urllib.request.urlopen(client.presigned_get_object(BUCKET, "pre signed")) as answer:
        same(answer.read(), b"presigned", "presigned")
    client.remove_object(BUCKET, "pre signed")
    refused(minio.S3Error, lambda: client.stat_object(BUCKET, "pre signed"), "NoSuchKey")


main()
