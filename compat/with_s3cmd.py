"""s3cmd: mb, put, sync, ls, get, cp, mv, del, rb, with its MD5 checks and its own multipart; setpolicy, setacl,
setownership, setblockpublicaccess, setcors, signurl, and a form whose policy it signs.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from session import (
    ACCESS_KEY,
    BUCKET,
    ENDPOINT,
    HOST,
    SECRET_KEY,
    WORK,
    anonymous,
    fails,
    policy_for_all,
    post_form,
    read_folder,
    run,
    same,
    sample_folder,
    stored,
    version,
)

S3CMD = Path(sys.executable).with_name("s3cmd")
CONFIGURATION = f"""[default]
access_key = {ACCESS_KEY}
secret_key = {SECRET_KEY}
host_base = {HOST}
host_bucket = {HOST}
use_https = False
"""


def s3cmd(*words: str | Path) -> str:
    return run(S3CMD, "-c", WORK / "s3cfg", "--no-progress", *words)


def main() -> None:
    (WORK / "s3cfg").write_text(CONFIGURATION)
    version(s3cmd("--version").split()[-1])
    url, source, copy = f"s3://{BUCKET}", WORK / "source", WORK / "copy"
    files = sample_folder(source)
    s3cmd("mb", url)
    assert url in s3cmd("ls")
    s3cmd("sync", "--multipart-chunk-size-mb=5", f"{source}/", f"{url}/in/")
    copy.mkdir()
    s3cmd("sync", f"{url}/in/", f"{copy}/")
    same(read_folder(copy), files, "synced back")
    assert "upload:" not in s3cmd("sync", f"{source}/", f"{url}/in/"), "a second sync has nothing to do"
    lines = s3cmd("ls", "--recursive", f"{url}/in/").splitlines()
    same({line.split(url, 1)[1] for line in lines}, {f"/in/{name}" for name in files}, "ls")
    # Without --acl-private it puts the source's ACL on the copy, which a bucket whose ACLs are disabled refuses.
    s3cmd("cp", "--acl-private", f"{url}/in/large.bin", f"{url}/copied.bin")
    s3cmd("mv", "--acl-private", f"{url}/copied.bin", f"{url}/moved.bin")
    s3cmd("get", f"{url}/moved.bin", WORK / "moved.bin")
    same((WORK / "moved.bin").read_bytes(), files["large.bin"], "moved")
    fails(S3CMD, "-c", WORK / "s3cfg", "info", f"{url}/copied.bin")
    assert "12595257" in s3cmd("info", f"{url}/moved.bin")
    (source / "readme.txt").unlink()
    s3cmd("sync", "--delete-removed", f"{source}/", f"{url}/in/")
    fails(S3CMD, "-c", WORK / "s3cfg", "info", f"{url}/in/readme.txt")
    cors(url)
    form()
    policy(url)
    acl(url)
    s3cmd("del", "--recursive", "--force", url)
    same(s3cmd("ls", "--recursive", url), "", "emptied")
    s3cmd("rb", url)
    fails(S3CMD, "-c", WORK / "s3cfg", "ls", url)


def cors(url: str) -> None:
    rule = "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
    (WORK / "cors.xml").write_text(f"<CORSConfiguration>{rule}</CORSConfiguration>")
    s3cmd("setcors", WORK / "cors.xml", url)
    assert "<AllowedOrigin>*</AllowedOrigin>" in s3cmd("info", url)
    s3cmd("delcors", url)
    assert "<AllowedOrigin>" not in s3cmd("info", url)


def form() -> None:
    """`s3cmd sign` is made for forms: it signs their policy with SigV2."""
    until = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"bucket": BUCKET}, ["starts-with", "$key", "form/"], ["content-length-range", 1, 9]]
    document = base64.b64encode(json.dumps({"expiration": until, "conditions": conditions}).encode()).decode()
    signature = s3cmd("sign", document).split()[-1]
    fields = {"AWSAccessKeyId": ACCESS_KEY, "policy": document, "signature": signature, "key": "form/ü"}
    same(post_form(f"{ENDPOINT}/{BUCKET}", fields, b"of a form"), 204, "POST")
    same(stored("form/ü"), b"of a form", "what the form stored")
    same(post_form(f"{ENDPOINT}/{BUCKET}", {**fields, "key": "other"}, b"of a form"), 403, "POST of another key")
    same(post_form(f"{ENDPOINT}/{BUCKET}", fields, b"longer than 9"), 400, "POST of too much")
    with urllib.request.urlopen(s3cmd("signurl", f"s3://{BUCKET}/form/ü", "+60").strip()) as answer:
        same(answer.read(), b"of a form", "signurl")


def policy(url: str) -> None:
    (WORK / "policy.json").write_text(policy_for_all("form/"))
    s3cmd("setblockpublicaccess", url, "BlockPublicPolicy,RestrictPublicBuckets")
    fails(S3CMD, "-c", WORK / "s3cfg", "setpolicy", WORK / "policy.json", url)
    s3cmd("setblockpublicaccess", url, "")
    same(anonymous("form/ü")[0], 403, "anonymous GET")
    s3cmd("setpolicy", WORK / "policy.json", url)
    assert policy_for_all("form/") in s3cmd("info", url)
    same(anonymous("form/ü"), (200, b"of a form"), "anonymous GET by the policy")
    same(anonymous("moved.bin")[0], 403, "anonymous GET of another key")
    s3cmd("delpolicy", url)
    same(anonymous("form/ü")[0], 403, "anonymous GET without the policy")


def acl(url: str) -> None:
    s3cmd("setownership", url, "BucketOwnerEnforced")
    fails(S3CMD, "-c", WORK / "s3cfg", "setacl", "--acl-public", f"{url}/form/ü")
    s3cmd("setownership", url, "ObjectWriter")
    assert "Ownership: ObjectWriter" in s3cmd("info", url)
    s3cmd("setacl", "--acl-public", f"{url}/form/ü")
    assert "*anon*: READ" in s3cmd("info", f"{url}/form/ü")
    same(anonymous("form/ü"), (200, b"of a form"), "anonymous GET by the ACL")
    s3cmd("setacl", "--acl-private", f"{url}/form/ü")
    same(anonymous("form/ü")[0], 403, "anonymous GET of a private object")
    s3cmd("put", "--acl-public", WORK / "policy.json", f"{url}/policy.json")
    same(anonymous("policy.json"), (200, policy_for_all("form/").encode()), "put with an ACL")
    s3cmd("setacl", "--acl-public", url)
    assert "<Key>policy.json</Key>" in anonymous("")[1].decode(), "anonymous list of a public bucket"


main()
