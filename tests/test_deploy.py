"""What deploy/ holds for several nodes: valid by the schemas of those who read it, and naming what s3gw knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml

from s3gw.config import Settings
from tests.certificates import write_certificate
from tests.gateways import client_of
from tests.postgresql import free_port
from tests.servers import ROOT_KEY, running_server

DEPLOY = Path(__file__).parent.parent / "deploy"
_KUBERNETES = "1.34"


def manifests() -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.nodes.yaml").read_text())
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.glob("compose*.yaml")))
def test_a_compose_file_is_one_by_the_schema_of_its_specification(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DEPLOY / name)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_each_manifest_is_valid_by_the_schema_of_kubernetes() -> None:
    kinds = {kind: kubernetes_validate.validate(one, _KUBERNETES, strict=True) for kind, one in manifests().items()}
    assert set(kinds) == {"Deployment", "PodDisruptionBudget", "Service"}


def test_what_is_set_are_settings() -> None:
    (container,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    names = {one["name"] for one in container["env"]} | set(compose()["x-node"]["environment"])
    known = {f"S3GW_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in names if name.startswith("S3GW_")} <= known
    assert names - known == {"PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}


def test_no_secret_is_written_down() -> None:
    (container,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    for name in ("S3GW_DATABASE_URL", "S3GW_MASTER_KEY", "AWS_SECRET_ACCESS_KEY"):
        (one,) = (one for one in container["env"] if one["name"] == name)
        assert set(one["valueFrom"]) == {"secretKeyRef"}
    environment = compose()["x-node"]["environment"]
    for name in ("PGPASSWORD", "S3GW_MASTER_KEY", "AWS_SECRET_ACCESS_KEY"):
        assert re.fullmatch(r"\$\{\w+:\?set it\}", environment[name])


def test_pods_have_time_to_end_and_are_asked_whether_they_can_serve() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drains = container["lifecycle"]["preStop"]["sleep"]["seconds"] + Settings.model_fields["shutdown_timeout"].default
    assert pod["terminationGracePeriodSeconds"] > drains
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "api"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "api"}
    replicas = manifests()["Deployment"]["spec"]["replicas"]
    assert 0 < manifests()["PodDisruptionBudget"]["spec"]["minAvailable"] < replicas


def test_the_compose_file_has_three_nodes_a_standby_a_store_and_haproxy() -> None:
    services = compose()["services"]
    assert set(services) >= {"node1", "node2", "node3", "postgresql", "standby", "store", "haproxy"}
    addresses = services["haproxy"]["environment"]
    assert [addresses[f"S3GW_NODE_{number}"] for number in (1, 2, 3)] == ["node1", "node2", "node3"]


@pytest.mark.soak
def test_nginx_takes_the_file_and_leads_each_name_to_its_listener(tmp_path: Path) -> None:
    options = {"S3GW_TRUSTED_PROXIES": "127.0.0.1/32"}
    with running_server(tmp_path / "data", "--workers", "1", **options) as server:
        client_of(server).create_bucket(Bucket="behind")
        port = free_port()
        text = (DEPLOY / "nginx.conf").read_text()
        for name, url in (("9000", server.s3), ("9001", server.admin), ("9002", server.share)):
            text = text.replace(f"127.0.0.1:{name}", url.removeprefix("http://"))
        certificate, key = write_certificate(tmp_path, "nginx")
        text = re.sub(r"/etc/nginx/\S+\.pem", str(certificate), text)
        text = re.sub(r"/etc/nginx/\S+\.key", str(key), text)
        text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen [::]:443 ssl;", "")
        settings = tmp_path / "nginx.conf"
        places = "".join(
            f"{what}_temp_path {tmp_path}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        settings.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}"
            f" http {{ access_log off; {places} {text} }}"
        )
        nginx = ["/usr/sbin/nginx", "-c", str(settings), "-e", str(tmp_path / "error.log")]
        checked = subprocess.run([*nginx, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        process = subprocess.Popen(nginx)
        try:
            _ask_each_name(port)
        finally:
            process.terminate()
            process.wait(20)


def _ask_each_name(port: int) -> None:
    transport = httpx.HTTPTransport(retries=20, verify=False)
    with httpx.Client(transport=transport, base_url=f"https://127.0.0.1:{port}", timeout=20) as client:

        def ask(method: str, host: str, path: str, content: bytes | None = None) -> httpx.Response:
            return client.request(
                method, path, headers={"Host": host}, content=content, extensions={"sni_hostname": host}
            )

        assert ask("GET", "api.example.com", "/api/v1/health").json()["status"] == "ok"
        assert ask("GET", "api.example.com", "/metrics").status_code == 404
        shared = ask("GET", "share.example.com", "/none")
        assert (shared.status_code, shared.headers["Content-Type"][:9]) == (404, "text/html")
        for method, content in (("PUT", b"value" * 9000), ("GET", None)):
            path = _signed(method, "/behind/a//b").removeprefix("https://s3.example.com")
            answer = ask(method, "s3.example.com", path, content)
            assert answer.status_code == 200, answer.text
        assert answer.content == b"value" * 9000


def _signed(method: str, path: str) -> str:
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, f"https://s3.example.com{path}")
    S3SigV4QueryAuth(Credentials(*ROOT_KEY), "s3", "us-east-1").add_auth(request)
    return str(request.url)
