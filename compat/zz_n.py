"""boto3 through nginx with TLS: own authority, keep-alive, forwarded headers, buffered and unbuffered PUTs."""

from __future__ import annotations

import io
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from session import BUCKET, HOST, MIB, WORK, refused, run, same, sample, stored, version, wait_until

NAME = "localhost"  # what the client signs; behind the second listener the gateway has to believe X-Forwarded-Host

CONFIGURATION = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx-error.log; worker_processes 1; user root;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; ignore_invalid_headers off; merge_slashes off;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2;
  fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  upstream gateway {{ server {gateway}; keepalive 16; }}
  ssl_certificate {work}/server.pem; ssl_certificate_key {work}/server.key;
  proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  server {{  # buffers requests and answers, keeps the Host
    listen 127.0.0.1:{ports[0]} ssl;
    location / {{ proxy_pass http://gateway; proxy_set_header Host $http_host; }}
  }}
  server {{  # passes everything on as it comes, names the host only in X-Forwarded-Host
    listen 127.0.0.1:{ports[1]} ssl;
    location / {{
      proxy_pass http://gateway; proxy_request_buffering off; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""


def main() -> None:
    version(subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.split("/")[-1].strip())
    certificate()
    with nginx() as ports:
        for number, port in enumerate(ports):
            day(f"https://{NAME}:{port}", f"{BUCKET}-{number}")


def certificate() -> None:
    """An authority of our own, and a server certificate from it."""
    (WORK / "extensions").write_text(f"subjectAltName=DNS:{NAME}\nbasicConstraints=CA:FALSE\n")
    new = "openssl req -newkey rsa:2048 -nodes"
    run(*f"{new} -x509 -days 2 -subj /CN=authority -keyout {WORK}/ca.key -out {WORK}/ca.pem".split())
    run(*f"{new} -subj /CN={NAME} -keyout {WORK}/server.key -out {WORK}/server.csr".split())
    sign = f"openssl x509 -req -days 2 -CAcreateserial -CA {WORK}/ca.pem -CAkey {WORK}/ca.key"
    run(*f"{sign} -in {WORK}/server.csr -extfile {WORK}/extensions -out {WORK}/server.pem".split())


@contextmanager
def nginx() -> Iterator[list[int]]:
    ports = [free_port(), free_port()]
    path = WORK / "nginx.conf"
    path.write_text(CONFIGURATION.format(work=WORK, gateway=HOST, ports=ports))
    server = subprocess.Popen(["nginx", "-p", str(WORK), "-c", str(path)])
    try:
        wait_until(lambda: all(accepts(port) for port in ports) or server.poll() is not None, "nginx")
        assert server.poll() is None, (WORK / "nginx-error.log").read_text()
        yield ports
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def day(endpoint: str, bucket: str) -> None:
    authority = str(WORK / "ca.pem")
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, verify=authority, config=config)
    s3.create_bucket(Bucket=bucket)
    large = sample(40 * MIB, 6)
    s3.put_object(Bucket=bucket, Key="large ü", Body=large)
    same(s3.get_object(Bucket=bucket, Key="large ü")["Body"].read(), large, "one big PUT")
    same(stored("large ü", bucket), large, "read beside the proxy")
    s3.upload_fileobj(io.BytesIO(large), bucket, "parts", Config=TransferConfig(multipart_chunksize=8 * MIB))
    middle = s3.get_object(Bucket=bucket, Key="parts", Range="bytes=9000000-9999999")
    same(middle["Body"].read(), large[9_000_000:10_000_000], "range")

    def small(number: int) -> bytes:
        s3.put_object(Bucket=bucket, Key=f"double//slash/{number}", Body=b"%d" % number)
        content: bytes = s3.get_object(Bucket=bucket, Key=f"double//slash/{number}")["Body"].read()
        return content

    with ThreadPoolExecutor(4) as pool:  # many requests over few connections kept alive
        same(list(pool.map(small, range(100))), [b"%d" % number for number in range(100)], "small objects")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "double//slash/7"})
    context = ssl.create_default_context(cafile=authority)
    with urllib.request.urlopen(url, context=context) as answer:
        same(answer.read(), b"7", "presigned")
    pass
    with urllib.request.urlopen(url, context=context) as answer:
        same(answer.read(), b"7", "after a refused PUT")
    keys = [{"Key": row["Key"]} for row in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    same(len(s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Deleted"]), 102, "deleted")
    s3.delete_bucket(Bucket=bucket)


main()
