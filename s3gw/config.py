"""Every setting and every limit: name, default, meaning. The only place that reads the environment.

A setting `name` is S3GW_NAME in the environment or in .env, and an option of the command line where there is one;
the option wins over the environment, the environment over .env. A secret may also stand in a file that S3GW_NAME_FILE
names. `s3gw config`, .env.example and docs/configuration.md are made from this list.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from s3gw.addresses import is_safe_url, origin_of, parse_address
from s3gw.content.store_url import check_place, check_store_url
from s3gw.metadata.database_url import is_postgresql, sqlite_path
from s3gw.scanning.setting import check_scanner
from s3gw.secret_files import PREFIX, SecretFiles, is_secret
from s3gw.secret_files import ConfigurationError as ConfigurationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

# What our tests, measurements and deploy/haproxy.cfg read, and what Kubernetes tells in a pod of a service called s3gw.
_OF_OTHERS = ("BENCH_", "CLUSTER_", "CRASH_", "FULL_LOAD", "SOAK_", "STATE_MACHINE_", "HAPROXY", "NODE_")
_OF_KUBERNETES = ("PORT", "SERVICE_")

# Written a,b,c in the environment.
List = Annotated[list[str], NoDecode]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
MOST_WORKERS = 256  # more than the cores of most machines; a digit too many would take all memory
Bytes = Annotated[int, Field(ge=0)]
# Those that are options of commands too.
_OPTIONS = frozenset(
    ("blobs", "data", "database_url", "listen", "admin_listen", "share_listen", "workers", "tls_cert", "tls_key")
)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what a container may use; macOS has no such call
    return min(len(affinity(0)) if affinity is not None else os.cpu_count() or 1, MOST_WORKERS)


def _option(name: str) -> str:
    return f"--{name} ({PREFIX}{name.replace('-', '_').upper()})"


def _secret(meaning: str) -> Any:
    return Field(default=None, description=meaning, repr=False, json_schema_extra={"secret": True})


class Settings(BaseSettings):
    """What a process is told. Sizes are bytes and times are seconds, unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=False,
        hide_input_in_errors=True,
    )

    # Where things are
    data: Path = Field(
        Path("data"), description="The data folder: blobs, keys, and the database unless it is elsewhere."
    )
    database_url: str | None = _secret("sqlite:///PATH or postgresql://…; by default SQLite in the data folder.")
    blobs: Annotated[str, AfterValidator(check_store_url)] | None = Field(
        None,
        description="s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX: the store that has the bytes of"
        " objects instead of the data folder; needs the extra s3gw[remote]. docs/scaling.md tells of its credentials.",
    )
    blobs_endpoint: str | None = Field(
        None, description="https://HOST:PORT of that store, where it isn't Amazon's, Google's or Microsoft's."
    )
    blobs_timeout: Annotated[float, Field(ge=1, le=300)] = Field(
        20,
        description="Longest that one request to that store may take; one that fails is made again for half as long.",
    )
    blobs_other: Annotated[str, AfterValidator(check_place)] | None = Field(
        None,
        description="While chunks are moved: the other store, a URL or folder, where is read what isn't in the first.",
    )
    blobs_cache: Bytes = Field(
        0,
        description="Bytes of the data folder's disk for chunks that were read from that store.",
    )
    listen: str = Field("127.0.0.1:9000", description="HOST:PORT of the S3 API; port 0 takes a free one.")
    admin_listen: str = Field(
        "127.0.0.1:9001",
        description="HOST:PORT of the JSON API (/api/v1, /docs) and of health: /healthz, /readyz and /readyz/writing.",
    )
    share_listen: str = Field("127.0.0.1:9002", description="HOST:PORT of the pages of share links.")
    share_url: str | None = Field(
        None,
        description="Where people reach those pages, https://share.example.com: what the URL of a share link begins"
        " with; by default the listener's own address. It must have another origin than the JSON API and S3.",
    )
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = Field(
        default_factory=_cores,
        description=f"Processes that serve requests, {MOST_WORKERS} at most; by default one a core.",
    )
    tls_cert: Path | None = Field(
        None, description="Certificate chain (PEM) of all listeners; reloaded when it changes."
    )
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate.")

    # Who may do what
    master_key: str | None = _secret(
        "The key (32 bytes, base64 or hex) that secrets are sealed with; while it is rotated NEW,OLD."
    )
    master_key_file: Path | None = Field(
        None,
        description="The file that holds the master key, made when missing; by default master.key in the data folder.",
    )
    root_user: str = Field("admin", description="Name of the admin made at the first start.")
    root_password: str | None = _secret("Password of that admin; by default made up and printed once.")
    root_access_key_id: str | None = _secret("Access key ID of that admin; by default made up and printed once.")
    root_secret_access_key: str | None = _secret(
        "Secret access key of that admin; by default made up and printed once."
    )
    root_email: str | None = Field(None, description="E-mail address of that admin.")
    registration: Literal["open", "invite", "closed"] | None = Field(
        None,
        description="Who may register at the JSON API; by default everybody while its address is loopback and no"
        " proxies are trusted, and whoever was invited otherwise.",
    )
    require_verified_email: bool = Field(
        False, description="Whether who registers can log in only when the address is confirmed by the link sent to it."
    )
    oidc_issuer: str | None = Field(
        None, description="URL of an OpenID Connect issuer at which people may log in; needs the extra s3gw[oidc]."
    )
    oidc_client_id: str | None = Field(None, description="What we are called there.")
    oidc_client_secret: str | None = _secret("The secret for it; none of a public client.")
    oidc_scopes: List = Field(
        ["openid", "email", "profile"], description="What (a,b) the issuer is asked to tell; openid always."
    )
    default_user_quota: Bytes = Field(10 * GIB, description="Bytes that a user who registers may store.")
    user_retention: Annotated[float, Field(ge=0)] = Field(
        30, description="Days that a deleted user can be restored; then it goes for good."
    )
    sigv2: bool = Field(True, description="Accept AWS Signature Version 2 too.")
    audit_retention: Annotated[float, Field(gt=0)] = Field(
        365, description="Days that lines of the audit log are kept; older ones are removed."
    )
    api_rate_limit: str = Field(
        "600/minute",
        description="Requests that a user, or an address of those who aren't known, may make of the JSON API of each"
        " worker: N/second, /minute, /hour or /day; off or 0: as many as they like.",
    )
    api_cors_origins: List = Field(
        [], description="Origins (https://app.example.com,…) whose web pages may use the JSON API; *: all."
    )
    api_url: str | None = Field(
        None,
        description="What the JSON API's absolute URLs begin with, https://files.example.com; by default what the"
        " request came by.",
    )
    s3_url: str | None = Field(
        None,
        description="Where clients reach S3, https://s3.example.com: what presigned URLs of the JSON API begin with; by"
        " default the request's host with the port of S3.",
    )
    console_idle: Seconds = Field(43_200, description="Time without a request after which the console's login ends.")
    console_lifetime: Seconds = Field(604_800, description="Time after which it ends in any case.")
    clock_skew: Seconds = Field(900, description="Furthest that a signed request's time may be from ours.")
    trusted_proxies: List = Field(
        [], description="Networks (CIDR,…) whose X-Forwarded-For, -Proto and -Host headers count."
    )

    # Events
    event_networks: List = Field(
        [],
        description="Networks (10.0.0.0/8,127.0.0.1/32,…) in which targets of events may be, beside the public"
        " internet: what is there is reached by whoever may make a target.",
    )
    event_retry: Annotated[float, Field(gt=0)] = Field(
        24, description="Hours for which an event is tried to be told to its target; then it is put aside."
    )
    event_backlog: Annotated[int, Field(ge=100)] = Field(
        10_000,
        description="How many of the last changes of objects are kept to be read again by a stream of events that was"
        " broken off.",
    )

    # Virus scanning
    scan: Literal["off", "serve", "hold"] = Field(
        "off",
        description="Of objects that aren't scanned for viruses yet, where a bucket doesn't say otherwise: serve: they"
        " are read; hold: nobody reads them until they are known to be clean; off: nothing is scanned. Infected ones"
        " aren't read under either.",
    )
    scan_clamd: str | None = Field(
        None, description="Where ClamAV's daemon listens: HOST:PORT, or unix:/PATH of its socket."
    )
    scan_command: str | None = Field(
        None,
        description="Instead of it, a command that scans its standard input: it exits with 0 where that is clean, and"
        " with 1 where it is infected, by what its first line says. With --version it tells that of its signatures.",
    )
    scan_max_size: Bytes = Field(
        GIB, description="Larger contents aren't scanned: they are never read under hold, and always under serve."
    )
    scan_timeout: Seconds = Field(300, description="Time that scanning one content may take; then it is tried again.")
    scan_at_once: Annotated[int, Field(ge=1, le=64)] = Field(2, description="Contents that are scanned at a time.")

    # Previews
    preview_max_size: Bytes = Field(256 * MIB, description="Largest file that a preview is made of.")
    preview_max_pixels: Count = Field(
        100_000_000, description="Most pixels (width times height) of a picture or video that a preview is made of."
    )
    preview_memory: Annotated[int, Field(ge=128 * MIB)] = Field(
        GIB, description="Memory that making one preview may take; two are made at a time."
    )
    preview_timeout: Seconds = Field(
        20, description="CPU time that making one preview may take; by the clock it may take twice as long."
    )

    # Messages
    smtp_host: str | None = Field(
        None, description="The mail server; without one, messages are files in the folder mail of the data folder."
    )
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How its connection is secured.")
    smtp_user: str | None = Field(None, description="The name to log in with at the mail server, where it wants one.")
    smtp_password: str | None = _secret("The password for it.")
    mail_from: str = Field("s3gw@localhost", description="The sender of messages.")
    public_url: str | None = Field(
        None, description="Where people reach the admin listener, https://files.example.com: what links begin with."
    )
    links_url: str | None = Field(
        None, description="What links in messages begin with where pages of yours take them; default: the console's."
    )

    # What S3 clients see
    region: str = Field("us-east-1", description="The region that requests are signed for.")
    domains: List = Field([], description="Domains (a,b) under which BUCKET.DOMAIN addresses a bucket.")
    buckets: List = Field([], description="Buckets (a,b) made for the admin at the first start.")
    bucket_defaults: Literal["aws", "classic"] = Field(
        "aws",
        description="A new bucket has: aws: ACLs disabled, public access blocked; classic: ACLs, nothing blocked.",
    )
    copy_etag: Literal["layout", "aws"] = Field(
        "layout",
        description="ETag of a copied multipart object or part: made from its layout; aws: from its bytes, read again.",
    )
    celery_broker: str | None = _secret(
        "Where Celery's workers (`s3gw worker`) get the heavy jobs, which the job process doesn't run then:"
        " redis://[USER:PASSWORD@]HOST:PORT/NUMBER, or rediss://… for TLS; needs the extra `celery`."
    )
    direct_io: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether chunks are written past the page cache (Linux): on is less CPU, off has what was just"
        " written in memory; auto: whichever this disk is measured to take faster.",
    )
    scrub_rate: Bytes = Field(20 * MIB, description="Bytes that scrubbing reads a second at most; 0: no limit.")

    # Limits of what is stored
    inline_limit: Bytes = Field(16 * KIB, description="Bodies up to this size are kept in the database.")
    chunk_size: Annotated[int, Field(ge=64 * KIB, le=8 * MIB, multiple_of=64 * KIB)] = Field(
        8 * MIB, description="Larger bodies are cut into chunks of this size."
    )
    max_put: Bytes = Field(5 * GIB, description="Largest body of one PutObject or UploadPart.")
    max_object: Bytes = Field(5 * TIB, description="Largest object.")
    min_part: Bytes = Field(5 * MIB, description="Smallest part of a multipart upload but the last.")
    max_parts: Annotated[int, Field(ge=1, le=10_000)] = Field(10_000, description="Highest part number.")
    max_key: Annotated[int, Field(ge=1, le=1024)] = Field(1024, description="Longest key, in bytes of UTF-8.")
    max_metadata: Bytes = Field(2 * KIB, description="Most user metadata of an object.")
    max_archive_files: Count = Field(50_000, description="Most files of a zip that is downloaded.")
    max_unpack_files: Annotated[int, Field(ge=1, le=5000)] = Field(
        500, description="Most entries of an archive that is unpacked."
    )
    max_unpack_size: Bytes = Field(
        GIB, description="Largest archive that is unpacked, and most bytes of its files together."
    )
    max_unpack_job_files: Annotated[int, Field(ge=1, le=200_000)] = Field(
        100_000, description="Most entries of an archive that a job unpacks."
    )
    max_unpack_job_size: Bytes = Field(
        64 * GIB, description="Largest archive that a job unpacks, and most bytes of its files together."
    )
    upload_expiry: Annotated[float, Field(gt=0)] = Field(
        7, description="Days after which an unfinished upload is aborted that gets no more parts."
    )
    upload_memory: Annotated[int, Field(ge=4 * MIB)] = Field(
        256 * MIB, description="Memory that uploads and large XML bodies may hold in one process."
    )
    min_free_space: Bytes | None = Field(
        None,
        description="Free bytes of a disk below which new objects are refused; by default 256 MiB or a twentieth of the"
        " disk, whichever is less; 0: none are kept free, and no reserve for deletes either.",
    )

    # Limits of a request
    max_xml_body: Bytes = Field(2 * MIB, description="Largest XML body.")
    max_header_bytes: Annotated[int, Field(ge=8 * KIB)] = Field(
        32 * KIB, description="Largest request line and headers."
    )
    header_timeout: Seconds = Field(60, description="Time a client has to send a request's headers.")
    body_timeout: Seconds = Field(60, description="Longest pause of a client that sends a body.")
    send_timeout: Seconds = Field(60, description="Longest pause of a client that reads an answer.")
    keep_alive: Seconds = Field(120, description="Time an idle connection is kept; a proxy's must be shorter.")
    shutdown_timeout: Seconds = Field(30, description="Time that requests in flight have to finish after SIGTERM.")

    # What is told
    log: Literal["info", "debug"] = Field(
        "info", description="debug: also the rule that allowed or refused each request, which no answer tells."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of the log lines on standard error: text or json."
    )
    access_log: bool = Field(True, description="One log line for each request.")
    metrics_token: str | None = _secret(
        "What a monitor has to send to be told /metrics at the admin listener (`Authorization: Bearer …`). Without it"
        " only this machine is, where the listener is this machine's alone."
    )
    sentry_dsn: str | None = _secret(
        "Where errors of the server are told (Sentry's DSN); needs the extra `sentry`. Traces go where OpenTelemetry's"
        " own OTEL_EXPORTER_OTLP_ENDPOINT says; they need the extra `otel`."
    )

    @field_validator(
        "domains", "buckets", "trusted_proxies", "api_cors_origins", "oidc_scopes", "event_networks", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value

    @field_validator("trusted_proxies", "event_networks")
    @classmethod
    def _check_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("listen", "admin_listen", "share_listen")
    @classmethod
    def _check_address(cls, value: str, info: ValidationInfo) -> str:
        parse_address(value)
        return value

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
            raise ValueError("must be letters, digits and dashes")
        return value

    @field_validator("domains")
    @classmethod
    def _check_domains(cls, value: list[str]) -> list[str]:
        for domain in value:
            if not re.fullmatch(r"[A-Za-z0-9._-]+(:[0-9]+)?", domain):
                raise ValueError("must be names of hosts, with commas between them")
        return value

    @field_validator("api_rate_limit")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        if value in ("0", "off"):
            return "off"
        if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", value):
            raise ValueError("must be off, or a number and a time: 600/minute")
        return value

    @field_validator("api_cors_origins")
    @classmethod
    def _check_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+", origin):
                raise ValueError(
                    "must be origins, https://app.example.com, without a path and with commas between them"
                )
        return value

    @field_validator("api_url", "blobs_endpoint", "s3_url", "share_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?", value):
            raise ValueError("must be a URL, https://files.example.com, without a query")
        return None if value is None else value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str | None) -> str | None:
        """Before anything is bound or made; the database itself is met later."""
        if not is_postgresql(value):
            sqlite_path(value, Path())
        return value

    @model_validator(mode="after")
    def _check_pairs(self) -> Settings:
        listeners = {"listen": self.listen, "admin-listen": self.admin_listen, "share-listen": self.share_listen}
        for (one, address), (other, same) in combinations(listeners.items(), 2):
            if address == same and parse_address(address)[1]:
                raise ValueError(f"{_option(one)} and {_option(other)} are one address")
        for name in ("api_url", "public_url", "links_url"):
            if self.share_url is not None and origin_of(getattr(self, name) or "") == origin_of(self.share_url):
                raise ValueError(f"S3GW_SHARE_URL and S3GW_{name.upper()} have one origin: pages must not share it")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("S3GW_TLS_CERT and S3GW_TLS_KEY belong together")
        if (self.root_access_key_id is None) != (self.root_secret_access_key is None):
            raise ValueError("S3GW_ROOT_ACCESS_KEY_ID and S3GW_ROOT_SECRET_ACCESS_KEY belong together")
        return self

    @model_validator(mode="after")
    def _check_scanner(self) -> Settings:
        check_scanner(self.scan, self.scan_clamd, self.scan_command)
        return self

    @model_validator(mode="after")
    def _check_oidc(self) -> Settings:
        if self.oidc_issuer is None:
            return self
        if not is_safe_url(self.oidc_issuer):
            raise ValueError("S3GW_OIDC_ISSUER must begin with https://, unless it is on this machine")
        if self.oidc_client_id is None or self.public_url is None:
            raise ValueError("S3GW_OIDC_ISSUER needs S3GW_OIDC_CLIENT_ID and S3GW_PUBLIC_URL")
        if any(find_spec(library) is None for library in ("authlib", "httpx", "joserfc")):
            raise ValueError("S3GW_OIDC_ISSUER needs libraries: pip install 's3gw[oidc]'")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls, os.environ),
            dotenv_settings,
            SecretFiles(settings_cls, dotenv_values(".env")),
        )


