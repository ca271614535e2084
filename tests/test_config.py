"""Settings: where they come from, what is refused, and that the documents agree with them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from s3gw.cli.config import as_env, as_markdown
from s3gw.config import (
    MOST_WORKERS,
    PREFIX,
    ConfigurationError,
    Settings,
    is_secret,
    load_settings,
    unknown_variables,
    wants_json_log,
)
from s3gw.processes.child import rebuild

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_option_wins_over_the_environment_and_the_environment_over_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("S3GW_REGION=from-dotenv\nS3GW_WORKERS=7\nS3GW_LISTEN=:1\n")
    monkeypatch.setenv("S3GW_REGION", "from-environment")
    monkeypatch.setenv("S3GW_LISTEN", ":2")
    settings = load_settings(listen=":3")
    assert (settings.workers, settings.region, settings.listen) == (7, "from-environment", ":3")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_BUCKETS", "pictures, music,")
    monkeypatch.setenv("S3GW_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    settings = load_settings()
    assert settings.buckets == ["pictures", "music"]
    assert settings.trusted_proxies == ["10.0.0.0/8", "::1"]


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("S3GW_ROOT_PASSWORD_FILE", str(tmp_path / "password"))
    assert load_settings().root_password == "correct horse"


def test_the_file_of_a_secret_may_be_named_in_dotenv(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://db/s3gw\r\n")
    (tmp_path / ".env").write_text(f"S3GW_DATABASE_URL_FILE={tmp_path}/url\n")
    assert load_settings().database_url == "postgresql://db/s3gw"


def test_a_secret_file_that_is_missing_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_ROOT_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(ConfigurationError, match="S3GW_ROOT_PASSWORD_FILE: can't read /nowhere/password"):
        load_settings()


def test_the_file_of_the_master_key_is_left_to_whoever_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_MASTER_KEY_FILE", "/nowhere/master.key")
    settings = load_settings()
    assert settings.master_key is None
    assert settings.master_key_file == Path("/nowhere/master.key")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S3GW_WORKERS", "0"),
        ("S3GW_WORKERS", "257"),
        ("S3GW_LISTEN", "nonsense"),
        ("S3GW_LISTEN", "127.0.0.1:70000"),
        ("S3GW_DATABASE_URL", "mysql://user@host/name"),
        ("S3GW_DATABASE_URL", "s3gw.db"),
        ("S3GW_REGION", "us east"),
        ("S3GW_DOMAINS", "http://x/"),
        ("S3GW_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("S3GW_BUCKET_DEFAULTS", "none"),
        ("S3GW_HEADER_TIMEOUT", "0"),
        ("S3GW_CHUNK_SIZE", "100000"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    option = f"--{name.removeprefix(PREFIX).lower().replace('_', '-')} ({name}): "
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert str(refusal.value).startswith((f"{name}: ", option))
    assert "Input should" not in str(refusal.value)


def test_all_that_makes_no_sense_is_told_at_once_and_options_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_WORKERS", "many")
    monkeypatch.setenv("S3GW_LOG_FORMAT", "xml")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert str(refusal.value) == (
        "--workers (S3GW_WORKERS): must be a valid integer; S3GW_LOG_FORMAT: must be 'text' or 'json'"
    )


def test_256_workers_are_the_most_however_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(workers=MOST_WORKERS).workers == 256
    told = r"--workers \(S3GW_WORKERS\): must be less than or equal to 256$"
    with pytest.raises(ConfigurationError, match=told):
        load_settings(workers=257)
    monkeypatch.setenv("S3GW_WORKERS", "100000")
    with pytest.raises(ConfigurationError, match=told):
        load_settings()
    monkeypatch.delenv("S3GW_WORKERS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(1000), raising=False)
    assert load_settings().workers == 256


def test_a_dotenv_that_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"S3GW_WORKERS=2\n\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_settings()
    assert not wants_json_log() and unknown_variables() == []


def test_two_listeners_of_one_address_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="are one address"):
        load_settings(listen="127.0.0.1:9000", admin_listen="127.0.0.1:9000")
    load_settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0")


def test_half_of_a_pair_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_ROOT_ACCESS_KEY_ID", "AKIAEXAMPLE")
    with pytest.raises(ConfigurationError, match="belong together"):
        load_settings()
    monkeypatch.delenv("S3GW_ROOT_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError, match="belong together"):
        load_settings(tls_cert="cert.pem")


def test_a_refusal_never_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_UPLOAD_MEMORY", "hunter2")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert "hunter2" not in str(refusal.value)


def test_secrets_are_not_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        if is_secret(field):
            prefix = "postgresql://user:" if name == "database_url" else ""
            monkeypatch.setenv(f"{PREFIX}{name.upper()}", f"{prefix}hunter2")
    assert "hunter2" not in repr(load_settings())


def test_settings_survive_the_way_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(data="here", buckets="a,b", tls_cert="c.pem", tls_key="k.pem", master_key_file="m.key")
    monkeypatch.setenv("S3GW_REGION", "elsewhere")
    rebuilt = rebuild(settings.model_dump_json().encode())
    assert vars(rebuilt) == dict(settings)


def test_variables_that_look_like_settings_and_are_none_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("S3GW_REGIONS=a\nOTHER=b\nS3GW_DOMAINS=c\n")
    for name in ("S3GW_WORKER", "s3gw_datas", "S3GW_REGION_FILE", "S3GW_PORT"):
        monkeypatch.setenv(name, "hunter2")
    assert unknown_variables() == ["S3GW_DATAS", "S3GW_PORT", "S3GW_REGIONS", "S3GW_REGION_FILE", "S3GW_WORKER"]


def test_no_variable_that_somebody_reads_is_taken_for_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", "x")
        if is_secret(field):
            monkeypatch.setenv(f"{PREFIX}{name}_file", "x")
    read = set()
    for room in ("tests", "bench", "compat"):
        for file in (ROOT / room).rglob("*.py"):
            read |= set(re.findall(r'environ(?:\.get\(|\[)"(S3GW_\w+)"', file.read_text(encoding="utf-8")))
    assert {"S3GW_CRASH_ROUNDS", "S3GW_BENCH_FOLDER", "S3GW_FULL_LOAD"} <= read
    of_kubernetes = {"KUBERNETES_SERVICE_HOST", "S3GW_SERVICE_HOST", "S3GW_PORT", "S3GW_PORT_9000_TCP_ADDR"}
    of_haproxy = set(re.findall(r"S3GW_\w+", (ROOT / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")))
    assert {"S3GW_HAPROXY", "S3GW_NODE_1"} <= of_haproxy
    for name in read | of_kubernetes | of_haproxy:
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_environment_lists_every_setting() -> None:
    assert (ROOT / ".env.example").read_text() == as_env(), "s3gw config --form env > .env.example"


def test_the_documentation_lists_every_setting() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == as_markdown(), "s3gw config --form markdown > docs/configuration.md"


@pytest.mark.parametrize(("given", "rate"), [("0", "off"), ("off", "off"), ("5/second", "5/second")])
def test_a_rate_is_a_number_and_a_time_or_off(given: str, rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_API_RATE_LIMIT", given)
    assert load_settings().api_rate_limit == rate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S3GW_API_RATE_LIMIT", "600"),
        ("S3GW_API_RATE_LIMIT", "0/minute"),
        ("S3GW_API_RATE_LIMIT", "5/fortnight"),
        ("S3GW_API_RATE_LIMIT", "9999999999/day"),
        ("S3GW_API_CORS_ORIGINS", "app.example.com"),
        ("S3GW_API_CORS_ORIGINS", "https://app.example.com/"),
        ("S3GW_API_CORS_ORIGINS", "null"),
    ],
)
def test_what_is_no_rate_and_no_origin_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


@pytest.mark.parametrize("other", ["api_url", "public_url", "links_url"])
def test_share_links_have_an_origin_of_their_own(other: str) -> None:
    with pytest.raises(ConfigurationError, match=f"S3GW_SHARE_URL and S3GW_{other.upper()} have one origin"):
        load_settings(share_url="https://files.example.com/share", **{other: "https://files.example.com:443"})
    load_settings(share_url="https://share.example.com", **{other: "https://files.example.com"})
    with pytest.raises(ConfigurationError, match=r"--admin-listen .* and --share-listen .* are one address"):
        load_settings(admin_listen="127.0.0.1:9002")
