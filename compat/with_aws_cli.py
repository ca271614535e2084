"""The AWS command line: sync both ways, cp, mv, rm, ls, presign, and s3api for what lies below."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

from session import BUCKET, WORK, fails, read_folder, run, same, sample, sample_folder, version

AWS = Path(sys.executable).with_name("aws")


def aws(*words: str | Path) -> str:
    return run(AWS, *words)


def s3api(*words: str | Path) -> dict:
    output = aws("s3api", *words)
    return json.loads(output) if output.strip() else {}


def main() -> None:
    version(aws("--version").split()[0].removeprefix("aws-cli/"))
    url, source, copy = f"s3://{BUCKET}", WORK / "source", WORK / "copy"
    aws("s3", "mb", url)
    assert BUCKET in aws("s3", "ls")
    files = sample_folder(source)

    aws("s3", "sync", source, f"{url}/backup", "--only-show-errors")
    aws("s3", "sync", f"{url}/backup", copy, "--only-show-errors")
    same(read_folder(copy), files, "synced back")
    same(aws("s3", "sync", source, f"{url}/backup"), "", "a second sync has nothing to do")

    (source / "readme.txt").unlink()
    aws("s3", "sync", source, f"{url}/backup", "--delete", "--only-show-errors")
    listed = {item["Key"] for item in s3api("list-objects-v2", "--bucket", BUCKET)["Contents"]}
    same(listed, {f"backup/{name}" for name in files if name != "readme.txt"}, "sync --delete")
    assert "PRE deep/" in aws("s3", "ls", f"{url}/backup/")

    aws("s3", "cp", f"{url}/backup/large.bin", f"{url}/copied.bin", "--only-show-errors")
    aws("s3", "mv", f"{url}/copied.bin", f"{url}/moved.bin", "--only-show-errors")
    aws("s3", "cp", f"{url}/moved.bin", WORK / "moved.bin", "--only-show-errors")
    same((WORK / "moved.bin").read_bytes(), files["large.bin"], "copied on the server, then moved")
    fails(AWS, "s3api", "head-object", "--bucket", BUCKET, "--key", "copied.bin")

    with urllib.request.urlopen(aws("s3", "presign", f"{url}/moved.bin").strip()) as response:
        same(response.read(), files["large.bin"], "presigned")

    objects_by_api(sample(100_000, 3))
    if os.environ.get("COMPAT_API"):
        notifications()
    aws("s3", "rm", url, "--recursive", "--only-show-errors")
    same(aws("s3", "ls", url), "", "emptied")
    aws("s3", "rb", url)
    fails(AWS, "s3api", "head-bucket", "--bucket", BUCKET)


def objects_by_api(content: bytes) -> None:
    path = WORK / "api.bin"
    path.write_bytes(content)
    where = ("--bucket", BUCKET, "--key", "api/ö bject")
    s3api("put-object", *where, "--body", path, "--metadata", "colour=blue", "--content-type", "x/y")
    head = s3api("head-object", *where)
    same((head["ContentLength"], head["Metadata"], head["ContentType"]), (100_000, {"colour": "blue"}, "x/y"), "head")
    s3api("get-object", *where, "--range", "bytes=10-19", WORK / "range.bin")
    same((WORK / "range.bin").read_bytes(), content[10:20], "range")
    s3api("put-object-tagging", *where, "--tagging", "TagSet=[{Key=a,Value=b c}]")
    same(s3api("get-object-tagging", *where)["TagSet"], [{"Key": "a", "Value": "b c"}], "tags")
    s3api("put-bucket-versioning", "--bucket", BUCKET, "--versioning-configuration", "Status=Enabled")
    s3api("delete-object", *where)
    fails(AWS, "s3api", "head-object", *where)
    versions = s3api("list-object-versions", "--bucket", BUCKET, "--prefix", "api/")
    same((len(versions["Versions"]), len(versions["DeleteMarkers"])), (1, 1), "versions")
    for row in versions["Versions"] + versions["DeleteMarkers"]:
        s3api("delete-object", *where, "--version-id", row["VersionId"])
    s3api("put-bucket-versioning", "--bucket", BUCKET, "--versioning-configuration", "Status=Suspended")
    clear_versions()


def notifications() -> None:
    """A configuration is read back as it was put, when there is whom to tell."""
    token = api("users/login", {"username": os.environ["COMPAT_USER"], "password": os.environ["COMPAT_PASSWORD"]})
    named = {"name": BUCKET, "url": "https://example.com/"}
    queue = api("event-targets", named, token["access_token"])["arn"]
    rules = [{"Name": "Prefix", "Value": "a&b/ü"}, {"Name": "Suffix", "Value": ".jpg"}]
    given = {
        "TopicConfigurations": [
            {"Id": "t", "TopicArn": queue.replace(":sqs:", ":sns:"), "Events": ["s3:ObjectTagging:*"]}
        ],
        "QueueConfigurations": [
            {
                "Id": "z",
                "QueueArn": queue,
                "Events": ["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"],
                "Filter": {"Key": {"FilterRules": rules}},
            },
            {"Id": "a", "QueueArn": queue, "Events": ["s3:ObjectAcl:Put"]},
        ],
    }
    put = ("put-bucket-notification-configuration", "--bucket", BUCKET, "--notification-configuration")
    s3api(*put, json.dumps(given))
    same(s3api("get-bucket-notification-configuration", "--bucket", BUCKET), given, "notifications")
    s3api(*put, "{}")
    same(s3api("get-bucket-notification-configuration", "--bucket", BUCKET), {}, "no notifications")


def api(path: str, body: dict, token: str | None = None) -> dict:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    url = f"{os.environ['COMPAT_API']}/api/v1/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)


def clear_versions() -> None:
    """`s3 rm` leaves a delete marker in a bucket that has known versions, so what remains goes by version here."""
    rows = s3api("list-object-versions", "--bucket", BUCKET)
    for row in rows.get("Versions", []) + rows.get("DeleteMarkers", []):
        s3api("delete-object", "--bucket", BUCKET, "--key", row["Key"], "--version-id", row["VersionId"])


main()
