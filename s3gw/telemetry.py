"""Errors told to Sentry and traces to OpenTelemetry, where somebody has asked for them; nothing is imported otherwise.

Errors are those that the log tells as such, with their place in the code and without their words, which may repeat what
a client sent; the log has those, under the same request id. Refusals aren't errors. A trace has one span for each
request of any door, made when the log is told of it, and one for each attempt at a job, made when it has ended: nothing
is put in between on the way of either. The ids of a request's span are made from the request's id, so a job that it
asked for can name that span, though it was made after the job was queued.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Attempted(NamedTuple):
    """An attempt at a job that has ended. `asked` is the job's payload, if a user asked for it."""

    kind: str
    job_id: int
    attempts: int
    outcome: str
    seconds: float
    asked: str | None


_watchers_of_jobs: list[Callable[[Attempted], None]] = []


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


def tell_attempt(attempted: Attempted) -> None:
    for watcher in _watchers_of_jobs:
        watcher(attempted)


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
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    _begin_spans(BatchSpanProcessor(OTLPSpanExporter()))


def _begin_spans(processor: Any) -> None:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    named, ids = Resource({"service.name": "s3gw", "service.version": s3gw.__version__}), _make_ids()
    provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()), id_generator=ids)
    provider.add_span_processor(processor)
    spans = _Spans(provider.get_tracer("s3gw", s3gw.__version__), ids)
    log.watch(spans.tell_request)
    _watchers_of_jobs.append(spans.tell_attempt)
    _ends.append(lambda: _shut_down(provider))


def _make_ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """`request_id`: of the request whose span is being started; set and used in one step of the event loop."""

        request_id: str | None = None

        def generate_trace_id(self) -> int:
            return super().generate_trace_id() if self.request_id is None else _ids_of(self.request_id)[0]

        def generate_span_id(self) -> int:
            return super().generate_span_id() if self.request_id is None else _ids_of(self.request_id)[1]

    return Ids()


class _Spans:
    """On the event loop only."""

    def __init__(self, tracer: Any, ids: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer, self._ids, self._otel = tracer, ids, trace
        self._propagator = TraceContextTextMapPropagator()

    def tell_request(self, answer: Answered) -> None:
        ended_at = time.time_ns()
        self._ids.request_id = answer.request_id
        span = self._tracer.start_span(
            answer.operation if answer.operation != "-" else str(answer.scope["method"]),
            self._propagator.extract({} if answer.request is None else answer.request.headers),
            self._otel.SpanKind.SERVER,
            attributes=_attributes(answer),
            start_time=ended_at - int((time.perf_counter() - answer.started_at) * 1e9),
        )
        self._ids.request_id = None
        self._end(span, ended_at, answer.status >= 500 or answer.was_aborted)

    def tell_attempt(self, attempted: Attempted) -> None:
        ended_at = time.time_ns()
        span = self._tracer.start_span(
            f"job {attempted.kind}",
            self._propagator.extract({}),
            self._otel.SpanKind.CONSUMER,
            attributes={
                "s3gw.job.kind": attempted.kind,
                "s3gw.job.id": attempted.job_id,
                "s3gw.job.attempts": attempted.attempts,
                "s3gw.job.outcome": attempted.outcome,
            },
            links=[] if attempted.asked is None else [self._link_to(attempted.asked)],
            start_time=ended_at - int(attempted.seconds * 1e9),
        )
        self._end(span, ended_at, attempted.outcome == "failed")

    def _end(self, span: Any, ended_at: int, is_error: bool) -> None:
        if is_error:
            span.set_status(self._otel.StatusCode.ERROR)
        span.end(ended_at)

    def _link_to(self, asked: str) -> Any:
        """The request by which it was asked for, which is in the trace of whoever made that."""
        told, otel = json.loads(asked), self._otel
        trace_id, span_id = _ids_of(told["request_id"])
        context = self._propagator.extract({"traceparent": told.get("traceparent") or ""})
        found = otel.get_current_span(context).get_span_context()
        is_sampled = otel.TraceFlags(otel.TraceFlags.SAMPLED)
        return otel.Link(otel.SpanContext(found.trace_id if found.is_valid else trace_id, span_id, True, is_sampled))


def _ids_of(request_id: str) -> tuple[int, int]:
    """Of its trace, unless whoever asks is in one already, and of its span."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def _shut_down(provider: Any) -> None:
    provider.force_flush(int(_PATIENCE * 1000))
    provider.shutdown()


def _attributes(answer: Answered) -> dict[str, str | int]:
    """By OpenTelemetry's conventions. Nothing of the query, which may hold a signature or a token, and of S3's paths
    the bucket alone: keys of objects tell what people have. Those of the JSON API have ids.
    """
    found: dict[str, str | int] = {
        "http.request.method": str(answer.scope["method"]),
        "http.response.status_code": answer.status,
        "http.request.body.size": answer.bytes_received,
        "http.response.body.size": answer.bytes_sent,
        "s3gw.door": answer.door,
        "s3gw.operation": answer.operation,
        "s3gw.request_id": answer.request_id,
        "s3gw.user": answer.principal.name,
    }
    if answer.request is not None:
        found["client.address"] = answer.request.client
        found["user_agent.original"] = answer.request.headers.get("user-agent", "")[:_LONGEST]
    bucket = getattr(getattr(answer.request, "target", None), "bucket", None)
    if bucket is not None:
        found["aws.s3.bucket"] = bucket[:_LONGEST]
    if answer.door == "api":
        path: bytes = answer.scope.get("raw_path") or b"/"
        found["url.path"] = path[:_LONGEST].decode("ascii", "backslashreplace")
    if answer.error_code != "-":
        found["error.type"] = answer.error_code
    return found
