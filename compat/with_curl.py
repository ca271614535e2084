"""curl --aws-sigv4: objects, ranges, conditions and a listing, with nothing but a shell's means."""

from __future__ import annotations

from session import (
    ACCESS_KEY,
    BUCKET,
    ENDPOINT,
    MIB,
    REGION,
    SECRET_KEY,
    WORK,
    curl,
    fails,
    make_bucket,
    run,
    same,
    sample,
    version,
)


def main() -> None:
    version(run("curl", "--version").split()[1])
    make_bucket()
    content = sample(6 * MIB, 8)
    (WORK / "body").write_bytes(content)
    where = f"/{BUCKET}/folder/a key+ö.bin"
    curl("PUT", where, "-T", str(WORK / "body"), "-H", "x-amz-meta-colour: blue")
    same(curl("GET", where), content, "GET")
    same(curl("GET", where, "-r", "100-199"), content[100:200], "range")
    head = curl("HEAD", where, "-I").decode().lower()
    assert f"content-length: {len(content)}" in head, head
    assert "x-amz-meta-colour: blue" in head, head
    etag = next(line.split(": ")[1].strip() for line in head.splitlines() if line.startswith("etag"))
    same(curl("GET", where, "-H", f"If-None-Match: {etag}", "-w", "%{http_code}"), b"304", "not modified")
    curl("PUT", f"/{BUCKET}/form", "-H", "Content-Type: text/plain", "--data-binary", "small & short")
    same(curl("GET", f"/{BUCKET}/form"), b"small & short", "small body")
    listing = curl("GET", f"/{BUCKET}").decode()
    assert listing.index("<Key>folder/a key+ö.bin</Key>") < listing.index("<Key>form</Key>"), listing
    sign = f"curl -sSf --aws-sigv4 aws:amz:{REGION}:s3 -H x-amz-content-sha256:UNSIGNED-PAYLOAD --user".split()
    right, wrong = [*sign, f"{ACCESS_KEY}:{SECRET_KEY}"], [*sign, f"{ACCESS_KEY}:wrong"]
    listing = run(*right, f"{ENDPOINT}/{BUCKET}?list-type=2&prefix=folder%2F")
    assert "<KeyCount>1</KeyCount>" in listing, listing
    fails(*wrong, f"{ENDPOINT}/{BUCKET}")
    fails("curl", "-sSf", f"{ENDPOINT}/{BUCKET}/form")
    curl("DELETE", where)
    curl("DELETE", f"/{BUCKET}/form")
    fails(*right, f"{ENDPOINT}/{BUCKET}/form")
    curl("DELETE", f"/{BUCKET}")
    fails(*right, f"{ENDPOINT}/{BUCKET}")


main()
