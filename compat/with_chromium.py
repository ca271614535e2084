"""A headless Chromium: a page of another origin uploads by fetch (CORS), and with forms whose policy was signed."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
from botocore.config import Config
from session import BUCKET, WORK, run, same, version

s3 = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
CLOSED = f"{BUCKET}-closed"  # without rules
_pages: dict[str, str] = {}
_told: queue.Queue[Any] = queue.Queue()

# What a page does, and tells its own server then. `given` is what this script puts in front of it.
_BY_FETCH = """
const tell = (what) => fetch("/told", {method: "POST", body: JSON.stringify(what)});
const ask = async (url, options) => {
  try {
    const answer = await fetch(url, options);
    return {status: answer.status, etag: answer.headers.get("ETag"), body: await answer.text()};
  } catch (error) { return {status: 0}; }
};
(async () => {
  const form = new FormData();
  for (const [name, value] of Object.entries(given.form.fields)) form.append(name, value);
  form.append("file", new File(["of a form"], "ü 1.txt", {type: "text/plain"}));
  await tell({
    put: await ask(given.put, {method: "PUT", body: "of a page", headers: {"x-amz-meta-colour": "blue"}}),
    get: await ask(given.get), missing: await ask(given.missing), closed: await ask(given.closed),
    refused: await ask(given.get, {method: "DELETE"}), form: await ask(given.form.url, {method: "POST", body: form}),
  });
})();
"""
_BY_FORM = """
const form = document.createElement("form");
form.action = given.form.url; form.method = "post"; form.enctype = "multipart/form-data";
const add = (tag, name, value) => {
  const field = document.createElement(tag);
  field.name = name; if (value !== undefined) field.value = value;
  form.append(field);
  return field;
};
for (const [name, value] of Object.entries(given.form.fields)) add("input", name, value);
if (given.text === undefined) {
  const chosen = new DataTransfer(); chosen.items.add(new File(["chosen"], "cat.txt"));
  const file = add("input", "file"); file.type = "file"; file.files = chosen.files;
} else { add("textarea", "file", given.text); }
add("input", "submit_button", "Upload");
document.body.append(form); form.submit();
"""


class Site(BaseHTTPRequestHandler):
    """The pages, and where they and the redirects of forms tell what happened."""

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if path == "/done":
            _told.put({name: values[0] for name, values in parse_qs(query).items()})
        page = f"<body><script>{_pages.get(path, '')}</script></body>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page)

    def do_POST(self) -> None:
        _told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


def main() -> None:
    version(run("chromium", "--version").split()[1])
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{site.server_port}"
    for bucket in (BUCKET, CLOSED):
        s3.create_bucket(Bucket=bucket)
    rule = {"AllowedOrigins": [origin], "AllowedMethods": ["GET", "PUT", "POST"], "AllowedHeaders": ["x-amz-meta-*"]}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [{**rule, "ExposeHeaders": ["ETag"]}]})
    by_fetch(origin)
    by_form(origin, "cat.txt", b"chosen")
    by_form(origin, "${filename}", b"line 1\r\nline 2", text="line 1\nline 2")
    for bucket in (BUCKET, CLOSED):
        for row in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=row["Key"])
        s3.delete_bucket(Bucket=bucket)
    site.shutdown()


def by_fetch(origin: str) -> None:
    def url(method: str, bucket: str = BUCKET, key: str = "page ü") -> str:
        return str(s3.generate_presigned_url(method, {"Bucket": bucket, "Key": key}))

    fields = {"success_action_status": "201", "Content-Type": "text/plain"}
    form = s3.generate_presigned_post(BUCKET, "up/${filename}", fields, [{name: fields[name]} for name in fields])
    put = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "page ü", "Metadata": {"colour": "blue"}})
    s3.put_object(Bucket=CLOSED, Key="page ü", Body=b"secret")
    urls = {"put": put, "get": url("get_object"), "missing": url("get_object", key="none")}
    told = visit(origin, _BY_FETCH, {**urls, "closed": url("get_object", CLOSED), "form": form})
    same(told["put"]["status"], 200, "PUT after a preflight")
    same(told["put"]["etag"], s3.head_object(Bucket=BUCKET, Key="page ü")["ETag"], "the ETag that the rule exposes")
    same((told["get"]["status"], told["get"]["body"]), (200, "of a page"), "GET")
    same((told["missing"]["status"], "NoSuchKey" in told["missing"]["body"]), (404, True), "an error that can be read")
    same(told["closed"]["status"], 0, "a bucket without rules")
    same(told["refused"]["status"], 0, "a method that no rule allows")
    same((told["form"]["status"], "<Key>up/ü 1.txt</Key>" in told["form"]["body"]), (201, True), "a form by fetch")
    stored = s3.get_object(Bucket=BUCKET, Key="up/ü 1.txt")
    same((stored["Body"].read(), stored["ContentType"]), (b"of a form", "text/plain"), "what the form stored")


def by_form(origin: str, name: str, content: bytes, **given: str) -> None:
    """A form that a person submits; the browser follows its redirect."""
    fields = {"success_action_redirect": f"{origin}/done"}
    form = s3.generate_presigned_post(BUCKET, "up/${filename}", fields, [fields])
    told = visit(origin, _BY_FORM, {"form": form, **given})
    stored = s3.get_object(Bucket=BUCKET, Key=f"up/{name}")
    same(told, {"bucket": BUCKET, "key": f"up/{name}", "etag": stored["ETag"]}, "the query of the redirect")
    same(stored["Body"].read(), content, "what the form stored")


def visit(origin: str, script: str, given: dict[str, Any]) -> dict[str, Any]:
    """Let the browser run a page's script, and give what is told then."""
    _pages["/page"] = f"const given = {json.dumps(given)};{script}"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={WORK}/profile",
    ]
    with (WORK / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(["chromium", *options, f"{origin}/page"], stdout=log, stderr=log)
        try:
            return dict(_told.get(timeout=60))
        except queue.Empty:
            raise AssertionError((WORK / "chromium.log").read_text(errors="replace")[-3000:]) from None
        finally:
            browser.terminate()
            browser.wait(20)


main()