def unknown_variables() -> list[str]:
    """Variables of the environment and of .env that look like settings and are none."""
    fields = Settings.model_fields.items()
    known = {f"{PREFIX}{name.upper()}" for name, _ in fields}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name, field in fields if is_secret(field)}
    given = {name.upper() for name in (*os.environ, *_dotenv()) if name.upper().startswith(PREFIX)}
    others = _OF_OTHERS + (_OF_KUBERNETES if "KUBERNETES_SERVICE_HOST" in os.environ else ())
    return sorted(name for name in given - known if not name.removeprefix(PREFIX).startswith(others))


def wants_json_log() -> bool:
    """What is known of the log's format before it is known whether the settings can be used."""
    name = f"{PREFIX}LOG_FORMAT"
    return (os.environ.get(name) or _dotenv().get(name)) == "json"


def _dotenv() -> Mapping[str, str | None]:
    """Nothing where it can't be read: `load_settings` says so."""
    try:
        return dotenv_values(".env")
    except UnicodeDecodeError:
        return {}


def load_settings(**options: Any) -> Settings:
    """Settings from options (those that are not None), environment, files and .env. Raises ConfigurationError."""
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except UnicodeDecodeError:
        raise ConfigurationError(".env isn't text in UTF-8") from None
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise ConfigurationError("; ".join(_told(problem) for problem in problems)) from None


def _told(problem: ErrorDetails) -> str:
    """With the names of the setting, and without pydantic's own words."""
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.partition(", unable")[0]
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    variable = f"{PREFIX}{name.upper()}"
    return f"--{name.replace('_', '-')} ({variable}): {message}" if name in _OPTIONS else f"{variable}: {message}"
