"""Errors told to Sentry and traces to OpenTelemetry, where somebody has asked for them; nothing is imported otherwise.

Errors are those that the log tells as such, with their place in the code and without their words, which may repeat what
a client sent; the log has those, under the same request id. Refusals aren't errors. A trace is one span for each
request of either door, made when the log is told of it: nothing is put in between on the way of a request.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import s3gw
from s3gw import log

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.log import Answered

# OpenTelemetry's own variables, which its SDK reads too.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_LONGEST = 1024  # characters of what strangers can make long
_PATIENCE = 2.0  # seconds at the end of a process for what isn't sent yet
_ends: list[Callable[[], None]] = []


def refusal(settings: Settings) -> str | None:
    """Why what is asked for can't be had, before anything is started."""
    if settings.sentry_dsn is not None:
        if not _is_there("sentry_sdk"):
            return "S3GW_SENTRY_DSN needs the extra `sentry`: pip install 's3gw[sentry]'"
        from sentry_sdk.utils import BadDsn, Dsn

        try:
            Dsn(settings.sentry_dsn)
        except BadDsn:
            return "S3GW_SENTRY_DSN is none: it looks like https://KEY@HOST/NUMBER"
    if _wants_traces():
        if not _is_there("opentelemetry.sdk") or not _is_there("opentelemetry.exporter.otlp.proto.http"):
            return "OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `otel`: pip install 's3gw[otel]'"
        for name in _PROTOCOLS:
            if os.environ.get(name, "http/protobuf") != "http/protobuf":
                return f"{name}: traces are sent by http/protobuf only"
    return None


def begin(settings: Settings) -> None:
    """Once per process, after the log was configured."""
    if settings.sentry_dsn is not None:
        _begin_errors(settings.sentry_dsn)
    if _wants_traces():
        _begin_traces()


def end() -> None:
    """Before a process ends."""
    while _ends:
        _ends.pop()()


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent
        return False


def _wants_traces() -> bool:
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not is_off and any(os.environ.get(name) for name in _ENDPOINTS)


def _begin_errors(dsn: str) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn,
        release=f"s3gw@{s3gw.__version__}",
        default_integrations=False,  # they would send arguments of the program, and hook into whatever is installed
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=_without_words,
    )
    _ends.append(lambda: sentry_sdk.flush(_PATIENCE))


def _without_words(event: Any, hint: Any) -> Any:
    for error in event.get("exception", {}).get("values", ()):
        error.pop("value", None)
    for name in ("breadcrumbs", "extra", "request", "user"):
        event.pop(name, None)
    return event


def _begin_traces() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    named = Resource({"service.name": "s3gw", "service.version": s3gw.__version__})
    provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer, propagator = provider.get_tracer("s3gw", s3gw.__version__), TraceContextTextMapPropagator()

    def trace(answer: Answered) -> None:
        ended_at = time.time_ns()
        span = tracer.start_span(
            answer.operation if answer.operation != "-" else str(answer.scope["method"]),
            propagator.extract({} if answer.request is None else answer.request.headers),
            SpanKind.SERVER,
            attributes=_attributes(answer),
            start_time=ended_at - int((time.perf_counter() - answer.started_at) * 1e9),
        )
        if answer.status >= 500 or answer.was_aborted:
            span.set_status(StatusCode.ERROR)
        span.end(ended_at)

    log.watch(trace)
    _ends.append(lambda: _shut_down(provider))


def _shut_down(provider: Any) -> None:
    provider.force_flush(int(_PATIENCE * 1000))
    provider.shutdown()


def _attributes(answer: Answered) -> dict[str, str | int]:
    """By OpenTelemetry's conventions. Nothing of the query, which may hold a signature or a token."""
    path: bytes = answer.scope.get("raw_path") or b"/"
    found: dict[str, str | int] = {
        "http.request.method": str(answer.scope["method"]),
        "http.response.status_code": answer.status,
        "http.request.body.size": answer.bytes_received,
        "http.response.body.size": answer.bytes_sent,
        "url.path": path[:_LONGEST].decode("ascii", "backslashreplace"),
        "s3gw.operation": answer.operation,
        "s3gw.request_id": answer.request_id,
        "s3gw.user": answer.principal.name,
    }
    if answer.request is not None:
        found["client.address"] = answer.request.client
        found["user_agent.original"] = answer.request.headers.get("user-agent", "")[:_LONGEST]
    if answer.error_code != "-":
        found["error.type"] = answer.error_code
    return found
